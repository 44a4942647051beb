"""A bus with the true interface that loses, repeats and delays what it is given, by a plan that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from congressd.bus.streams import Heartbeat, Publisher
from congressd.model.errors import CongressError
from congressd.model.tables import Batch


@dataclass(frozen=True, slots=True)
class Faults:
    """How often, from 0 to 1, something is lost, sent twice, held back until later, or refused to the caller."""

    lost: float = 0.1
    repeated: float = 0.1
    delayed: float = 0.1
    refused: float = 0.05


class LossyPublisher:
    """See `congressd.bus.streams.Publisher`; sends over ``inner`` what its plan lets through."""

    def __init__(self, inner: Publisher, seed: int, faults: Faults | None = None) -> None:
        self._inner = inner
        self._random = random.Random(seed)
        self._faults = faults or Faults()
        self._delayed: list[Callable[[], None]] = []

    @property
    def connected(self) -> bool:
        return self._inner.connected

    def publish(self, batch: Batch, to: str | None = None) -> None:
        self._send(lambda: self._inner.publish(batch, to))

    def heartbeat(self, heartbeats: Sequence[Heartbeat]) -> None:
        self._send(lambda: self._inner.heartbeat(heartbeats))

    def heal(self) -> None:
        """From now on everything arrives; what was held back arrives now, in any order."""
        self._faults = Faults(0, 0, 0, 0)
        self._random.shuffle(self._delayed)
        for send in self._delayed:
            send()
        self._delayed = []

    def close(self, timeout: float = 5.0) -> None:
        self._inner.close(timeout)

    def _send(self, send: Callable[[], None]) -> None:
        chance, faults = self._random.random(), self._faults
        for part, act in (
            (faults.lost, self._lose),
            (faults.repeated, self._twice),
            (faults.delayed, self._delayed.append),
            (faults.refused, self._refuse),
        ):
            if chance < part:
                act(send)
                break
            chance -= part
        else:
            send()
        if self._delayed and self._random.random() < 0.5:
            self._delayed.pop(self._random.randrange(len(self._delayed)))()

    @staticmethod
    def _lose(send: Callable[[], None]) -> None:
        """Not sent, and nobody is told."""

    @staticmethod
    def _twice(send: Callable[[], None]) -> None:
        send()
        send()

    @staticmethod
    def _refuse(send: Callable[[], None]) -> None:
        send()
        raise CongressError("unavailable", "the bus did not confirm, though it has it")
