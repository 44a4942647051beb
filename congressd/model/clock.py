"""Time, injected: code asks a `Clock`, so that tests can turn it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Seconds since 1970 (UTC), for people and records."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, for durations and deadlines."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
