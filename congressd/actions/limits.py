"""Limits of what rules may do: back-off between tries, starts in a time, and the blast radius. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from congressd.model.actions import Blast, Rate, RuleOptions

BLAST_WINDOW: Final = 60.0  #: seconds in which what a rule newly wants counts as sudden
LONGEST_BACKOFF: Final = 3600.0  #: seconds between two tries, however many there were


def backoff(options: RuleOptions, attempts: int) -> float:
    """Seconds to wait after the ``attempts``-th try (from 1) failed."""
    return min(options.backoff * 2.0 ** min(attempts - 1, 32), max(LONGEST_BACKOFF, options.backoff))


class Starts:
    """When actions of one rule were started, as far as its rate needs it; times in seconds, growing."""

    def __init__(self, times: Iterable[float] = ()) -> None:
        self._times = deque(times)

    def wait(self, rate: Rate, now: float) -> float:
        """Seconds until one more may be started; 0.0 if it may be now."""
        if not rate.actions:
            return 0.0
        while self._times and self._times[0] <= now - rate.seconds:
            self._times.popleft()
        if len(self._times) < rate.actions:
            return 0.0
        return self._times[-rate.actions] + rate.seconds - now

    def note(self, rate: Rate, now: float) -> None:
        """One was started."""
        if rate.actions:
            self._times.append(now)


class BlastRadius:
    """How much one rule came to want lately."""

    def __init__(self) -> None:
        self._opened: deque[tuple[float, int]] = deque()

    def stops(self, blast: Blast, new: int, base: int | None, now: float) -> str | None:
        """The sentence that says why ``new`` more activations are too many; None if they are not.

        ``base`` is the number of rows of the table that the percentage is of; None if there is no such table, and
        then no percentage. One action is always less than a percentage, however few rows there are.
        """
        while self._opened and self._opened[0][0] <= now - BLAST_WINDOW:
            self._opened.popleft()
        total = new + sum(count for _, count in self._opened)
        if blast.rows and total > blast.rows:
            return f"the rule wants {total} actions within {BLAST_WINDOW:g} s, more than its limit of {blast.rows}"
        if blast.percent and base is not None and total > 1 and total * 100 > blast.percent * base:
            return (
                f"the rule wants {total} actions within {BLAST_WINDOW:g} s, more than {blast.percent:g} % of the "
                f"{base} rows that it rests on"
            )
        return None

    def note(self, new: int, now: float) -> None:
        """So many were opened and not stopped."""
        if new:
            self._opened.append((now, new))
