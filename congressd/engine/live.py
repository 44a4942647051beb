"""The live tables: what the one writer works on, and what readers see meanwhile.

Each relation has a *working* storage, which the writer changes, and a *published* one, the last complete state.
Between batches they are the same object.

- A small batch is applied in place, under the mutex that readers take for their short look-ups: nobody sees half.
- A large batch forks the storages that it touches and works on the copies without the mutex; at the end all of them
  are published at once. Readers go on with the old ones.
- A small batch that turns out large is escalated midway: what it changed so far is copied back for readers.
- A reader that needs long marks the storages that it holds as shared, and the writer forks before it changes those.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from congressd.engine.budget import Budget
from congressd.engine.codegen import Compiled, compile_rule
from congressd.engine.plan import Mode, Purpose, order
from congressd.engine.program import Node
from congressd.engine.storage import Columns, Storage
from congressd.language.core import Rule, Table
from congressd.model.values import Row

EMPTY: Final[Mapping[Any, Any]] = {}

#: A batch of more changed rows than this works on copies from the start: readers would wait for milliseconds.
BULK_ROWS: Final = 256


#: Takes the failure of a builtin: the rule, the body position, the error, the inputs, and the sign of the change.
Report: TypeAlias = Callable[[Node, int, Exception, tuple[Any, ...], int], None]


class Relation:
    """One table that is held: a source's, or a derived one that is maintained."""

    __slots__ = ("published", "working")

    def __init__(self, storage: Storage) -> None:
        self.working = storage
        self.published = storage


class View:
    """A `congressd.engine.plan.State` over storages; subclasses say which."""

    #: whether compiled code must take every index as a map to buckets
    layered = False

    def __init__(self, virtual: dict[Table, tuple[Node, ...]], keys: dict[Table, Columns]) -> None:
        self.virtual = virtual
        self.keys = keys

    def storage(self, table: Table) -> Storage | None:
        """The storage of a table that is held."""
        raise NotImplementedError

    def size(self, table: Table) -> int:
        storage = self.storage(table)
        return len(storage.rows) if storage else 0

    def distinct(self, table: Table, columns: Columns) -> int | None:
        storage = self.storage(table)
        index = storage.indexes.get(columns) if storage else None
        return len(index.entries) if index else None

    def is_unique(self, table: Table, columns: Columns) -> bool:
        storage = self.storage(table)
        return storage.index(columns).unique if storage else True

    def is_virtual(self, table: Table) -> bool:
        return table in self.virtual

    def key(self, table: Table) -> Columns:
        return self.keys.get(table, ())

    def rows(self, table: Table) -> Mapping[Any, Any]:
        storage = self.storage(table)
        return storage.rows if storage else EMPTY

    def entries(self, table: Table, columns: Columns) -> Mapping[Any, Any]:
        storage = self.storage(table)
        return storage.index(columns).entries if storage else EMPTY

    def holds(self, table: Table) -> Callable[[Row], bool]:
        return check_of(self, self.virtual[table])


class Published(View):
    """What readers see: the last complete state of the live tables. Use it under their mutex only."""

    def __init__(self, live: Live) -> None:
        super().__init__(live.virtual, live.keys)
        self._relations = live.relations

    def storage(self, table: Table) -> Storage | None:
        relation = self._relations.get(table)
        return relation.published if relation else None


class Tables(View):
    """Tables that change; ``layout`` grows whenever a container that compiled rules hold is replaced."""

    def __init__(self, virtual: dict[Table, tuple[Node, ...]], keys: dict[Table, Columns], report: Report) -> None:
        super().__init__(virtual, keys)
        self.layout = 0
        self.report = report


