"""Propagation: from changed rows to changed rows of every table that is maintained.

Counting maintenance (Gupta, Mumick, Subrahmanian, "Maintaining views incrementally", SIGMOD 1993): a derived row is
held with the number of its derivations, and a change of a body table adds or takes away derivations. Tables are
taken in an order in which each comes after those that it reads, each once, in two phases:

1. rows that go: their derivations are taken from the counts of readers while the rows are still there, then the
   rows are removed;
2. rows that come: the rows are added, then the derivations that use them are counted.

A rule that reads the changed table several times counts a derivation at the first position that uses a changed row
(see ``codegen._Writer._changes``), so that each is counted once. Under a negation the signs are the other way round.

A *virtual* table is not held. It changes the moment that a table beneath it does, so its readers are served then;
whether a row of it held before follows from the derivations that it has now and those that just came or went.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from congressd.language.core import Table
from congressd.model.values import Row

Counts = dict[Row, int]


@dataclass(frozen=True, slots=True)
class Reader:
    """One body position that reads a table: what to run for a change, into which head, with which sign."""

    run: Callable[[Any, Any, int], Any]
    head: Table
    sign: int  #: -1 under a negation
    virtual: bool  #: whether the head is a virtual table


class Target(Protocol):
    """Where changes go: the live tables or an overlay."""

    def rows(self, table: Table) -> Mapping[Row, int]: ...

    def remove(self, table: Table, rows: Counts) -> None: ...

    def add(self, table: Table, rows: Counts) -> None: ...

    def recount(self, table: Table, counts: Counts) -> None: ...

    def grew(self, rows: int) -> None: ...

    def readers(self, table: Table) -> Sequence[Reader]:
        """Readers whose heads are maintained or virtual."""

    def rank(self, table: Table) -> int:
        """Place in an order in which each table comes after those that it reads."""

    def derivations(self, table: Table, row: Row) -> int:
        """In how many ways a row of a virtual table is derived now."""


class Propagation:
    """One transaction's changes on their way through the maintained tables."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._pending: dict[Table, Counts] = {}
        self._queue: list[tuple[int, int, Table]] = []  #: rank, a number that breaks ties, table
        self._pushed = 0
        self._running = False
        self.changes: dict[Table, tuple[Counts, Counts]] = {}  #: by table: rows removed, rows added

    def pending(self, table: Table) -> Counts:
        """The changes of counts that wait for this table's turn; to be added to."""
        counts = self._pending.get(table)
        if counts is None:
            counts = self._pending[table] = {}
            if self._running:
                self._enqueue(table)
        return counts

    def _enqueue(self, table: Table) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (self._target.rank(table), self._pushed, table))

    def run(self) -> None:
        """Take every table that has pending changes in its turn, until none is left."""
        self._running = True  # ranks are settled only now: a change of rules may have moved them
        for table in self._pending:
            self._enqueue(table)
        while self._queue:
            table = heapq.heappop(self._queue)[2]
            self._turn(table, self._pending.pop(table))

    def _turn(self, table: Table, pending: Counts) -> None:
        target = self._target
        removed: Counts = {}
        added: Counts = {}
        recounts: Counts = {}
        held = target.rows(table)
        for row, change in pending.items():
            if not change:
                continue
            before = held.get(row, 0)
            count = before + change
            if count < 0:
                raise AssertionError(f"{table}{row} would be derived {count} times")
            if not before:
                added[row] = count
            elif not count:
                removed[row] = before
            else:
                recounts[row] = count
        if recounts:
            target.recount(table, recounts)
        if not removed and not added:
            return
        self.changes[table] = (removed, added)
        target.grew(len(removed) + len(added))
        readers = target.readers(table)
        if removed:
            beneath = self._serve(readers, removed, -1)
            target.remove(table, removed)
            self._serve_virtual(beneath, -1)
        if added:
            target.add(table, added)
            self._serve_virtual(self._serve(readers, added, 1), 1)

    def _serve(self, readers: Sequence[Reader], rows: Counts, sign: int) -> dict[Table, Counts]:
        """Count the derivations that come or go with ``rows``; returns the changes of virtual tables."""
        virtual: dict[Table, Counts] = {}
        for reader in readers:
            if reader.virtual:
                out = virtual.setdefault(reader.head, {})
            else:
                out = self._pending.get(reader.head) or self.pending(reader.head)
            reader.run(rows, out, sign * reader.sign)
        return virtual

    def _serve_virtual(self, changes: dict[Table, Counts], sign: int) -> None:
        """Serve the readers of virtual tables whose derivations changed by ``changes`` a moment ago."""
        for table, counts in changes.items():
            turned: Counts = {}
            for row, change in counts.items():
                now = self._target.derivations(table, row)
                before = now - change
                if (now > 0) != (before > 0):
                    turned[row] = 1
            if turned:
                self._target.grew(len(turned))
                self._serve(self._target.readers(table), turned, sign)
