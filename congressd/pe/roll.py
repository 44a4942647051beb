"""The roll of all nodes: what each says of itself every few seconds, over control, and when it was last heard.

Notices may be lost and nothing but people rests on this: a node that is not heard is shown as silent, not as gone.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from congressd.bus.control import Control, Registration
from congressd.model.clock import Clock

TOPIC: Final = "node"
PERIOD: Final = 2.0  #: seconds between what a node says
SILENCE: Final = 3 * PERIOD + 1.0  #: seconds after which a node that said nothing is called silent
FORGET: Final = 3600.0  #: seconds after which it is forgotten
ENDED: Final = "stopping"  #: the state of which nothing more is expected
MOST: Final = 1000  #: nodes


@dataclass(frozen=True, slots=True)
class NodeReport:
    """``said`` is the node's own status, ``silent`` how many seconds ago it came."""

    name: str
    said: Mapping[str, Any]
    silent: float

    @property
    def state(self) -> str:
        """The state that it told; ``silent`` if that is too long ago."""
        return "silent" if self.silent > SILENCE else str(self.said.get("state"))

    def document(self) -> dict[str, Any]:
        """The report as JSON, with the values' own booleans."""
        return {**self.said, "state": self.state, "silent_seconds": round(self.silent, 3)}


class Roll:
    """Hears the notices."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, tuple[Mapping[str, Any], float]] = {}
        self._listener: Registration | None = None

    def start(self) -> None:
        """Begin to listen; to be called once."""
        self._listener = self._control.listen(TOPIC, self._on_notice)

    def stop(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.stop()

    def all(self) -> list[NodeReport]:
        """The nodes by name; one that said that it stops is left out once it is silent."""
        now = self._clock.monotonic()
        with self._lock:
            self._heard = {name: (said, at) for name, (said, at) in self._heard.items() if now - at < FORGET}
            reports = [NodeReport(name, said, now - at) for name, (said, at) in sorted(self._heard.items())]
        return [each for each in reports if each.silent <= SILENCE or each.said.get("state") != ENDED]

    def _on_notice(self, payload: Any) -> None:
        name = payload.get("node") if isinstance(payload, dict) else None
        if isinstance(name, str):
            with self._lock:
                if name in self._heard or len(self._heard) < MOST:
                    self._heard[name] = (payload, self._clock.monotonic())
