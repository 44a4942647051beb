"""What went wrong in OpenStack Congress: each defect of its executions that COMPAT lists, shown not to be here."""

from __future__ import annotations

from pathlib import Path

import pytest

from congressd.engine import budget
from tests.unit.actions.support import PAUSE, add, bad, listed, wait_states
from tests.unit.actions.world import World
from tests.unit.rig import Rig, wait_until


def leads(rig: Rig) -> bool:
    return rig.node.reporter.leads


def test_h2_rules_that_come_together_ask_each_for_its_own_action(rig: Rig, world: type[World]) -> None:
    rig.push("inv", "ok", [["gone"]])
    bad(rig, "sick")
    rig.policy("both", PAUSE, "execute[world:destroy(x)] :- inv:ok(x)")
    wait_states(rig, "succeeded", "succeeded")
    assert sorted(world.done()) == [("destroy", ("gone",)), ("pause", ("sick",))]


def test_h4_no_action_is_lost_when_the_leading_node_dies(rig: Rig, tmp_path: Path, world: type[World]) -> None:
    with Rig(tmp_path, rig.bus, with_dsd=False) as other:
        add(rig, PAUSE)
        bad(rig, "before")
        wait_states(rig, "succeeded")
        leader, follower = (rig, other) if leads(rig) else (other, rig)
        leader.node.stop()
        bad(follower, "before", "meanwhile")
        wait_until(lambda: leads(follower))
        bad(follower, "before", "meanwhile", "after")
        wait_states(follower, *["succeeded"] * 3)
    assert sorted(world.done()) == [("pause", (each,)) for each in ("after", "before", "meanwhile")]


def test_h5_nothing_is_done_before_every_source_has_delivered(rig: Rig, world: type[World]) -> None:
    plan = '[{"error": "away"}, {"error": "away"}, {"rows": [["good", "x"]]}]'
    config = {"plan": plan, "poll_time": 0}
    rig.post("/v1/data-sources", {"name": "wl", "driver": "fake", "config": config})
    bad(rig, "good", "evil")
    add(rig, "execute[world:destroy(x)] :- inv:bad(x), not wl:fake_table(x, _)")
    wait_until(lambda: rig.get("/v1/system/actions")["blocked"])
    rig.post("/v1/data-sources/wl?action=request-refresh", {}, 200)
    wait_until(lambda: rig.get("/v1/data-sources/wl/status")["last_error"] == "away")
    assert listed(rig) == []
    wait_until(lambda: not rig.post("/v1/data-sources/wl?action=request-refresh", {}, 200) and listed(rig))
    wait_states(rig, "succeeded")
    assert world.done() == [("destroy", ("evil",))]


def test_h5_nothing_is_done_for_want_of_a_source_that_does_not_exist(rig: Rig, world: type[World]) -> None:
    bad(rig, "good")
    add(rig, "execute[world:destroy(x)] :- inv:bad(x), not later:ok(x)")
    wait_until(lambda: rig.get("/v1/system/actions")["blocked"])
    add(rig, "execute[world:pause(x)] :- inv:bad(x)")
    wait_until(lambda: world.done() == [("pause", ("good",))])
    assert [each["action"] for each in listed(rig)] == ["pause"]


def test_h6_a_policy_without_a_description_acts_once(rig: Rig, world: type[World]) -> None:
    bad(rig, "a")
    rig.policy("terse", PAUSE)
    wait_states(rig, "succeeded")
    for _ in range(3):  # as often as it may, the node looks for what it could have missed
        rig.node.follower.catch_up()
    bad(rig, "a", "b")
    wait_states(rig, "succeeded", "succeeded")
    assert world.done() == [("pause", ("a",)), ("pause", ("b",))]


def test_h13_a_policy_engine_node_that_starts_repeats_nothing(rig: Rig, tmp_path: Path, world: type[World]) -> None:
    add(rig, "execute[world:pause(x)] :- inv:bad(x), not inv:ok(x)")
    rig.push("inv", "ok", [["good"]])
    bad(rig, "a", "good")
    wait_states(rig, "succeeded")
    rig.node.stop()
    with Rig(tmp_path, rig.bus, with_dsd=False) as again:
        wait_until(lambda: leads(again))
        bad(again, "a", "b", "good")
        wait_states(again, "succeeded", "succeeded")
    assert world.done() == [("pause", ("a",)), ("pause", ("b",))]


def test_h13_a_datasource_node_that_starts_repeats_nothing(rig: Rig, world: type[World]) -> None:
    add(rig, PAUSE)
    add(rig, "execute[world:set(x)] :- inv:bad(x)")
    bad(rig, "a")
    wait_states(rig, "succeeded", "succeeded")
    rig.stop_dsd()
    rig.start_dsd()
    bad(rig, "a", "b")
    wait_states(rig, *["succeeded"] * 4)
    assert sorted(world.done()) == [(action, (row,)) for action in ("pause", "set") for row in "ab"]


def test_nothing_is_done_because_a_rule_below_was_suspended(
    rig: Rig, world: type[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that grew too large derives nothing, which must not be taken for the truth."""
    monkeypatch.setattr(budget, "MOST_ROWS", 100)
    rig.push("inv", "ok", [[each] for each in range(5)])
    rig.policy("guard", "wide(x, y) :- inv:bad(x), inv:ok(y)", "fine(x) :- wide(x, _)")
    add(rig, "execute[world:destroy(x)] :- inv:bad(x), not guard:fine(x)")
    bad(rig, *range(3))
    wait_until(lambda: not rig.get("/v1/system/actions")["blocked"])
    rig.push("inv", "ok", [[each] for each in range(20_000)])
    wait_until(lambda: rig.node.engine.suspended())
    (blocked,) = wait_until(lambda: rig.get("/v1/system/actions")["blocked"])
    assert "is suspended" in blocked["reason"]
    add(rig, PAUSE)
    wait_states(rig, *["succeeded"] * 3)
    assert {action for action, _ in world.done()} == {"pause"}
