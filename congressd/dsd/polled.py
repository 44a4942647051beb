"""A source whose rows are fetched: poll, compare, publish; with back-off while it fails."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from congressd.datasources.driver import Driver, Fetch, FetchError, PollRequest
from congressd.dsd.difference import FetchedTables
from congressd.dsd.source import Means, Source
from congressd.model.errors import CongressError
from congressd.model.tables import TableSchema
from congressd.model.values import Row
from congressd.store.records import SourceRecord

log = logging.getLogger(__name__)

JITTER: Final = 0.05  #: part of the poll time by which polls are spread, so that sources do not poll in step
MOST_BACK_OFF: Final = 300.0  #: seconds
MOST_TIMES: Final = 10  #: a source that fails waits at most so many poll times


def next_delay(poll_time: float, failures: int, again_in: float | None, chance: float) -> float | None:
    """Seconds until the next poll; None for not before somebody asks. ``chance`` is from 0 to 1.

    ``failures`` is how many polls have failed in a row: the wait doubles with each, up to `MOST_TIMES` poll times or
    `MOST_BACK_OFF`, whichever is less, but never below the poll time. With the poll time 0 nothing is repeated.
    """
    if failures == 0 and again_in is not None:
        return again_in
    if poll_time == 0:
        return None
    most = max(poll_time, min(poll_time * MOST_TIMES, MOST_BACK_OFF))
    delay = min(poll_time * 2.0 ** min(max(failures - 1, 0), 32), most)
    return delay * (1 + JITTER * (2 * chance - 1))


class PolledSource(Source):
    """Holds the rows of the last fetch."""

    def __init__(
        self, record: SourceRecord, driver: Driver, means: Means, chance: Callable[[], float] = random.random
    ) -> None:
        super().__init__(record, driver, means)
        self._chance = chance
        self._failures = 0
        self._failing_since: float | None = None  # monotonic: the first of the polls in a row that did not go well
        self._forget()

    def work(self) -> float | None:
        """Poll once, and publish what changed as one batch."""
        clock = self._means.clock
        with self._lock:
            if not self._active:
                return None
            epoch = self.state.epoch
            request = PollRequest(self._full, clock.monotonic() + self._means.poll_timeout)
            self.facts.busy_since = started = clock.now()
        outcome = self._poll(request)
        with self._lock:
            self.facts.busy_since = None
            if not self._active or self.state.epoch != epoch:
                return None
            again_in = None
            if isinstance(outcome, str):
                self._failures += 1
                if self._failures == 1:
                    log.warning("source=%s cannot be polled: %s", self.name, outcome)
                self.facts.failed(clock.now(), outcome)
            else:
                if self._failures:
                    log.info("source=%s can be polled again after %d failures", self.name, self._failures)
                self._failures = 0
                again_in = outcome.again_in
                if self.state.delivered or not outcome.pending:
                    self._take(outcome, started)
            if self.facts.error is None and not self.facts.table_errors:
                self._failing_since = None
            elif self._failing_since is None:
                self._failing_since = clock.monotonic()
            delay = next_delay(self.driver.config["poll_time"], self._failures, again_in, self._chance())
            self.facts.next_poll = None if delay is None else clock.now() + delay
            return delay

    def counts(self) -> Mapping[str, int]:
        return self._tables.counts()

    def _poll(self, request: PollRequest) -> Fetch | str:
        """What the driver fetched, or a sentence why it could not."""
        try:
            return self.driver.poll(request)
        except (FetchError, CongressError) as error:
            return str(error)
        except Exception as error:  # a driver may be anybody's code; one that fails must not stop the others
            log.exception("source=%s: the driver %s failed", self.name, self.driver.info.name)
            return f"The driver failed with {type(error).__name__}: {error}"

    def _take(self, fetch: Fetch, started: float) -> None:
        """Hold what was fetched and tell of it."""
        difference = self._tables.take(fetch)
        for table in self._tables.counts():
            if table not in difference.errors and table not in fetch.pending:
                self._read_at[table] = started
        for table in difference.gone:
            self._read_at.pop(table, None)
        for table in sorted(difference.errors.keys() - self.facts.table_errors.keys()):
            log.warning("source=%s table=%s cannot be read: %s", self.name, table, difference.errors[table])
        for table in sorted(self.facts.table_errors.keys() - difference.errors.keys()):
            log.info("source=%s table=%s can be read again", self.name, table)
        # A table that the driver believes to have delivered, but that was refused, must be delivered again.
        self._full = difference.errors.keys() > fetch.errors.keys()
        self.facts.succeeded(self._means.clock.now(), difference.errors, difference.warnings)
        # Rows that could not be read are as old as they were, and the source is as old as its oldest rows.
        batch = self.state.advance(self._schema(), difference.changes, min(self._read_at.values(), default=started))
        if batch is not None:
            self._publish(batch)

    def _schema(self) -> tuple[TableSchema, ...]:
        """The tables that the driver always has, as they were last fetched, then all others."""
        known = {schema.name: schema for schema in self.driver.info.tables}
        known |= {schema.name: schema for schema in self._tables.schema()}
        return tuple(known.values())

    def _unread(self, tables: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in tables if name in self.facts.table_errors and name not in self._read_at)

    def _failing_for(self) -> float:
        return 0.0 if self._failing_since is None else self._means.clock.monotonic() - self._failing_since

    def _held(self) -> Mapping[str, Sequence[Row]]:
        return self._tables.rows()

    def _forget(self) -> None:
        self._tables = FetchedTables(congress=self.driver.config["values"] == "congress")
        self._read_at: dict[str, float] = {}  # when each table was last read, seconds since 1970
        self._full = True
        self._failures = 0
        self._failing_since = None
