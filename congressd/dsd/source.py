"""One source on the datasource node: what polled and pushed ones have in common.

Everything that changes what is held, or publishes, happens under the source's lock, so that batches leave in the
order of their sequence and a snapshot that was asked for cannot overtake a delta that it contains.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from congressd.bus.streams import Heartbeat, Publisher
from congressd.datasources.driver import Driver
from congressd.dsd import status
from congressd.dsd.source_state import SourceState
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.model.nearest import hint
from congressd.model.tables import Batch, TableSchema
from congressd.model.values import Row
from congressd.store.database import Database
from congressd.store.records import SourceRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What a source needs of its node. ``may_publish`` is false once the node's lease has ended."""

    database: Database
    publisher: Publisher
    clock: Clock
    may_publish: Callable[[], bool]
    poll_timeout: float = 60.0  #: seconds that one poll may take
    retry_period: float = 5.0  #: seconds until the log of pushes is read again when it could not be


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted of a source. ``read_at``: when it was last read well, seconds since 1970; None if never."""

    source: str
    failing: bool
    rows: int
    read_at: float | None
    batches: int
    unconfirmed: int


class Source(ABC):
    """One configured source, from one record; if that changes, another object takes its place."""

    def __init__(self, record: SourceRecord, driver: Driver, means: Means) -> None:
        self.record = record
        self.driver = driver
        self.state = SourceState(record.name, self._held)
        self.facts = status.Facts()
        self._means = means
        self._lock = threading.RLock()
        self._active = False

    @property
    def name(self) -> str:
        """The name by which rules know the source."""
        return self.record.name

    def activate(self, epoch: int, after: int = 0) -> None:
        """Begin to publish in ``epoch``, after the sequence ``after``; the first `work` brings the first batch."""
        with self._lock:
            self._forget()
            self.state.begin(epoch, after)
            self._active = True

    def deactivate(self) -> None:
        """Publish nothing from now on. Work that is under way comes to nothing."""
        with self._lock:
            self._active = False
            self.facts.next_poll = None

    def close(self) -> None:
        """Let go of everything."""
        self.deactivate()
        self.driver.close()

    @abstractmethod
    def work(self) -> float | None:
        """Do what is due; the seconds until more is due, None for not before somebody asks.

        Never called by two threads at once, and never raises.
        """

    def figures(self) -> Figures:
        """What is counted. Never waits, so that the numbers need not all be of one moment."""
        facts = self.facts
        failing = facts.error is not None or bool(facts.table_errors)
        rows = sum(self.counts().values())
        return Figures(self.name, failing, rows, facts.last_success, facts.updates, facts.unconfirmed)

    @abstractmethod
    def counts(self) -> Mapping[str, int]:
        """How many rows each table has."""

    @abstractmethod
    def _held(self) -> Mapping[str, Sequence[Row]]:
        """The rows of every table, for snapshots."""

    def _right_at(self, overdue: float) -> float | None:
        """When what is held was last known to be right, seconds since 1970; None: when it was read last."""
        del overdue
        return None

    def _failing_for(self) -> float:
        """For how many seconds the source has been due to be read, and could not be."""
        return 0.0

    @abstractmethod
    def _forget(self) -> None:
        """Hold nothing: what another node published meanwhile may be newer."""

    def publish_snapshot(self, to: str, patience: float) -> bool:
        """Publish everything to one subscriber; False if the source was busy for ``patience`` seconds.

        If there is nothing yet nothing is published: the first batch, which goes to everybody, will be a snapshot.
        """
        if not self._lock.acquire(timeout=patience):
            return False
        try:
            if self.state.delivered:
                self._publish(self.state.snapshot(), to)
            return True
        finally:
            self._lock.release()

    def heartbeat(self, overdue: float = 0.0) -> Heartbeat | None:
        """Where the stream is; None if nothing was published, or the source is busy publishing just now.

        ``overdue``: for how long a look for news has been due that could not be had, in seconds.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if not self._active:
                return None
            return self.state.heartbeat(self._right_at(overdue), max(overdue, self._failing_for()))
        finally:
            self._lock.release()

    def unread(self, tables: Iterable[str]) -> tuple[str, ...] | None:
        """Which of these tables could not be read in this epoch yet; None if nothing was published.

        Never waits.
        """
        return self._unread(tables) if self._active and self.state.delivered else None

    def _unread(self, tables: Iterable[str]) -> tuple[str, ...]:
        return ()

    def schema(self) -> tuple[TableSchema, ...]:
        """All tables that are known, also before their first rows."""
        with self._lock:
            return self.state.schema if self.state.delivered else self.driver.schema()

    def rows(self, table: str) -> Sequence[Row]:
        """The rows of one table. Raises CongressError "not_found" with the nearest name."""
        with self._lock:
            rows = self._held().get(table)
            if rows is not None:
                return rows
            names = [schema.name for schema in self.schema()]
            if table in names:
                return ()
            raise CongressError("not_found", f'Source "{self.name}" has no table "{table}".{hint(table, names)}')

    def status(self) -> dict[str, Any]:
        """See `congressd.dsd.status.document`."""
        with self._lock:
            state = self.state
            position = status.Position(state.epoch, state.sequence, state.push)
            fetched_at = state.fetched_at if state.delivered and state.fetched_at else None
            now = self._means.clock.now()
            return status.document(self.facts, position, self.counts(), fetched_at, now, active=self._active)

    def _publish(self, batch: Batch, to: str | None = None) -> None:
        """Hand a batch to the bus. If that fails its subscribers see the gap, and ask for a snapshot."""
        if not self._active or not self._means.may_publish():
            log.info("source=%s sequence=%d is not published: this node is not active", self.name, batch.sequence)
            return
        try:
            self._means.publisher.publish(batch, to)
        except CongressError as error:
            self.facts.unconfirmed += 1
            log.warning("source=%s sequence=%d is not confirmed by the bus: %s", self.name, batch.sequence, error)
        else:
            self.facts.published_at = self._means.clock.monotonic()
        if to is None:
            self.facts.updates += 1
