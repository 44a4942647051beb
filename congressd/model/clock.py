"""Time, injected: code asks a `Clock`, so that tests can turn it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
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


def iso(at: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, such as ``2026-11-22T12:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
