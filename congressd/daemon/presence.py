"""Telling all nodes, every few seconds, what this one does; see `congressd.pe.roll`."""

from __future__ import annotations

import time
from collections.abc import Callable

from congressd.bus.control import Control
from congressd.daemon.status import Status
from congressd.model.values import to_value
from congressd.pe.roll import PERIOD, TOPIC


class Presence:
    """Turned by the work loop: a node whose work hangs is not heard."""

    def __init__(self, control: Control, name: str, status: Callable[[], Status]) -> None:
        """``status`` must never wait."""
        self._control = control
        self._name = name
        self._status = status
        self._due = 0.0

    def __call__(self) -> None:
        """The work loop has turned."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PERIOD
            self.tell()

    def tell(self) -> None:
        """Tell it now, as when the state has changed. Never raises and never waits."""
        said = {"node": self._name, **self._status().document()}
        # What travels over control is made of values.
        self._control.notify(
            TOPIC, {name: to_value(each) if isinstance(each, bool) else each for name, each in said.items()}
        )
