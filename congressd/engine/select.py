"""Look-ups in one table: rows that match given columns, over an index where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from congressd.engine.storage import Columns, Storage, key_of
from congressd.language.core import Atom, Constant
from congressd.model.values import Row, Value

#: Tables up to this size are scanned; a table gets at most so many indexes for queries' sake.
SCAN_ROWS: Final = 32
MOST_INDEXES: Final = 12


@dataclass(frozen=True, slots=True)
class Pattern:
    """What an atom asks of a row: its length, the values of some columns, and columns that must be equal."""

    length: int
    values: dict[int, Value]
    equal: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, atom: Atom) -> Pattern:
        values: dict[int, Value] = {}
        first: dict[str, int] = {}
        equal: list[tuple[int, int]] = []
        for column, arg in enumerate(atom.args):
            if isinstance(arg, Constant):
                values[column] = arg.value
            elif not arg.anonymous and first.setdefault(arg.name, column) != column:
                equal.append((first[arg.name], column))
        return cls(len(atom.args), values, tuple(equal))

    def matches(self, row: Row) -> bool:
        """Whether a row is as the atom asks."""
        return (
            len(row) == self.length
            and all(row[column] == value for column, value in self.values.items())
            and all(row[one] == row[other] for one, other in self.equal)
        )


def select(storage: Storage, pattern: Pattern) -> list[Row]:
    """The rows of a storage that match."""
    rows = storage.rows
    values = pattern.values
    if len(values) == pattern.length:
        row = tuple(values.values())
        return [row] if row in rows else []
    if not values and not pattern.equal:
        found = list(rows)
        return found if not found or len(found[0]) == pattern.length else []
    if not values or len(rows) <= SCAN_ROWS or len(next(iter(rows))) != pattern.length:
        return [row for row in list(rows) if pattern.matches(row)]
    columns = _columns(storage, tuple(values))
    if columns is None:
        return [row for row in list(rows) if pattern.matches(row)]
    key = key_of(columns)(tuple(values.get(column) for column in range(pattern.length)))
    bucket = storage.index(columns).bucket(key)
    if columns == tuple(values) and not pattern.equal:
        return list(bucket)
    return [row for row in bucket if pattern.matches(row)]


def _columns(storage: Storage, given: Columns) -> Columns | None:
    """The index to use: the one over all given columns, or a unique one over some, or a new one."""
    if given in storage.indexes:
        return given
    usable = [
        columns for columns, index in list(storage.indexes.items()) if index.unique and set(columns) <= set(given)
    ]
    if usable:
        return usable[0]
    return given if len(storage.indexes) < MOST_INDEXES else None
