"""What pushes mean: replace, upsert and delete on tables that may have a key. Pure, shared with the datasource node.

An operation carries the positions of the key columns with it, so that the log of pushes can be read without the
source's configuration, and means the same after that has changed. With a key, a table holds at most one row for each
key value: of several the last written stays. Without one (``key=()``) the whole row is the key, and a table is a
plain set of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from congressd.model.errors import CongressError
from congressd.model.tables import TableChange
from congressd.model.values import Row

Key: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """The table holds these rows and no others."""

    table: str
    rows: Sequence[Row]
    key: Key = ()


@dataclass(frozen=True, slots=True)
class Upsert:
    """Each row takes the place of the row that has its key, or is added."""

    table: str
    rows: Sequence[Row]
    key: Key = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Rows go: ``keys`` are tuples of key values, in the order of ``key``, or whole rows if there is no key.

    What is not there is no error: a delete may be repeated.
    """

    table: str
    keys: Sequence[Row]
    key: Key = ()


Operation: TypeAlias = Replace | Upsert | Delete


def check(operation: Operation) -> None:
    """Refuse rows too short for the key. Raises CongressError("push_rows")."""
    if isinstance(operation, Delete):
        wanted = len(operation.key)
        wrong = [row for row in operation.keys if wanted and len(row) != wanted]
        allowed = f"{wanted} values, one for each key column"
    else:
        wanted = max(operation.key, default=-1) + 1
        wrong = [row for row in operation.rows if len(row) < wanted]
        allowed = f"at least {wanted} values, so that every key column has one"
    if wrong:
        raise CongressError(
            "push_rows", f"{str(wrong[0])[:200]} has {len(wrong[0])} values; table {operation.table!r} needs {allowed}"
        )


class PushedTables:
    """The tables of one pushed source; `apply` changes them and tells what changed. Not thread-safe."""

    def __init__(self, tables: Mapping[str, Iterable[Row]] | None = None) -> None:
        self._tables: dict[str, _KeyedTable] = {}
        for name, rows in (tables or {}).items():
            self._tables[name] = _KeyedTable((), rows)

    def apply(self, operations: Iterable[Operation]) -> dict[str, TableChange]:
        """Carry out operations in order; the net change of each table that really changed."""
        changes: dict[str, _NetChange] = {}
        for operation in operations:
            table = self._tables.get(operation.table)
            if table is None:
                table = self._tables[operation.table] = _KeyedTable(operation.key)
            change = changes.setdefault(operation.table, _NetChange())
            table.rekey(operation.key, change)
            match operation:
                case Replace():
                    table.replace(operation.rows, change)
                case Upsert():
                    table.upsert(operation.rows, change)
                case Delete():
                    table.delete(operation.keys, change)
        return {
            name: TableChange(tuple(change.added), tuple(change.removed))
            for name, change in changes.items()
            if change.added or change.removed
        }

    def rows(self) -> dict[str, tuple[Row, ...]]:
        """All tables that were ever pushed, also empty ones, with their rows, the last written last."""
        return {name: tuple(table.rows.values()) for name, table in self._tables.items()}


class _NetChange:
    """Rows added and removed so far; what was added and then removed is neither. (Dicts serve as ordered sets.)"""

    __slots__ = ("added", "removed")

    def __init__(self) -> None:
        self.added: dict[Row, None] = {}
        self.removed: dict[Row, None] = {}

    def add(self, row: Row) -> None:
        if row in self.removed:
            del self.removed[row]
        else:
            self.added[row] = None

    def remove(self, row: Row) -> None:
        if row in self.added:
            del self.added[row]
        else:
            self.removed[row] = None


class _KeyedTable:
    """Rows by their key value. `itemgetter` gives a bare value for one key column and a tuple for more: both serve."""

    __slots__ = ("key", "key_of", "rows")

    def __init__(self, key: Key, rows: Iterable[Row] = ()) -> None:
        self.key = key
        self.key_of = _key_getter(key)
        self.rows: dict[Any, Row] = {}
        for row in rows:
            self._put(row)

    def _put(self, row: Row) -> Row | None:
        """Write a row last; the row that it took the place of."""
        key = self.key_of(row)
        old = self.rows.pop(key, None)
        self.rows[key] = row
        return old

    def rekey(self, key: Key, change: _NetChange) -> None:
        if key == self.key:
            return
        rows = self.rows.values()
        self.key, self.key_of, self.rows = key, _key_getter(key), {}
        for row in rows:
            old = self._put(row)
            if old is not None:
                change.remove(old)

    def replace(self, rows: Iterable[Row], change: _NetChange) -> None:
        before = dict.fromkeys(self.rows.values())
        self.rows = {}
        for row in rows:
            self._put(row)
        after = dict.fromkeys(self.rows.values())
        for row in before:
            if row not in after:
                change.remove(row)
        for row in after:
            if row not in before:
                change.add(row)

    def upsert(self, rows: Iterable[Row], change: _NetChange) -> None:
        for row in rows:
            old = self._put(row)
            if old != row:
                if old is not None:
                    change.remove(old)
                change.add(row)

    def delete(self, keys: Iterable[Row], change: _NetChange) -> None:
        bare = len(self.key) == 1
        for key in keys:
            old = self.rows.pop(key[0] if bare else key, None)
            if old is not None:
                change.remove(old)


def _key_getter(key: Key) -> Callable[[Row], Any]:
    return itemgetter(*key) if key else lambda row: row
