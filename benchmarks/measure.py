"""Timing and printing, for all benchmarks."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Durations of many runs of one thing, in seconds."""

    runs: tuple[float, ...]

    def quantile(self, fraction: float) -> float:
        ordered = sorted(self.runs)
        return ordered[min(int(len(ordered) * fraction), len(ordered) - 1)]

    @property
    def median(self) -> float:
        return self.quantile(0.5)


def once(work: Callable[[], object]) -> float:
    """Seconds that one call takes, with garbage of before collected first."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def many(works: list[Callable[[], object]]) -> Times:
    """Each call timed by itself."""
    runs = []
    for work in works:
        start = time.perf_counter()
        work()
        runs.append(time.perf_counter() - start)
    return Times(tuple(runs))


def human(seconds: float) -> str:
    """A duration with three digits and its unit."""
    for limit, factor, unit in ((1e-3, 1e6, "us"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def machine() -> str:
    """The machine, for the head of a table of figures."""
    return f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {platform.system()}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])
