"""A source that cannot be set up: its driver is missing, its configuration is refused or its secrets cannot be read.

It has a place among the sources, so that its status can say what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from congressd.datasources.driver import Driver, DriverInfo, Fetch, FetchError, PollRequest
from congressd.dsd.source import Means, Source
from congressd.model.values import Row
from congressd.store.records import SourceRecord


class _NoDriver(Driver):
    """Stands where a driver could not be made."""

    info = DriverInfo(name="none", description="Stands where a driver could not be made")

    def poll(self, request: PollRequest) -> Fetch:
        raise FetchError("The source could not be set up.")


class BrokenSource(Source):
    """Does nothing, and says why."""

    def __init__(self, record: SourceRecord, problem: str, means: Means) -> None:
        super().__init__(record, _NoDriver({}), means)
        self.facts.failed(means.clock.now(), problem)

    def work(self) -> float | None:
        return None

    def counts(self) -> Mapping[str, int]:
        return {}

    def _held(self) -> Mapping[str, Sequence[Row]]:
        return {}

    def _forget(self) -> None:
        """There is nothing to forget."""
