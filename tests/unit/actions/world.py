"""A driver whose actions are recorded, and that can be told to fail or to hang."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from congressd.datasources.action import ActionError, ActionRequest
from congressd.datasources.driver import Driver, DriverInfo, Fetch, PollRequest
from congressd.model.actions import ActionInfo, Argument
from congressd.model.values import Row

_ID = Argument("id", "any")


class World(Driver):
    """Records what is done to it, for all sources of the driver together."""

    info = DriverInfo(
        "world",
        "What tests act upon",
        actions=(
            ActionInfo("pause", "Record it", (_ID,)),
            ActionInfo("destroy", "Record it", (_ID,)),
            ActionInfo("set", "Record it; may be repeated", (_ID, Argument("value", "int", required=False)), True),
            ActionInfo("hang", "Never end", (_ID,), time_limit=0.05),
            ActionInfo("lose", "Record it, and lose the answer", (_ID,)),
            ActionInfo("break", "Fail as code fails", (_ID,)),
        ),
    )
    calls: ClassVar[list[tuple[str, Row, str]]] = []
    release: ClassVar[threading.Event] = threading.Event()

    def poll(self, request: PollRequest) -> Fetch:
        return Fetch()

    def act(self, request: ActionRequest) -> Any:
        self.calls.append((request.action, request.args, request.activation))
        if request.action == "hang":
            self.release.wait(30)
        if request.action == "lose":
            raise ActionError("the answer was lost", acted=True)
        if request.action == "break":
            raise ZeroDivisionError("a defect")
        return None

    @classmethod
    def done(cls) -> list[tuple[str, Row]]:
        """What was done, in order."""
        return [(action, args) for action, args, _ in cls.calls]
