"""Any interleaving of loss, repetition, reordering, corruption, reconnection and takeover ends in equal tables.

The machine plays one policy engine node, datasource nodes that replace each other (a replaced one may go on talking
for as long as it likes), and a network that does what it wants until it heals.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from congressd.bus.digest import SourceDigest
from congressd.bus.receiver import Apply, AskSnapshot, Patience, Position, Receivers, Replace
from congressd.bus.streams import BatchArrived, Disconnected, Heartbeat, Resync, ResyncReason, StreamEvent
from congressd.model.tables import Batch, BatchKind, TableChange
from congressd.model.values import Row
from tests.unit.bus.batches import schema

SOURCES = ("neutron", "nova")
TABLES = ("a", "b")
SCHEMA = tuple(schema(table, 1) for table in TABLES)
Tables = dict[str, frozenset[Row]]


def nothing() -> Tables:
    return dict.fromkeys(TABLES, frozenset())


@dataclass
class Node:
    """A datasource node in its epoch: what it holds of each source, and what it has said."""

    epoch: int
    tables: dict[str, Tables] = field(default_factory=lambda: {source: nothing() for source in SOURCES})
    sequence: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0))
    digests: dict[str, SourceDigest] = field(default_factory=lambda: {source: SourceDigest() for source in SOURCES})

    def change(self, source: str, after: Tables, whole: bool) -> Batch:
        before = self.tables[source]
        self.sequence[source] += 1
        self.tables[source] = after
        if whole or self.sequence[source] == 1:
            batch = self.snapshot(source)
        else:
            changes = {
                name: TableChange(sorted(after[name] - before[name]), sorted(before[name] - after[name]))
                for name in TABLES
            }
            batch = Batch(source, self.epoch, self.sequence[source], BatchKind.DELTA, SCHEMA, changes)
        self.digests[source].apply(batch)
        return batch

    def snapshot(self, source: str) -> Batch:
        tables = {name: TableChange(added=sorted(rows)) for name, rows in self.tables[source].items()}
        return Batch(source, self.epoch, self.sequence[source], BatchKind.SNAPSHOT, SCHEMA, tables)

    def heartbeat(self, source: str) -> Heartbeat:
        return Heartbeat(source, self.epoch, self.sequence[source], self.digests[source].tables())


class ReceiverMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.nodes = [Node(1)]
        self.flying: list[StreamEvent] = []
        self.asked: list[str] = []
        self.receivers = Receivers(patience=Patience(first=1, most=8, silence=4, buffered=5))
        self.receivers.want(SOURCES)
        self.rows: dict[str, Tables] = {source: nothing() for source in SOURCES}
        self.history: dict[tuple[str, Position], Tables] = {}
        self.doubtful: set[str] = set()  # sources whose rows were changed by a corrupt batch
        self.seen: dict[str, Position] = defaultdict(lambda: Position(0, 0))
        self.highest = 0
        self.handle(Resync(frozenset(SOURCES), ResyncReason.BOUND))

    # the policy engine node

    def handle(self, event: StreamEvent) -> None:
        if isinstance(event, BatchArrived):
            self.highest = max(self.highest, event.batch.epoch)
        elif isinstance(event, Heartbeat):
            self.highest = max(self.highest, event.epoch)
        self.act(self.receivers.on(event, self.now))

    def act(self, actions: Sequence[object]) -> None:
        for action in actions:
            if isinstance(action, AskSnapshot):
                self.asked.append(action.source)
            elif isinstance(action, Replace):
                self.moved(action.batch)
                self.rows[action.batch.source] = {name: frozenset() for name in TABLES} | {
                    name: frozenset(change.added) for name, change in action.batch.tables.items()
                }
                self.doubtful.discard(action.batch.source)
                if self.corrupt(action.batch):
                    self.doubtful.add(action.batch.source)
            elif isinstance(action, Apply):
                batch, rows = action.batch, self.rows[action.batch.source]
                self.moved(batch)
                assert batch.sequence == self.seen_before.sequence + 1
                assert batch.epoch == self.seen_before.epoch
                if self.corrupt(batch):
                    self.doubtful.add(batch.source)
                for name, change in batch.tables.items():
                    rows[name] = (rows[name] - frozenset(change.removed)) | frozenset(change.added)

    def moved(self, batch: Batch) -> None:
        """What is applied is never older than what is held, nor of an epoch that is over."""
        position = Position(batch.epoch, batch.sequence)
        self.seen_before = self.seen[batch.source]
        assert position >= self.seen_before
        assert batch.epoch == self.highest
        self.seen[batch.source] = position

    @staticmethod
    def corrupt(batch: Batch) -> bool:
        return batch.fetched_at < 0

    # the datasource nodes

    @rule(
        node=st.integers(0, 3),
        source=st.sampled_from(SOURCES),
        rows=st.lists(st.tuples(st.sampled_from(TABLES), st.integers(0, 5)), max_size=6),
        whole=st.booleans(),
    )
    def publish(self, node: int, source: str, rows: list[tuple[str, int]], whole: bool) -> None:
        """A node, the active one or a zombie, reads something new."""
        publisher = self.nodes[-1 - node % len(self.nodes)]
        after = {name: frozenset((number,) for table, number in rows if table == name) for name in TABLES}
        batch = publisher.change(source, dict(after), whole)
        self.history[(source, Position(batch.epoch, batch.sequence))] = dict(after)
        self.flying.append(BatchArrived(batch))

    @rule(node=st.integers(0, 3), source=st.sampled_from(SOURCES))
    def beat(self, node: int, source: str) -> None:
        publisher = self.nodes[-1 - node % len(self.nodes)]
        if publisher.sequence[source]:
            self.flying.append(publisher.heartbeat(source))

    @rule()
    def take_over(self) -> None:
        self.nodes.append(Node(self.nodes[-1].epoch + 1))

    @precondition(lambda self: self.asked)
    @rule(node=st.integers(0, 3), data=st.data())
    def answer(self, node: int, data: st.DataObject) -> None:
        """A question for a snapshot reaches some node; it is answered if there is something to tell."""
        source = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        publisher = self.nodes[-1 - node % len(self.nodes)]
        if publisher.sequence[source]:
            self.flying.append(BatchArrived(publisher.snapshot(source)))

    # the network

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), again=st.booleans())
    def arrive(self, data: st.DataObject, again: bool) -> None:
        number = data.draw(st.integers(0, len(self.flying) - 1))
        self.handle(self.flying[number] if again else self.flying.pop(number))

    @rule(count=st.integers(1, 8))
    def arrive_in_order(self, count: int) -> None:
        for _ in range(min(count, len(self.flying))):
            self.handle(self.flying.pop(0))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def lose_question(self, data: st.DataObject) -> None:
        self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))

    @precondition(lambda self: any(isinstance(event, BatchArrived) for event in self.flying))
    @rule(data=st.data())
    def corrupt_batch(self, data: st.DataObject) -> None:
        """A batch that says something else than what its publisher holds: the fault that digests are for."""
        numbers = [number for number, event in enumerate(self.flying) if isinstance(event, BatchArrived)]
        number = data.draw(st.sampled_from(numbers))
        event = self.flying[number]
        assert isinstance(event, BatchArrived)
        tables = {**event.batch.tables, "a": TableChange(added=[("corrupt",)])}
        self.flying[number] = BatchArrived(replace(event.batch, tables=tables, fetched_at=-1.0))

    @rule(lost=st.booleans())
    def reconnect(self, lost: bool) -> None:
        self.handle(Disconnected("test"))
        self.flying = [] if lost else self.flying
        self.handle(Resync(frozenset(SOURCES), ResyncReason.RECONNECTED))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.act(self.receivers.tick(self.now))

    @rule(shuffler=st.randoms(use_true_random=False))
    def heal(self, shuffler: random.Random) -> None:
        """From here on, for a while, everything arrives, and only the active node talks."""
        active = self.nodes[-1]
        shuffler.shuffle(self.flying)
        for _ in range(12):
            self.flying += [active.heartbeat(source) for source in SOURCES if active.sequence[source]]
            while self.flying or self.asked:
                for event in self.flying:
                    self.handle(event)
                asked, self.asked = self.asked, []
                self.flying = [BatchArrived(active.snapshot(source)) for source in asked if active.sequence[source]]
            self.wait(8.0)
            self.asked = [source for source in self.asked if active.sequence[source]]
        for source in SOURCES:
            if active.sequence[source]:
                assert self.rows[source] == active.tables[source]
                assert self.receivers.positions()[source] == (active.epoch, active.sequence[source])
                assert source not in self.receivers.missing()

    @invariant()
    def rows_are_those_of_the_position(self) -> None:
        for source, position in self.receivers.positions().items():
            if position is not None and source not in self.doubtful:
                assert self.rows[source] == self.history[(source, position)]


TestReceiver = ReceiverMachine.TestCase
TestReceiver.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
