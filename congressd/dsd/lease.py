"""The lease under which a datasource node publishes: arithmetic over a monotonic clock. Pure.

What is compared is only this node's own monotonic time, never a time from the database: the end of the lease is
counted from before the renewal was sent, so it can be too early, but never too late.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds: the lease, how often it is renewed, and how long before its end publishing stops."""

    lease: float = 15.0
    renew_period: float = 5.0
    margin: float = 2.0


class Lease:
    """The lease of one epoch."""

    def __init__(self, times: LeaseTimes, epoch: int, asked_at: float) -> None:
        """``asked_at``: monotonic seconds before the epoch was asked for."""
        self.epoch = epoch
        self._times = times
        self._end = asked_at + times.lease

    def renewed(self, asked_at: float) -> None:
        """The database took a renewal that was sent at ``asked_at``."""
        self._end = max(self._end, asked_at + self._times.lease)

    def holds(self, now: float) -> bool:
        """Whether this node may publish."""
        return now < self._end - self._times.margin

    def left(self, now: float) -> float:
        """Seconds for which this node may still publish."""
        return max(0.0, self._end - self._times.margin - now)
