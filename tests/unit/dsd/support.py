"""What the tests of the datasource node share: a database, a bus with a listener, sources put into the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from congressd.bus.inprocess import InProcessBus
from congressd.bus.streams import BatchArrived, Heartbeat, StreamEvent
from congressd.dsd.lease import LeaseTimes
from congressd.dsd.node import DatasourceNode, NodeSettings
from congressd.model.tables import Batch, BatchKind
from congressd.model.values import Row
from congressd.store import migrate, policies, pushes
from congressd.store.changes import Change, SourceCreated, SourceDeleted, SourceUpdated
from congressd.store.database import Database
from congressd.store.keys import Keys
from congressd.store.pushfold import Operation
from congressd.store.records import SourceRecord, new_id

PATIENCE = 20.0  #: seconds after which a test that waits has failed

#: A node that looks at the database often, so that no test waits for a period to pass.
QUICK = NodeSettings(node="node-1", sync_period=0.05, heartbeat_period=0.05, threads=4)


class Listener:
    """A subscriber that keeps batches, checks their order and adds them up, as a policy engine node would."""

    def __init__(self, bus: InProcessBus, *sources: str) -> None:
        self.batches: list[Batch] = []
        self.beats: list[Heartbeat] = []
        self.tables: dict[str, dict[str, set[Row]]] = {}
        self._at: dict[str, tuple[int, int]] = {}
        self._changed = threading.Condition()
        self.subscriber = bus.subscriber()
        self.subscriber.start(self._hear)
        self.subscriber.bind(sources)

    def wait(self, condition: Callable[[], object]) -> None:
        """Until ``condition`` holds; it is looked at whenever something arrives."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), f"waited in vain; {self.tables=} {self.batches[-1:]=}"

    def rows(self, source: str, table: str) -> set[Row]:
        """What all batches so far add up to."""
        return self.tables.get(source, {}).get(table, set())

    def of(self, source: str) -> list[Batch]:
        """The batches of one source so far."""
        return [batch for batch in self.batches if batch.source == source]

    def _hear(self, event: StreamEvent) -> None:
        with self._changed:
            if isinstance(event, Heartbeat):
                self.beats.append(event)
            elif isinstance(event, BatchArrived):
                self._take(event.batch)
            self._changed.notify_all()

    def _take(self, batch: Batch) -> None:
        self.batches.append(batch)
        if batch.kind is BatchKind.SNAPSHOT:
            self.tables[batch.source] = {name: set(change.added) for name, change in batch.tables.items()}
        else:
            assert (batch.epoch, batch.sequence - 1) == self._at[batch.source], "a delta must follow what came before"
            for name, change in batch.tables.items():
                held = self.tables[batch.source].setdefault(name, set())
                assert held >= set(change.removed), "only rows that were there can be removed"
                assert held.isdisjoint(change.added), "only rows that were not there can be added"
                self.tables[batch.source][name] = held - set(change.removed) | set(change.added)
        self._at[batch.source] = (batch.epoch, batch.sequence)


class House:
    """A database, a bus, and the nodes that a test starts in them."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder}/congressd.db")
        migrate.upgrade(self.database)
        self.bus = InProcessBus()
        self.control = self.bus.control()
        self.keys = Keys([b"x" * 43 + b"="], "the test")
        self.nodes: list[DatasourceNode] = []

    def node(self, settings: NodeSettings = QUICK, *, active: bool = True, **more: Any) -> DatasourceNode:
        """A node that is started and, unless told otherwise, active."""
        node = DatasourceNode(
            self.database, self.bus.publisher(), self.bus.control(), self.keys, settings=settings, **more
        )
        self.nodes.append(node)
        node.start()
        if active:
            node.activate()
        return node

    def listen(self, *sources: str) -> Listener:
        return Listener(self.bus, *sources)

    def add(self, name: str, driver: str, config: Mapping[str, Any] | None = None, **more: Any) -> SourceRecord:
        """Put a source into the database, and tell of it."""
        record = SourceRecord(new_id(), name, driver, dict(config or {}), **more)
        self.change(SourceCreated(record))
        return record

    def update(self, record: SourceRecord) -> None:
        self.change(SourceUpdated(record))

    def delete(self, record: SourceRecord) -> None:
        self.change(SourceDeleted(record))

    def change(self, *changes: Change) -> None:
        revision = self.database.read(policies.current_revision)
        now = time.time()
        new = self.database.run(lambda session: policies.commit(session, revision, changes, "tester", now))
        self.control.notify("revision", {"revision": new})

    def push(self, record: SourceRecord, *operations: Operation, notice: bool = True) -> int:
        """Accept a push, and tell of it unless the notice is to be lost."""
        prepared = pushes.prepare(operations)
        now = time.time()
        number = self.database.run(lambda session: pushes.append(session, record.id, prepared, now))
        if notice:
            self.control.notify("pushed", {"source": record.name})
        return number

    def ask(self, method: str, **args: Any) -> Any:
        """Call the active node over the bus."""
        return self.control.call("dsd", method, args)

    def close(self) -> None:
        for node in self.nodes:
            node.stop()
        self.control.close()
        self.database.close()


def eventually(condition: Callable[[], object]) -> None:
    """Until ``condition`` holds, for what nobody tells of."""
    pause = threading.Event()
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        pause.wait(0.01)


__all__ = ["QUICK", "House", "LeaseTimes", "Listener", "eventually"]
