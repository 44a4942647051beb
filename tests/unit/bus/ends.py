"""The two ends of the stream in their smallest form: a datasource node of one source, a policy engine node of it.

Both use only the interfaces of the bus, so that tests can put any bus between them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from congressd.bus.digest import SourceDigest
from congressd.bus.receiver import Action, Apply, AskSnapshot, Patience, Position, Receivers, Replace
from congressd.bus.streams import Heartbeat, Publisher, StreamEvent, Subscriber
from congressd.model.errors import CongressError
from congressd.model.tables import Batch, BatchKind, TableChange
from congressd.model.values import Row
from tests.unit.bus.batches import schema

SCHEMA = (schema("servers", 2),)
PATIENCE = Patience(first=0.05, most=0.5, silence=0.5)


class SendingEnd:
    """A datasource node of one source with one table, in one epoch. Every set of rows that it publishes is kept."""

    def __init__(self, publisher: Publisher, source: str, epoch: int) -> None:
        self.position = Position(epoch, 0)
        self.rows: frozenset[Row] = frozenset()
        self.history: dict[Position, frozenset[Row]] = {}
        self.refused = 0
        self._publisher = publisher
        self._source = source
        self._digest = SourceDigest()
        self._lock = threading.RLock()

    def set(self, rows: Sequence[Row]) -> None:
        """The source has these rows now."""
        with self._lock:
            before, self.rows = self.rows, frozenset(rows)
            epoch, sequence = self.position
            self.position = Position(epoch, sequence + 1)
            self.history[self.position] = self.rows
            change = TableChange(list(self.rows - before), list(before - self.rows))
            batch = self._batch(BatchKind.DELTA, change) if sequence else self._snapshot()
            self._digest.apply(batch)
            self._try(batch)

    def beat(self) -> None:
        """Say where the source is."""
        with self._lock, suppress(CongressError):
            if self.position.sequence:
                self._publisher.heartbeat([Heartbeat(self._source, *self.position, self._digest.tables())])

    def answer(self, to: str) -> None:
        """Somebody asks for a snapshot."""
        with self._lock:
            if self.position.sequence:
                self._try(self._snapshot(), to)

    def _snapshot(self) -> Batch:
        return self._batch(BatchKind.SNAPSHOT, TableChange(list(self.rows), []))

    def _batch(self, kind: BatchKind, change: TableChange) -> Batch:
        return Batch(self._source, *self.position, kind, SCHEMA, {"servers": change})

    def _try(self, batch: Batch, to: str | None = None) -> None:
        try:
            self._publisher.publish(batch, to)
        except CongressError:
            self.refused += 1


class ReceivingEnd:
    """A policy engine node that wants one source. ``faults`` tells what it found wrong with itself."""

    def __init__(self, subscriber: Subscriber, source: str, node: Mapping[str, SendingEnd]) -> None:
        self.rows: frozenset[Row] = frozenset()
        self.held: list[tuple[Position, frozenset[Row]]] = []
        self.faults: list[str] = []
        self.receivers = Receivers(patience=PATIENCE)
        self._subscriber = subscriber
        self._node = node  # under "active", whom to ask
        self._lock = threading.Lock()
        self.receivers.want([source])
        subscriber.bind([source])
        subscriber.start(self._on)

    def tick(self) -> None:
        """Let time pass."""
        with self._lock:
            actions = self.receivers.tick(time.monotonic())
        self._act(actions)

    def _on(self, event: StreamEvent) -> None:
        with self._lock:
            actions = self.receivers.on(event, time.monotonic())
        self._act(actions)

    def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, AskSnapshot):
                node = self._node["active"]
                threading.Thread(target=node.answer, args=(self._subscriber.address,), daemon=True).start()
            elif isinstance(action, Apply | Replace):
                self._take(action)

    def _take(self, action: Apply | Replace) -> None:
        batch = action.batch
        change = batch.tables["servers"]
        if isinstance(action, Replace):
            self.rows = frozenset(change.added)
        else:
            if not self.rows.isdisjoint(change.added) or not self.rows.issuperset(change.removed):
                self.faults.append(f"{batch.epoch}.{batch.sequence} does not fit what is held")
            self.rows = (self.rows - frozenset(change.removed)) | frozenset(change.added)
        position = Position(batch.epoch, batch.sequence)
        if self.held and position < self.held[-1][0]:
            self.faults.append(f"went back from {self.held[-1][0]} to {position}")
        self.held.append((position, self.rows))
