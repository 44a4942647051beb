"""While two datasource nodes serve calls, of which one was replaced and does not know it yet, actions go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

import pytest

from congressd.bus.control import Control, Method, NoticeHandler, Registration
from congressd.pe.actions_report import Reporter
from tests.unit.actions.support import PAUSE, add, bad, wait_states
from tests.unit.actions.world import World
from tests.unit.rig import Rig, wait_until

REPLACED = {"epoch": 1, "lead": False, "whole": False, "restamp": []}


class TwoServe:
    """A control plane on which every second call to the datasource node reaches the one that was replaced."""

    def __init__(self, real: Control) -> None:
        self._real = real
        self._turns = cycle((False, True))
        self.stray: list[str] = []  # the methods that the replaced one was asked for
        self.whole = 0  # how often the other one was told everything

    def serve(self, target: str, methods: Mapping[str, Method]) -> Registration:
        return self._real.serve(target, methods)

    def call(self, target: str, method: str, args: Mapping[str, Any] | None = None, timeout: float = 5.0) -> Any:
        if target == "dsd" and next(self._turns):
            self.stray.append(method)
            return REPLACED
        self.whole += method == "report" and bool((args or {})["report"]["whole"])
        return self._real.call(target, method, args, timeout)

    def notify(self, topic: str, payload: Any) -> None:
        self._real.notify(topic, payload)

    def listen(self, topic: str, handler: NoticeHandler) -> Registration:
        return self._real.listen(topic, handler)

    def close(self, timeout: float = 5.0) -> None:
        self._real.close(timeout)


@pytest.fixture
def control(rig: Rig) -> Iterator[TwoServe]:
    rig.node.reporter.stop()
    control = TwoServe(rig.bus.control())
    reporter = Reporter(rig.node.holder, control, "pe-2")
    rig.node.holder.observer = reporter.watch
    reporter.start()
    wait_until(lambda: reporter.leads)
    yield control
    assert reporter.leads
    reporter.stop()
    control.close()


def test_an_answer_of_the_replaced_one_counts_for_nothing(rig: Rig, world: type[World], control: TwoServe) -> None:
    add(rig, PAUSE)
    for number in range(1, 5):
        bad(rig, *range(number))
        wait_states(rig, *["succeeded"] * number)
    assert sorted(world.done()) == [("pause", (number,)) for number in range(4)]
    assert "report" in control.stray
    assert control.whole == 1, "what is known is not told again because somebody else does not know it"
