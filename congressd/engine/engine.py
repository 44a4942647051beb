"""The engine: rules and rows in, answers and changes out. All of it is safe to call from many threads.

One thread writes at a time (`_write`); a query of a table that is held takes the mutex of the live tables for the
moment of a look-up and never waits for a large batch. A table becomes held when it is watched, or when somebody
queries it in full; one that nobody queried for `KEEP_SECONDS` is let go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from congressd.engine.budget import RuleTooLargeError, is_asked
from congressd.engine.explain import Derivation, explain
from congressd.engine.failures import Failures, RuleFailures
from congressd.engine.live import Published, Relation
from congressd.engine.lookup import is_shallow, look_up
from congressd.engine.maintain import LiveTables
from congressd.engine.program import NOW, is_projection
from congressd.engine.propagate import Propagation
from congressd.engine.select import Pattern, select
from congressd.engine.simulate import Simulated, Simulation, Step
from congressd.engine.storage import Storage
from congressd.engine.theory import ActionTheory, unbound
from congressd.language.core import Atom, Rule, Table, Variable
from congressd.model.clock import Clock, SystemClock
from congressd.model.errors import CongressError
from congressd.model.tables import TableChange, TableSchema
from congressd.model.values import Row

#: How long a table that was queried stays maintained without another query, how many ad hoc rules are kept so, with how
#: many rows each, and all together.
KEEP_SECONDS: Final = 600.0
KEEP_QUERIES: Final = 64
KEEP_ROWS: Final = 100_000
KEEP_ROWS_TOGETHER: Final = 500_000

#: Takes the rows that came and those that went, after each commit that changed the table.
Callback = Callable[[Sequence[Row], Sequence[Row]], None]


class Engine:
    """Policies' rules over sources' tables, kept right through every change."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.version = 0  #: grows by one with every commit
        self._clock: Clock = clock or SystemClock()
        self._failures = Failures(self._clock.now)
        self._live = LiveTables(self._failures.report)
        self._published = Published(self._live)
        self._write = threading.RLock()
        self._rules_change = False
        self._steps = 0  # odd while several changes are made that belong together
        self._schemas: dict[str, dict[str, TableSchema]] = {}
        self._watchers: dict[Table, list[Callback]] = {}
        self._queried: dict[Table, float] = {}
        self._suspended: dict[Rule, str] = {}
        self._asked: dict[Rule, Table] = {}
        self._asked_number = 0
        self._live.relations[NOW] = Relation(Storage({(self._now(),): 1}))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make several changes that readers see as one: a query that comes meanwhile waits for the last of them.

        For what cannot be one transaction, such as another schema with the rules that are written for it. Not to be
        used for changes of rows, which are one by themselves and which nobody waits for.
        """
        with self._write:
            outermost = self._steps % 2 == 0
            self._steps += outermost
            try:
                yield
            finally:
                self._steps += outermost

    # -- rules -------------------------------------------------------------------------------------------------

    def change_rules(self, add: Sequence[Rule] = (), remove: Sequence[Rule] = ()) -> None:
        """Take rules and facts in and out, all at once. Raises KeyError if one to remove is not there.

        A rule of an action policy that leaves head variables unbound says what an action makes up; it derives
        nothing and is passed over.
        """
        with self._write:
            add = [rule for rule in add if not unbound(rule)]
            resting = [rule for rule in remove if rule in self._suspended]
            remove = [rule for rule in remove if not unbound(rule) and rule not in self._suspended]
            self._rules_change = True

            def undo() -> None:
                self._live.program.change(remove, add)

            try:
                try:
                    propagation = self._live.change_rules(add, remove)
                except BaseException:
                    self._recover(undo if self._live.rules_changed else None)
                    raise
                self._commit(propagation, undo)
                for rule in resting:
                    del self._suspended[rule]
                if remove:
                    for rule in remove:
                        self._failures.forget(rule)
                    self._settle()
            finally:
                self._rules_change = False

    def rules(self) -> list[Rule]:
        """All rules, without facts, as they were given."""
        with self._write:
            return [
                node.origin
                for head, nodes in self._live.program.rules.items()
                if not is_projection(head) and head.modal != "query"
                for node in nodes
            ]

    # -- rows --------------------------------------------------------------------------------------------------

    def declare(self, source: str, schema: Iterable[TableSchema]) -> None:
        """Say which tables a source has; rows of tables that it no longer has go."""
        with self._write:
            tables = {each.name: each for each in schema}
            before = self._schemas.get(source, {})
            gone = [name for name, each in before.items() if _shape(tables.get(name)) != _shape(each)]
            if gone:
                self._replace(source, dict.fromkeys(gone, ()))
            self._schemas[source] = tables
            for name in gone:
                self._live.keys.pop(Table(source, name), None)
                if name not in tables:
                    self._drop(Table(source, name))
            for name, each in tables.items():
                columns = {column: at for at, column in enumerate(each.column_names)}
                self._live.base.add(Table(source, name))
                self._live.keys[Table(source, name)] = tuple(columns[column] for column in each.key)

    def apply(self, source: str, tables: Mapping[str, TableChange]) -> None:
        """Change rows of a source's tables, all at once: ``removed`` first, then ``added``."""
        with self._write:
            changes: dict[Table, tuple[Iterable[Row], Iterable[Row]]] = {}
            for name, change in tables.items():
                table = Table(source, name)
                self._expect(table, change.added)
                held = self._live.rows(table)
                removed = {row: None for row in change.removed if row in held}
                added: dict[Row, None] = {}
                for row in change.added:
                    if row in removed:
                        del removed[row]
                    elif row not in held:
                        added[row] = None
                if removed or added:
                    changes[table] = (removed, added)
            if changes:
                self._change_rows(changes)

    def replace(self, source: str, tables: Mapping[str, Iterable[Row]]) -> None:
        """Make the source's tables hold exactly these rows, by difference; a table that is not named is emptied."""
        with self._write:
            held = [table.name for table in self._live.base if table.policy == source and table not in (NOW,)]
            self._replace(source, {**dict.fromkeys(held, ()), **tables})

    def drop_source(self, source: str) -> None:
        """Forget a source and all rows of it."""
        with self._write:
            self.replace(source, {})
            self._schemas.pop(source, None)
            for table in [table for table in self._live.base if table.policy == source and table != NOW]:
                self._drop(table)

    def tick(self) -> None:
        """Let time pass for rules that read ``now``; call it as often as they shall follow."""
        with self._write:
            if NOW not in self._live.program.readers:
                return
            before = list(self._live.rows(NOW))
            after = (self._now(),)
            if before != [after]:
                self._change_rows({NOW: (before, [after])})

    # -- queries -------------------------------------------------------------------------------------------------

    def query(self, atom: Atom) -> list[Row]:
        """The rows of a table that match an atom, in no particular order; none if nothing defines the table.

        Raises CongressError "rule_too_large" for a table that a suspended rule, or one stopped now, takes part in.
        """
        steps = self._steps
        if steps % 2 == 0:
            try:
                rows = self._query(atom)
            except Exception:
                if self._steps == steps:
                    raise
            else:
                if self._steps == steps:
                    return rows
        with self._write:
            return self._query(atom)

    def _query(self, atom: Atom) -> list[Row]:
        table = atom.table
        if self._suspended:
            self._refuse_incomplete(table)
        pattern = Pattern.of(atom)
        live = self._live
        relation = live.relations.get(table)
        if relation is not None:
            if table in self._queried:
                self._queried[table] = self._clock.monotonic()
            with live.mutex:
                return select(relation.published, pattern)
        if not live.program.defines(table):
            return []
        if pattern.values and is_shallow(live, table):
            # While rows change, the published state and the program fit together; while rules change, only then.
            if self._write.acquire(blocking=self._rules_change):
                try:
                    return look_up(live, self._published, table, pattern)
                finally:
                    self._write.release()
            with live.mutex:
                return look_up(live, self._published, table, pattern)
        with self._write:
            self._hold(table)
            return select(live.relations[table].published, pattern)

    def evaluate(self, rule: Rule) -> list[Row]:
        """The rows of the head of a rule that is asked, not inserted. Asked again soon, it is maintained already.

        Raises CongressError "rule_too_large" for one that has too many rows, or takes too long.
        """
        with self._write:
            table = self._asked.pop(rule, None)
            if table is None:
                self._asked_number += 1
                table = Table("", str(self._asked_number), "query")
                if len(self._asked) >= KEEP_QUERIES:
                    self._unask(next(iter(self._asked)))
                self.change_rules(add=[Rule(Atom(table, rule.head.args), rule.body, rule.policy)])
            self._asked[rule] = table
            try:
                rows = self.query(Atom(table, tuple(Variable(f"x{at}") for at in range(len(rule.head.args)))))
            except BaseException:
                self._unask(rule)
                raise
            if len(rows) > KEEP_ROWS:
                self._unask(rule)
            while sum(map(self.count, self._asked.values())) > KEEP_ROWS_TOGETHER:
                self._unask(next(iter(self._asked)))
            return rows

    def count(self, table: Table) -> int:
        """Number of rows of a table that is held; 0 of any other."""
        relation = self._live.relations.get(table)
        return len(relation.published.rows) if relation else 0

    def tables(self) -> list[Table]:
        """All tables that rules define or read, and those of sources."""
        with self._write:
            program = self._live.program
            named = {*program.rules, *program.facts, *program.readers, *self._live.base}
            return [table for table in named if table.modal not in ("project", "query") and table != NOW]

    def explain(self, table: Table, row: Row) -> Derivation | None:
        """Why a row holds, down to rows of sources and facts; None if it does not hold."""
        with self._write:
            if self._live.program.defines(table):
                self._hold(table)
            return explain(self._live, table, row)

    def simulate(
        self,
        policy: str,
        query: Atom | Rule,
        steps: Sequence[Step],
        theory: ActionTheory,
        *,
        delta: bool = False,
        watched: Sequence[Table] = (),
    ) -> Simulated:
        """What ``query`` would answer after ``steps``, or how its answer would differ (``delta``); changes nothing.

        ``watched`` are tables with a watcher, of which it is told too how they would differ.
        Raises CongressError "simulate_error" for a step that cannot be taken.
        """
        with self._write:
            if isinstance(query, Atom) and self._live.program.defines(query.table):
                self._hold(query.table)
            return Simulation(self._live, policy, theory).run(query, steps, delta=delta, watched=watched)

    def watch(self, table: Table, callback: Callback) -> Callable[[], None]:
        """Call back after each commit that changes the table, in the order of commits; returns how to stop it.

        The callback runs on the thread that commits, and must be short and not write to the engine.
        """
        with self._write:
            self._watchers.setdefault(table, []).append(callback)
            self._hold(table, queried=False)

        def stop() -> None:
            with self._write:
                self._watchers[table].remove(callback)
                if not self._watchers[table]:
                    del self._watchers[table]
                    self._settle()

        return stop

    def errors(self) -> list[RuleFailures]:
        """Failures of builtins, by rule."""
        with self._write:
            return self._failures.all()

    def expire(self) -> None:
        """Let go of tables that nobody has queried for a while."""
        with self._write:
            oldest = self._clock.monotonic() - KEEP_SECONDS
            old = [table for table, asked in self._queried.items() if asked < oldest]
            for table in old:
                del self._queried[table]
            for rule in [rule for rule, table in self._asked.items() if table in old]:
                self._unask(rule)
            if old:
                self._settle()

    def stats(self) -> dict[str, int]:
        """Sizes, for metrics and tests: tables and rows held, indexes, virtual tables, rules, facts."""
        with self._write:
            live, program = self._live, self._live.program
            relations = [each for table, each in live.relations.items() if table != NOW]
            return {
                "tables": len(relations),
                "rows": sum(len(each.working.rows) for each in relations),
                "indexes": sum(len(each.working.indexes) for each in relations),
                "virtual": len(live.virtual),
                "rules": sum(map(len, program.rules.values())),
                "facts": sum(map(len, program.facts.values())),
                "readers": sum(map(len, program.readers.values())),
            }

    def suspended(self) -> dict[Rule, str]:
        """Rules that derive nothing, since what they would derive was too large when rows came, and why."""
        with self._write:
            return dict(self._suspended)

    # -- parts -------------------------------------------------------------------------------------------------

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%d %H:%M:%S")

    def _commit(self, propagation: Propagation, undo: Callable[[], None] | None = None) -> None:
        live = self._live
        try:
            propagation.run()
        except BaseException:
            self._recover(undo)
            raise
        live.commit()
        self.version += 1
        for table, (removed, added) in propagation.changes.items():
            for callback in self._watchers.get(table, ()):
                callback(list(added), list(removed))

    def _recover(self, undo: Callable[[], None] | None) -> None:
        """Bring back what was before a transaction that failed midway."""
        self._live.rollback()
        if undo:
            undo()
        self._live.recompute()
        self._live.commit()

    def _refuse_incomplete(self, table: Table) -> None:
        with self._write:
            beneath = {table, *self._live.program.closure([table])}
            for rule, why in self._suspended.items():
                if rule.head.table in beneath:
                    raise CongressError("rule_too_large", f"{table} cannot be told: {why}")

    def _replace(self, source: str, tables: Mapping[str, Iterable[Row]]) -> None:
        changes: dict[Table, tuple[Iterable[Row], Iterable[Row]]] = {}
        for name, rows in tables.items():
            table = Table(source, name)
            wanted = dict.fromkeys(rows)
            self._expect(table, wanted)
            held = self._live.rows(table)
            removed = held.keys() - wanted.keys()
            added = wanted.keys() - held.keys()
            if removed or added:
                changes[table] = (removed, added)
        if changes:
            self._change_rows(changes)

    def _change_rows(self, changes: Mapping[Table, tuple[Iterable[Row], Iterable[Row]]]) -> None:
        """Rows are facts and must be taken: a rule that they would blow up is suspended instead."""
        while True:
            try:
                self._commit(self._live.change_rows(changes))
                return
            except RuleTooLargeError as error:
                self.change_rules(remove=[error.rule])
                if is_asked(error.rule):
                    self._asked = {rule: table for rule, table in self._asked.items() if table != error.rule.head.table}
                else:
                    self._suspended[error.rule] = error.detail

    def _expect(self, table: Table, rows: Iterable[Row]) -> None:
        """Refuse rows of another length than the table's. Raises ValueError."""
        self._live.base.add(table)
        schema = self._schemas.get(table.policy, {}).get(table.name)
        lengths = set(map(len, rows))
        if schema is not None and lengths - {len(schema.columns)}:
            raise ValueError(f"rows of {table} must have {len(schema.columns)} columns, not {sorted(lengths)}")
        if len(lengths) > 1:
            raise ValueError(f"rows of {table} have different lengths: {sorted(lengths)}")

    def _drop(self, table: Table) -> None:
        self._live.base.discard(table)
        self._live.keys.pop(table, None)
        if table in self._live.relations:
            self._live.detach(table)

    def _hold(self, table: Table, *, queried: bool = True) -> None:
        if queried:
            self._queried[table] = self._clock.monotonic()
        if table not in self._live.roots:
            self._live.begin(0)
            if table not in self._live.relations and not self._live.program.defines(table):
                self._live.attach(table, Storage())
            try:
                self._live.want([table])
            except BaseException:
                self._queried.pop(table, None)
                self._settle()
                raise
            self._live.commit()

    def _settle(self) -> None:
        program = self._live.program
        for table in [table for table in self._queried if not program.defines(table)]:
            del self._queried[table]
        self._live.roots = {*self._queried, *self._watchers}
        self._live.begin(0)
        self._live.settle()
        self._live.commit()

    def _unask(self, rule: Rule) -> None:
        table = self._asked.pop(rule)
        self._queried.pop(table, None)
        self.change_rules(remove=[Rule(Atom(table, rule.head.args), rule.body, rule.policy)])


def _shape(schema: TableSchema | None) -> object:
    return None if schema is None else (schema.column_names, schema.key)
