"""What is maintained: the tables that somebody wants and those that they read, kept right through every change.

Rule changes and row changes both end as changed counts of derivations that a `Propagation` carries upwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from congressd.engine.live import Live, Report, Runner, Tables, bound_to_head
from congressd.engine.plan import Mode, Purpose
from congressd.engine.program import NOW, Node, Program, is_fact, row_of
from congressd.engine.propagate import Counts, Propagation, Reader
from congressd.engine.storage import Columns, Storage
from congressd.engine.virtual import choose_virtual
from congressd.language.core import Literal, Rule, Table
from congressd.model.values import Row

COLD: Final = Purpose(Mode.COUNT)


class Maintained(Tables):
    """Tables together with the program over them. One thread at a time may call it.

    ``base`` tables come from outside, ``virtual`` ones are never held, all others that are held are derived.
    Subclasses say where rows are: `LiveTables` for all to see, `congressd.engine.overlay.Overlay` for a simulation.
    """

    program: Program
    roots: set[Table]
    base: set[Table]
    rules_changed: bool
    _ranks: dict[Table, int]
    _readers: dict[Table, list[Reader]]
    _counters: dict[Table, tuple[Runner, ...]]

    # -- where rows are -------------------------------------------------------------------------------------------

    def is_held(self, table: Table) -> bool:
        """Whether the table is derived and its rows are held."""
        raise NotImplementedError

    def begin(self, changed_rows: int) -> None:
        """Start a transaction of about so many changed rows."""
        raise NotImplementedError

    def attach(self, table: Table, storage: Storage) -> Storage:
        """Hold a new table."""
        raise NotImplementedError

    def remove(self, table: Table, rows: Counts) -> None:
        """Remove rows that are there; the values are their counts."""
        raise NotImplementedError

    def add(self, table: Table, rows: Counts) -> None:
        """Add rows that are not there, with their counts."""
        raise NotImplementedError

    def recount(self, table: Table, counts: Counts) -> None:
        """Set the counts of rows that are there and stay."""
        raise NotImplementedError

    def grew(self, rows: int) -> None:
        """Tell that the next step has so many rows."""
        raise NotImplementedError

    # -- what a Propagation asks ----------------------------------------------------------------------------------

    def readers(self, table: Table) -> Sequence[Reader]:
        found = self._readers.get(table)
        if found is None:
            found = [
                self._reader(node, position)
                for node, position in self.program.readers.get(table, ())
                if node.head in self.virtual or self.is_held(node.head)
            ]
            self._readers[table] = found
        return found

    def rank(self, table: Table) -> int:
        return self._ranks.get(table, -1)

    def derivations(self, table: Table, row: Row) -> int:
        counters = self._counters.get(table)
        if counters is None:
            counters = tuple(
                Runner(self, node, bound_to_head(node.rule, Mode.TOTAL)) for node in self.program.rules[table]
            )
            self._counters[table] = counters
        total = [0]
        for count in counters:
            count(row, total, 1)
        return total[0]

    def _reader(self, node: Node, position: int) -> Reader:
        item = node.rule.body[position]
        assert isinstance(item, Literal)
        run = Runner(self, node, Purpose(Mode.COUNT, delta=position))
        return Reader(run, node.head, -1 if item.negated else 1, node.head in self.virtual)

    # -- changes ---------------------------------------------------------------------------------------------------

    def change_rows(self, changes: Mapping[Table, tuple[Iterable[Row], Iterable[Row]]]) -> Propagation:
        """Start a transaction with rows removed from and added to base tables (only real changes)."""
        propagation = Propagation(self)
        rows = 0
        for table, (removed, added) in changes.items():
            counts = propagation.pending(table)
            counts.update(dict.fromkeys(removed, -1))
            counts.update(dict.fromkeys(added, 1))
            rows += len(counts)
        self.begin(rows)
        return propagation

    def change_rules(self, add: Sequence[Rule], remove: Sequence[Rule]) -> Propagation:
        """Start a transaction with rules and facts that come and go.

        What they derive is counted in the state of before; the propagation then carries it upwards under the new
        program. Rules that read a table which is virtual, or had no rules yet, are counted out and in again.
        Raises KeyError for a rule that is not there. `rules_changed` tells, when something else is raised, whether
        the program has changed by then.
        """
        self.rules_changed = False
        leaving = self.program.find(remove)
        self.begin(0)
        propagation = Propagation(self)
        changed = {rule.head.table for rule in (*add, *remove)}
        served = [node for node in self._served(changed) if node not in leaving]
        for node in (*served, *(node for node in leaving if self.is_held(node.head))):
            self._contribute(propagation, node, -1)
        held = {table for table in changed if self.is_held(table)}
        self.rules_changed = True
        for rules, sign in ((remove, -1), (add, 1)):
            for rule in filter(is_fact, rules):
                self._fact(propagation, rule, sign)
        added = self.program.change(add, remove)
        if self.roots:
            self._extend()
        for node in (*served, *(node for node in added if node.head in held)):
            self._contribute(propagation, node, 1)
        return propagation

    def want(self, tables: Iterable[Table]) -> None:
        """Maintain these tables too, from now on."""
        self.roots.update(tables)
        self._extend()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _served(self, changed: Iterable[Table]) -> list[Node]:
        """Rules with held heads that read, perhaps through virtual tables, a changed table that is not held."""
        served: list[Node] = []
        waiting = [table for table in changed if table in self._ranks and not self.is_held(table)]
        while waiting:
            for node, _ in self.program.readers.get(waiting.pop(), ()):
                if node.head in self.virtual:
                    waiting.append(node.head)
                elif self.is_held(node.head) and node not in served:
                    served.append(node)
        return served

    def _contribute(self, propagation: Propagation, node: Node, sign: int) -> None:
        Runner(self, node, COLD)(None, propagation.pending(node.head), sign)

    def _fact(self, propagation: Propagation, rule: Rule, sign: int) -> None:
        if self.is_held(rule.head.table):
            counts = propagation.pending(rule.head.table)
            row = row_of(rule)
            counts[row] = counts.get(row, 0) + sign

    def _extend(self) -> None:
        """Bring what is held in line with what is wanted: newly wanted tables are computed from scratch."""
        ordered = self.program.closure(self.roots)
        held = {table for table in ordered if self.is_held(table)}
        virtual = choose_virtual(self.program, ordered, self.roots | held)
        self._rank(ordered)
        for table in ordered:
            if table in virtual:
                self.virtual[table] = tuple(self.program.rules[table])
                continue
            self.virtual.pop(table, None)
            if table not in held and self.program.defines(table):
                self._compute(table)
        self.layout += 1

    def _rank(self, ordered: Sequence[Table]) -> None:
        self._ranks = {table: rank for rank, table in enumerate(ordered)}
        self._readers.clear()
        self._counters.clear()

    def _compute(self, table: Table) -> None:
        counts: Counts = dict(self.program.facts.get(table, {}))
        for node in self.program.rules.get(table, ()):
            Runner(self, node, COLD)(None, counts, 1)
        self.attach(table, Storage(counts))


class LiveTables(Live, Maintained):
    """The live tables and their program."""

    def __init__(self, report: Report) -> None:
        Live.__init__(self, report)
        self.program = Program()
        self.roots = set()
        self.base = {NOW}
        self._ranks = {}
        self._readers = {}
        self._counters = {}

    def is_held(self, table: Table) -> bool:
        return table in self.relations and table not in self.base

    def settle(self) -> None:
        """Let go of what nobody wants any more: derived tables, and indexes that no compiled rule uses."""
        ordered = self.program.closure(self.roots)
        wanted = set(ordered)
        for table in [table for table in self.relations if table not in wanted and table not in self.base]:
            self.detach(table)
        for table in [table for table in self.virtual if table not in wanted]:
            del self.virtual[table]
        self._rank(ordered)
        used: dict[Table, set[Columns]] = {}
        for table in ordered:
            for node in self.program.rules.get(table, ()):
                for compiled in node.compiled.values():
                    for container in compiled.containers:
                        if container.kind == "index":
                            used.setdefault(container.table, set()).add(container.columns)
        for table, relation in self.relations.items():
            for columns in relation.working.indexes.keys() - used.get(table, set()):
                del relation.working.indexes[columns]
        self.layout += 1

    def recompute(self) -> None:
        """Compute every derived table anew from the base tables, after a transaction that failed midway."""
        for table in [table for table in self.relations if table not in self.base]:
            self.detach(table)
        self.virtual.clear()
        self._extend()
