"""What the playbook waits for: what may run. What an operator keeps away it does not wait for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cluster.simulation import NODES, ROLE, Simulator

PROGRAM = ROLE / "files" / "missing.py"

Change = Callable[[Path], None]


def _environment(cib: Path) -> dict[str, str]:
    return {"CIB_file": str(cib), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def _missing(cib: Path, *engines: str) -> list[str]:
    command = [sys.executable, str(PROGRAM), *engines]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(cib), check=False)
    found = done.stdout.strip().splitlines()
    assert done.returncode == (1 if found else 0), done.stderr
    return found


def _run(*command: str) -> Change:
    def change(cib: Path) -> None:
        subprocess.run(command, env=_environment(cib), check=True, capture_output=True)

    return change


def _attribute(name: str, node: str = "ctl2") -> Change:
    return _run("crm_attribute", "--node", node, "--name", name, "--update", "true")


def _ban(*more: str) -> Change:
    return _run("crm_resource", "--ban", "--resource", "pe-1-clone", "--node", "ctl2", *more)


def _offline(cib: Path) -> None:
    tree = ElementTree.parse(cib)
    state = next(state for state in tree.iter("node_state") if state.get("uname") == "ctl2")
    state.attrib.update({"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"})
    tree.write(cib)


def _stop(cib: Path, resource: str, node: str) -> None:
    """Of itself; nobody asked for that."""
    tree = ElementTree.parse(cib)
    resources = tree.find(f"status/node_state[@uname='{node}']/lrm/lrm_resources")
    assert resources is not None
    resources[:] = [each for each in resources if each.get("id") != resource]
    tree.write(cib)


@pytest.fixture
def cib(tmp_path: Path) -> Path:
    return Simulator(tmp_path).running()


def test_nothing_is_missing_when_everything_runs(cib: Path) -> None:
    assert _missing(cib, "pe-1") == []


def test_a_policy_engine_that_stopped_by_itself_is_missing(cib: Path) -> None:
    _stop(cib, "pe-1", "ctl2")
    assert _missing(cib, "pe-1") == ["pe-1 does not run on ctl2"]


@pytest.mark.parametrize(
    "keep_away",
    [_attribute("standby"), _attribute("maintenance"), _ban(), _ban("--lifetime", "PT10M"), _offline],
    ids=["standby", "maintenance", "ban", "ban-for-a-while", "offline"],
)
def test_a_policy_engine_that_an_operator_keeps_away_is_not_missing(keep_away: Change, cib: Path) -> None:
    keep_away(cib)
    _stop(cib, "pe-1", "ctl2")
    assert _missing(cib, "pe-1") == []
    _stop(cib, "pe-1", "ctl3")
    assert _missing(cib, "pe-1") == ["pe-1 does not run on ctl3"]


def test_a_ban_of_one_instance_is_not_one_of_another(cib: Path) -> None:
    _ban()(cib)
    assert _missing(cib, "pe-1", "pe-2") == [f"pe-2 does not run on {node}" for node in NODES]


def test_a_cluster_in_maintenance_is_taken_as_it_is(cib: Path) -> None:
    _stop(cib, "pe-1", "ctl2")
    _run("crm_attribute", "--type", "crm_config", "--name", "maintenance-mode", "--update", "true")(cib)
    assert _missing(cib, "pe-1") == []


@pytest.mark.parametrize("layout", ["promotable", "group"])
def test_a_datasource_node_is_missing_when_none_is_active_and_one_could_be(layout: str, tmp_path: Path) -> None:
    cib = Simulator(tmp_path).running(pacemaker_dsd_layout=layout)
    assert _missing(cib) == []
    for node in NODES:
        _stop(cib, "dsd", node)
    assert _missing(cib) == ["no dsd is active"]
    for node in NODES:
        _attribute("standby", node)(cib)
    assert _missing(cib) == []
