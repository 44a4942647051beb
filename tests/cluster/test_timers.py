"""The table of timers: its rules hold, and whoever has a figure of his own has the table's."""

from __future__ import annotations

import inspect
import re
from configparser import RawConfigParser
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from congressd.agent import dsd, pe
from congressd.agent.actions import PATIENCE
from congressd.config.options import Settings
from congressd.pe.follower import Follower
from congressd.store.database import Limits
from tests.cluster.simulation import ROOT, defaults

TIMERS: dict[str, float] = defaults()["pacemaker_timers"]
RULES: list[dict[str, str]] = defaults()["pacemaker_timer_rules"]


def _holds(rule: str, timers: dict[str, float]) -> bool:
    return bool(jinja2.Environment().compile_expression(rule)(t=SimpleNamespace(**timers)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_the_table_keeps_its_rules(rule: dict[str, str]) -> None:
    assert _holds(rule["rule"], TIMERS), rule["why"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["rule"])
def test_a_rule_can_be_broken_and_names_timers_of_the_table(rule: dict[str, str]) -> None:
    named = set(re.findall(r"\bt\.(\w+)", rule["rule"]))
    assert named <= set(TIMERS)
    worse = [{**TIMERS, name: value} for name in named for value in (0.001, 100_000)]
    assert any(not _holds(rule["rule"], timers) for timers in worse)


@pytest.mark.parametrize("unit", ["congress-pe@.service", "congress-dsd.service", "congress-dsd-standby.service"])
def test_the_units_have_the_figures_of_the_table(unit: str) -> None:
    parser = RawConfigParser(strict=False)
    parser.read(ROOT / "systemd" / unit)
    service: Any = parser["Service"]
    assert int(service["WatchdogSec"]) == TIMERS["pe_unit_watchdog" if "-pe" in unit else "unit_watchdog"]
    assert int(service["TimeoutStartSec"]) == TIMERS["unit_start"]
    assert int(service["TimeoutStopSec"]) == TIMERS["unit_stop"]


@pytest.mark.parametrize("agent", [pe.AGENT, dsd.AGENT], ids=["pe", "dsd"])
def test_the_agents_advertise_the_figures_of_the_table(agent: Any) -> None:
    actions = {(action.name, action.depth): action for action in agent.actions}
    assert actions["start", None].timeout == TIMERS["start_timeout"]
    assert actions["stop", None].timeout == TIMERS["stop_timeout"]
    assert actions["monitor", 0].timeout == TIMERS["monitor_timeout"]
    assert actions["monitor", 10].timeout == TIMERS["deep_monitor_timeout"]
    assert actions["monitor", 10].interval == TIMERS["deep_monitor"]
    given = {parameter.name: parameter.default for parameter in agent.parameters}
    assert float(given["control_timeout"]) == TIMERS["control_timeout"]
    age = "pe_max_work_age" if agent is pe.AGENT else "max_work_age"
    assert float(given["max_work_age"]) == TIMERS[age]


def test_a_monitor_that_waits_for_a_role_to_be_given_up_is_followed_by_one_that_does_not() -> None:
    assert TIMERS["dsd_monitor"] > dsd.GRACE


def test_a_policy_engine_knows_that_its_database_is_away_before_a_deep_monitor_gives_up() -> None:
    period = inspect.signature(Follower).parameters["period"].default
    assert Limits().deadline + period <= 25 < TIMERS["deep_monitor_timeout"] * PATIENCE
    assert any("* 0.6 > 25" in rule["rule"] for rule in RULES)
    assert PATIENCE == 0.6


def test_the_daemons_defaults_are_the_figures_of_the_table() -> None:
    settings = Settings()
    assert settings.dsd.lease == TIMERS["lease"]
    assert settings.dsd.renew_period == TIMERS["lease_renew"]
    assert settings.dsd.lease_margin == TIMERS["lease_margin"]