class Live(Tables):
    """The tables that all see, with their transactions. One thread at a time may write."""

    def __init__(self, report: Report) -> None:
        super().__init__({}, {}, report)
        self.mutex = threading.Lock()
        self.relations: dict[Table, Relation] = {}
        self._touched: dict[Table, Relation] = {}
        self._undo: list[tuple[Table, dict[Row, int], dict[Row, int]]] = []
        self._bulk = False
        self._holding = False

    def storage(self, table: Table) -> Storage | None:
        relation = self.relations.get(table)
        return relation.working if relation else None

    # -- transactions ------------------------------------------------------------------------------------------

    def begin(self, changed_rows: int) -> None:
        """Start a transaction of about so many changed rows."""
        self._bulk = changed_rows > BULK_ROWS

    def working(self, table: Table) -> Storage:
        """The storage to change in this transaction; made if the table is not held yet."""
        relation = self._touched.get(table)
        if relation is not None:
            return relation.working
        relation = self.relations.get(table)
        if relation is None:
            return self.attach(table, Storage())
        if not self._bulk and not self._holding:
            self.mutex.acquire()
            self._holding = True
        if self._bulk or relation.working.shared:
            relation.working = relation.working.fork()
            self.layout += 1
        self._touched[table] = relation
        return relation.working

    def attach(self, table: Table, storage: Storage) -> Storage:
        """Hold a new table; readers see it empty until the transaction ends."""
        relation = Relation(storage)
        relation.published = Storage()
        self.relations[table] = relation
        self._touched[table] = relation
        self.layout += 1
        return storage

    def detach(self, table: Table) -> None:
        """Hold a table no longer."""
        del self.relations[table]
        self._touched.pop(table, None)
        self.layout += 1

    def remove(self, table: Table, rows: dict[Row, int]) -> None:
        """Remove rows that are there; the values are their counts."""
        self.working(table).remove(rows)
        self._undo.append((table, rows, {}))

    def add(self, table: Table, rows: dict[Row, int]) -> None:
        """Add rows that are not there, with their counts."""
        if self.working(table).add(rows):
            self.layout += 1
        self._undo.append((table, {}, rows))

    def recount(self, table: Table, counts: dict[Row, int]) -> None:
        """Set the counts of rows that are there and stay."""
        self.working(table).rows.update(counts)

    def grew(self, rows: int) -> None:
        """Tell that the next step has so many rows: a small transaction then becomes a large one."""
        if self._bulk or rows <= BULK_ROWS:
            return
        self._bulk = True
        if self._holding:
            for table, relation in self._touched.items():
                if relation.published is relation.working:
                    relation.published = relation.working.fork()
                    for changed, removed, added in reversed(self._undo):
                        if changed == table:
                            relation.published.remove(added)
                            relation.published.add(removed)
            self._holding = False
            self.mutex.release()

    def commit(self) -> None:
        """Publish all that the transaction changed, at once."""
        if not self._holding:
            self.mutex.acquire()
        for relation in self._touched.values():
            relation.published = relation.working
        self._touched.clear()
        self._undo.clear()
        self._bulk = self._holding = False
        self.mutex.release()

    def rollback(self) -> None:
        """Bring back the rows of before the transaction (not the counts of derived tables: recompute those)."""
        for table, removed, added in reversed(self._undo):
            relation = self.relations.get(table)
            if relation is not None:
                relation.working.remove({row: 1 for row in added if row in relation.working.rows})
                relation.working.add({row: count for row, count in removed.items() if row not in relation.working.rows})
        self.layout += 1
        self.commit()


class Runner:
    """A rule compiled for one purpose over tables; follows every change of their layout by itself."""

    __slots__ = ("_args", "_function", "_layout", "_live", "_node", "_purpose", "_spends")

    def __init__(self, live: Tables, node: Node, purpose: Purpose) -> None:
        self._live = live
        self._node = node
        self._purpose = purpose
        self._layout = -1
        self._function: Callable[..., Any]
        self._args: tuple[Any, ...] = ()
        self._spends = False

    def __call__(self, given: Any, out: Any, sign: int) -> Any:
        if self._layout != self._live.layout:
            self._resolve()
        if self._spends:
            return self._function(given, out, sign, *self._args, Budget(self._node.origin).spend)
        return self._function(given, out, sign, *self._args)

    def _resolve(self) -> None:
        live = self._live
        compiled = fitting(live, self._node, self._purpose)
        containers = (container.resolve(live) for container in compiled.containers)
        self._args = (partial(live.report, self._node), *containers, *compiled.static)
        self._function = compiled.function
        self._spends = compiled.spends
        self._layout = live.layout


def fitting(state: View, node: Node, purpose: Purpose) -> Compiled:
    """The compiled form of a rule that fits the indexes of ``state``, made if there is none."""
    compiled = node.compiled.get((purpose, state.layered))
    if compiled is None or any(
        (container.kind == "holds") is not state.is_virtual(container.table)
        or (container.kind == "index" and state.is_unique(container.table, container.columns) is not container.unique)
        for container in compiled.containers
    ):
        compiled = compile_rule(node.rule, purpose, order(node.rule, purpose, state), state)
        node.compiled[purpose, state.layered] = compiled
    return compiled


def bound_to_head(rule: Rule, mode: Mode) -> Purpose:
    """The purpose of asking a rule for one given row."""
    return Purpose(mode, bound=tuple(range(len(rule.head.args))))


def check_of(state: View, nodes: tuple[Node, ...]) -> Callable[[Row], bool]:
    """The check whether a row of a virtual table holds: its rules, asked with all columns given."""
    runs = []
    for node in nodes:
        compiled = fitting(state, node, bound_to_head(node.rule, Mode.EXISTS))
        containers = tuple(container.resolve(state) for container in compiled.containers)
        runs.append((compiled.function, (_ignore, *containers, *compiled.static)))
    if len(runs) == 1:
        function, args = runs[0]
        return lambda row: function(row, None, 0, *args)
    return lambda row: any(function(row, None, 0, *args) for function, args in runs)


def _ignore(position: int, error: Exception, inputs: tuple[Any, ...], sign: int) -> None:
    """Failures inside a check were reported when the checked table's change was computed."""
