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
        self._told = ""

    def __call__(self) -> None:
        """The work loop has turned: tell what is new, and now and then that nothing is."""
        if time.monotonic() >= self._due or self._status().line() != self._told:
            self.tell()

    def tell(self) -> None:
        """Tell it now. Never raises and never waits."""
        self._due = time.monotonic() + PERIOD
        status = self._status()
        self._told = status.line()
        said = {"node": self._name, **status.document()}
        # What travels over control is made of values.
        self._control.notify(
            TOPIC, {name: to_value(each) if isinstance(each, bool) else each for name, each in said.items()}
        )
