"""The checker of executions finds what it shall find: each kind of wrong history, and a planted bug in a real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from congressd.actions.ledger import Ledger
from tests.service.actions_history import History, violations
from tests.unit.actions.support import add, bad, listed, wait_states
from tests.unit.actions.target import Target
from tests.unit.rig import Rig, wait_until


def entry(identity: str, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    known = {"id": identity, "state": state, "open": True, "attempts": 1, "action": "do", "result": None, "settled": []}
    return known | more


RIGHT = History(
    {"a": 1, "b": 1}, frozenset({"a", "b"}), [entry("1"), entry("2", "unknown")], {"1": "a", "2": "b"}, ["1"]
)


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (replace(RIGHT, calls=["1", "1"]), "called 2 times"),
        (replace(RIGHT, calls=["1", "3"]), "not in the log"),
        (replace(RIGHT, calls=[]), "nothing was called"),
        (replace(RIGHT, log=[entry("1"), entry("2", "running")]), "still running"),
        (replace(RIGHT, log=[entry("1"), entry("2", "pending")]), "still pending"),
        (replace(RIGHT, log=[entry("1")]), "row b holds, and nothing was done"),
        (replace(RIGHT, log=[entry("1"), entry("2", "cancelled")]), "row b holds, but"),
        (replace(RIGHT, held=frozenset({"a"})), "row b holds no longer, but"),
        (replace(RIGHT, row_of={"1": "a", "2": "a"}), "came 1 times and has 2 activations"),
        (replace(RIGHT, appeared={"a": 2, "b": 1}, row_of={"1": "a", "2": "a"}), "2 open activations"),
        (replace(RIGHT, calls=["1"] * 3, idempotent=frozenset({"do"})), "called 3 times in 1 attempts"),
    ],
)
def test_wrong_histories_are_told(history: History, said: str) -> None:
    assert violations(RIGHT) == []
    assert any(said in each for each in violations(history)), violations(history)


def recorded(rig: Rig, target: Target) -> History:
    """What happened to the row ``a``, which came once and holds."""
    log = listed(rig)
    calls = [call.activation for call in target.calls]
    return History({"a": 1}, frozenset({"a"}), log, {each["id"]: "a" for each in log}, calls)


def death_during_a_call(rig: Rig, target: Target) -> None:
    """The datasource node is lost while an action hangs, and another one takes over."""
    add(rig, f'execute[http:request("POST", "{target.url}/hang")] :- inv:bad(x)')
    bad(rig, "a")
    target.wait(1)
    assert rig.dsd is not None
    rig.start_dsd()  # the old one lives on, as a zombie that has not noticed


def test_a_death_during_a_call_leaves_one_call_and_an_unknown_activation(rig: Rig, target: Target) -> None:
    old = rig.dsd
    death_during_a_call(rig, target)
    wait_states(rig, "unknown")
    target.release.set()
    assert violations(recorded(rig, target)) == []
    assert old is not None
    old.stop()


def test_the_checker_catches_a_planted_bug(rig: Rig, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that believes every action to be idempotent."""
    plain: Callable[..., None] = Ledger.__init__

    def planted(self: Ledger, _idempotent: object, *args: Any) -> None:
        plain(self, lambda _service, _action: True, *args)

    monkeypatch.setattr(Ledger, "__init__", planted)
    old = rig.dsd
    death_during_a_call(rig, target)
    target.wait(2)
    target.release.set()
    wait_until(lambda: listed(rig)[0]["state"] == "succeeded")
    assert [each.split(") ")[-1] for each in violations(recorded(rig, target))] == ["was called 2 times"]
    assert old is not None
    old.stop()
