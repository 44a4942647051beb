"""A source whose rows are pushed: follows its log of pushes in the database, and publishes each push as one batch.

Nothing is lost when the node stops: the log has every accepted push, and a node that takes over begins with what the
log adds up to.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from congressd.datasources.congressvalues import congress_rows
from congressd.datasources.driver import Driver
from congressd.dsd.source import Means, Source
from congressd.model.errors import CongressError
from congressd.model.tables import TableChange
from congressd.model.values import Row
from congressd.store import epochs, pushes
from congressd.store.pushfold import Delete, Operation, PushedTables
from congressd.store.records import SourceRecord

log = logging.getLogger(__name__)

ROLE: Final = "dsd"  #: of the epochs under which this node writes
FOLD_CHECK: Final = 200  #: pushes after which the log's length is looked at


class PushedSource(Source):
    """Holds what the log of pushes adds up to, up to the push ``number``."""

    def __init__(self, record: SourceRecord, driver: Driver, means: Means) -> None:
        super().__init__(record, driver, means)
        self._schemas = {schema.name: schema for schema in driver.schema()}
        self._congress = driver.config["values"] == "congress"
        self._forget()

    def work(self) -> float | None:
        """Publish the pushes that have been accepted since the last look; `looked` and notices tell when."""
        with self._lock:
            if not self._active:
                return None
            epoch = self.state.epoch
            number = self._number if self.state.delivered else None
        news = self._read(number)
        with self._lock:
            if not self._active or self.state.epoch != epoch:
                return None
            now = self._means.clock.now()
            if isinstance(news, str):
                if self.facts.error is None:
                    log.warning("source=%s: the log of pushes cannot be read: %s", self.name, news)
                self.facts.failed(now, news)
                return self._means.retry_period
            if isinstance(news, pushes.PushState):
                self._begin(news)
            else:
                for push in news:
                    self._take(push)
            self.facts.succeeded(now, {}, self._misfits())
        self._fold_if_long(epoch)
        return None

    def looked(self, last: int | None) -> bool:
        """The log's last push has the number ``last``: whether there is work to do. Never waits.

        A source that is at work just now is looked at the next time.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self._active:
                return False
            if not self.state.delivered or self._number != last:
                return True
            self.facts.succeeded(self._means.clock.now(), {}, self._misfits())
            return False
        finally:
            self._lock.release()

    def unreadable(self, error: str) -> None:
        """Nobody could look at the log. Never waits."""
        if self._lock.acquire(blocking=False):
            try:
                if self._active:
                    self.facts.failed(self._means.clock.now(), error)
            finally:
                self._lock.release()

    def counts(self) -> Mapping[str, int]:
        return dict(self._counts)

    def _right_at(self, overdue: float) -> float | None:
        """Rows that were pushed are right until others are, as long as somebody looks."""
        return self._means.clock.now() - overdue if self.facts.error is None else self.facts.last_success

    def _read(self, number: int | None) -> Sequence[pushes.Push] | pushes.PushState | str:
        """The pushes after ``number``; or everything, if there is no such number; or why neither could be read."""
        database, source = self._means.database, self.record.id
        try:
            if number is not None:
                news = database.read(lambda session: pushes.since(session, source, number))
                if news is not None:
                    return news
            return database.read(lambda session: pushes.state(session, source), causal=True)
        except CongressError as error:
            return str(error)

    def _begin(self, state: pushes.PushState) -> None:
        """Hold all that was ever pushed, and publish it."""
        self._tables = PushedTables({name: self._converted(rows) for name, rows in state.tables.items()})
        self._number = state.number
        self._unchecked = FOLD_CHECK
        rows = self._tables.rows()
        self._all = {name: len(rows.get(name, ())) for name in self._schemas}
        self._counts = {name: len(self._fit(name, rows.get(name, ()))) for name in self._schemas}
        batch = self.state.advance(self.driver.schema(), {}, self._means.clock.now(), state.number, anew=True)
        if batch is not None:
            self._publish(batch)

    def _take(self, push: pushes.Push) -> None:
        """Hold one push and publish it."""
        changes = {}
        for name, change in self._tables.apply(map(self._converted_operation, push.operations)).items():
            if name in self._schemas:
                fitting = TableChange(self._fit(name, change.added), self._fit(name, change.removed))
                self._all[name] += len(change.added) - len(change.removed)
                self._counts[name] += len(fitting.added) - len(fitting.removed)
                if fitting.added or fitting.removed:
                    changes[name] = fitting
        self._number = push.number
        self._unchecked += 1
        batch = self.state.advance(self.driver.schema(), changes, push.at, push.number)
        if batch is not None:
            self._publish(batch)

    def _fold_if_long(self, epoch: int) -> None:
        """Now and then look how long the log has grown, and shorten it."""
        if self._unchecked < FOLD_CHECK:
            return
        self._unchecked = 0
        database, source = self._means.database, self.record.id
        try:
            if database.read(lambda session: pushes.needs_fold(session, source)):
                number = pushes.fold(database, source, lambda session: epochs.guard(session, ROLE, epoch))
                log.info("source=%s: the log of pushes is folded up to push %d", self.name, number)
        except CongressError as error:
            log.warning("source=%s: the log of pushes cannot be folded: %s", self.name, error)

    def _fit(self, table: str, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows that have as many values as the table, as it is declared now, has columns."""
        width = len(self._schemas[table].columns)
        return [row for row in rows if len(row) == width]

    def _misfits(self) -> tuple[str, ...]:
        """A warning for each table with rows of before its columns were declared anew."""
        return tuple(
            f"{name}: {number - self._counts[name]} rows were pushed before its columns changed and do not fit them; "
            "they are left out until the table is pushed again"
            for name, number in self._all.items()
            if number > self._counts[name]
        )

    def _held(self) -> Mapping[str, Sequence[Row]]:
        rows = self._tables.rows()
        return {name: self._fit(name, rows.get(name, ())) for name in self._schemas}

    def _forget(self) -> None:
        self._tables = PushedTables()
        self._number = 0
        self._all = dict.fromkeys(self._schemas, 0)  # rows by table, also those that do not fit
        self._counts = dict.fromkeys(self._schemas, 0)
        self._unchecked = 0

    def _converted(self, rows: Sequence[Row]) -> Sequence[Row]:
        return congress_rows(rows) if self._congress else rows

    def _converted_operation(self, operation: Operation) -> Operation:
        if not self._congress:
            return operation
        if isinstance(operation, Delete):
            return replace(operation, keys=congress_rows(operation.keys))
        return replace(operation, rows=congress_rows(operation.rows))
