"""Golden scenarios of the cluster's configuration: faults as data, what Pacemaker does about them as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.simulation import Simulator

SCENARIOS = [
    pytest.param(scenario, id=scenario["name"])
    for file in sorted(Path(__file__).with_name("scenarios").glob("*.yaml"))
    for scenario in yaml.safe_load(file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: dict[str, Any], tmp_path: Path) -> None:
    simulator = Simulator(tmp_path)
    cib = simulator.running(**scenario.get("cluster", {}))
    for injected in scenario.get("before", []):
        cib = simulator.after(cib, *injected)
    if "unscored" in scenario:
        simulator.unscore(cib, scenario["unscored"])
    for node in scenario.get("withheld", []):
        simulator.withhold(cib, node)
    if "standby" in scenario:
        simulator.standby(cib, scenario["standby"])
    for resource, node in scenario.get("cannot_start", {}).items():
        simulator.ban(cib, resource, node)
    injected = scenario.get("inject", [])
    assert simulator.summary(cib, *injected) == scenario["summary"]
    done = simulator.order(cib, *injected)
    assert [action for action in done if action in scenario.get("order", [])] == scenario.get("order", [])


def test_there_are_enough_scenarios() -> None:
    assert len(SCENARIOS) >= 20


@pytest.mark.parametrize("layout", ["group", "promotable"])
@pytest.mark.parametrize("instances", [1, 3])
def test_the_configuration_is_clean(layout: str, instances: int, tmp_path: Path) -> None:
    simulator = Simulator(tmp_path)
    cib = simulator.running(pacemaker_dsd_layout=layout, pacemaker_pe_instances=instances)
    assert simulator.verify(cib) == ""
