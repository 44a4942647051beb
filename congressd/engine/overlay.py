"""The overlay: a simulation's own view of the tables. Reads fall through to the live tables, writes stay here.

Nothing here can change the live tables: it holds their storages only to read them. Compiled rules run over it
unchanged, in the variant that takes every index as a map to buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from congressd.engine.live import Report, Tables
from congressd.engine.maintain import LiveTables, Maintained
from congressd.engine.program import Program
from congressd.engine.propagate import Counts
from congressd.engine.storage import Columns, Storage, key_of
from congressd.language.core import Table
from congressd.model.values import Row

NOTHING: Final = Storage()


class LayeredRows(Mapping[Row, int]):
    """Rows of a storage with changed counts laid over; a count of 0 takes a row away."""

    __slots__ = ("base", "over")

    def __init__(self, base: Mapping[Row, int]) -> None:
        self.base = base
        self.over: Counts = {}

    def __getitem__(self, row: Row) -> int:
        found = self.over.get(row)
        if found is None:
            return self.base[row]
        if not found:
            raise KeyError(row)
        return found

    def __contains__(self, row: object) -> bool:
        found = self.over.get(row)  # type: ignore[call-overload]
        return row in self.base if found is None else found > 0

    def __iter__(self) -> Iterator[Row]:
        over = self.over
        yield from (row for row in self.base if over.get(row, 1))
        yield from (row for row, held in list(over.items()) if held and row not in self.base)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Buckets:
    """A unique index of a storage, taken as a map to buckets."""

    __slots__ = ("entries",)

    def __init__(self, entries: Mapping[Any, Row]) -> None:
        self.entries = entries

    def get(self, key: Any, default: Iterable[Row] = ()) -> Iterable[Row]:
        found = self.entries.get(key)
        return default if found is None else (found,)


class LayeredIndex:
    """An index of a storage with the rows that a layer took away and added."""

    __slots__ = ("added", "base", "gone", "key")

    def __init__(self, base: Any, columns: Columns, rows: LayeredRows) -> None:
        self.base = base
        self.key = key_of(columns)
        self.gone: dict[Any, set[Row]] = {}
        self.added: dict[Any, dict[Row, None]] = {}
        for row, held in rows.over.items():
            if held and row not in rows.base:
                self.add(row)
            elif not held and row in rows.base:
                self.remove(row)

    def get(self, key: Any, default: Iterable[Row] = ()) -> Iterable[Row]:
        gone = self.gone.get(key)
        found = self.base.get(key, default)
        if gone:
            found = [row for row in found if row not in gone]
        added = self.added.get(key)
        return [*found, *added] if added else found

    def add(self, row: Row) -> None:
        key = self.key(row)
        gone = self.gone.get(key)
        if gone and row in gone:
            gone.discard(row)
        else:
            self.added.setdefault(key, {})[row] = None

    def remove(self, row: Row) -> None:
        key = self.key(row)
        added = self.added.get(key)
        if added and row in added:
            del added[row]
        else:
            self.gone.setdefault(key, set()).add(row)


class Layer:
    """The changes of one table."""

    __slots__ = ("indexes", "rows", "storage")

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.rows = LayeredRows(storage.rows)
        self.indexes: dict[Columns, LayeredIndex] = {}

    def index(self, columns: Columns) -> LayeredIndex:
        found = self.indexes.get(columns)
        if found is None:
            found = self.indexes[columns] = LayeredIndex(_buckets(self.storage, columns), columns, self.rows)
        return found


def _buckets(storage: Storage, columns: Columns) -> Any:
    index = storage.index(columns)
    return Buckets(index.entries) if index.unique else index.entries


class Overlay(Maintained):
    """A simulation's tables and, where it changes rules, its own program. Use it while nobody writes to ``live``."""

    layered = True

    def __init__(self, live: LiveTables, report: Report) -> None:
        Tables.__init__(self, dict(live.virtual), live.keys, report)
        self._live = live
        self._layers: dict[Table, Layer] = {}
        self.program = live.program
        self.roots = set(live.roots)
        self.base = live.base
        self._ranks = live._ranks
        self._readers = {}
        self._counters = {}

    def own_program(self) -> Program:
        """A copy of the program, for rules that come and go in the simulation."""
        if self.program is self._live.program:
            self.program = self.program.copy()
        return self.program

    def difference(self, table: Table) -> tuple[list[Row], list[Row]]:
        """The rows of a held table that the simulation added, and those that it took away."""
        layer = self._layers.get(table)
        if layer is None:
            return [], []
        over, base = layer.rows.over, layer.rows.base
        added = [row for row, held in over.items() if held and row not in base]
        return added, [row for row, held in over.items() if not held and row in base]

    # -- State -----------------------------------------------------------------------------------------------------

    def storage(self, table: Table) -> Storage | None:
        layer = self._layers.get(table)
        return layer.storage if layer else self._live.storage(table)

    def is_unique(self, table: Table, columns: Columns) -> bool:
        return False

    def rows(self, table: Table) -> Mapping[Any, Any]:
        layer = self._layers.get(table)
        return layer.rows if layer else super().rows(table)

    def entries(self, table: Table, columns: Columns) -> Any:
        layer = self._layers.get(table)
        if layer is not None:
            return layer.index(columns)
        storage = self._live.storage(table)
        return _buckets(storage, columns) if storage else {}

    # -- where rows are --------------------------------------------------------------------------------------------

    def is_held(self, table: Table) -> bool:
        return table not in self.base and (table in self._layers or table in self._live.relations)

    def begin(self, changed_rows: int) -> None:
        """An overlay has one transaction: its life."""

    def grew(self, rows: int) -> None:
        """Nobody reads an overlay but its simulation."""

    def attach(self, table: Table, storage: Storage) -> Storage:
        self._layers[table] = Layer(storage)
        self.layout += 1
        return storage

    def remove(self, table: Table, rows: Counts) -> None:
        layer = self._layer(table)
        layer.rows.over.update(dict.fromkeys(rows, 0))
        for index in layer.indexes.values():
            for row in rows:
                index.remove(row)

    def add(self, table: Table, rows: Counts) -> None:
        layer = self._layer(table)
        layer.rows.over.update(rows)
        for index in layer.indexes.values():
            for row in rows:
                index.add(row)

    def recount(self, table: Table, counts: Counts) -> None:
        self._layer(table).rows.over.update(counts)

    def _layer(self, table: Table) -> Layer:
        layer = self._layers.get(table)
        if layer is None:
            layer = self._layers[table] = Layer(self._live.storage(table) or NOTHING)
            self.layout += 1
        return layer
