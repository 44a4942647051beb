"""The rows that a polled source holds, and what a new fetch changes in them. Pure; not for several threads at once.

Rows that stay keep their identity, so that whoever in this process got them earlier shares them. A table with a key
is compared by key, which for large tables is several times faster than to compare sets of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from congressd.datasources.congressvalues import congress_rows
from congressd.datasources.driver import Fetch, FetchedTable
from congressd.model.tables import TableChange, TableSchema
from congressd.model.values import Row, literal, to_rows


@dataclass(frozen=True, slots=True)
class Difference:
    """What a fetch changed. ``read`` names the tables that were read well, ``gone`` those that are no more.

    ``errors`` are the tables that keep their old rows, with a sentence why; ``warnings`` are sentences about rows.
    """

    changes: Mapping[str, TableChange] = field(default_factory=dict)
    read: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    errors: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Held:
    """One table: its rows by key (by themselves where there is none)."""

    schema: TableSchema
    rows: dict[Any, Row]


class FetchedTables:
    """The tables of one source, as of its last fetch."""

    def __init__(self, *, congress: bool = False) -> None:
        """``congress``: hold booleans and null as Congress' texts for them."""
        self._congress = congress
        self._held: dict[str, _Held] = {}

    def schema(self) -> tuple[TableSchema, ...]:
        """The schemas of all tables that are held, in the order in which they first came."""
        return tuple(held.schema for held in self._held.values())

    def rows(self) -> dict[str, list[Row]]:
        """The rows of every table."""
        return {name: list(held.rows.values()) for name, held in self._held.items()}

    def table(self, name: str) -> list[Row] | None:
        """The rows of one table; None if it is not held."""
        held = self._held.get(name)
        return None if held is None else list(held.rows.values())

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return {name: len(held.rows) for name, held in self._held.items()}

    def take(self, fetch: Fetch) -> Difference:
        """Hold what was fetched. Tables that the fetch could not read keep their rows; those not in it go."""
        changes: dict[str, TableChange] = {}
        errors = dict(fetch.errors)
        warnings = list(fetch.warnings)
        for name, fetched in fetch.tables.items():
            try:
                rows, doubled = self._keyed(fetched)
            except ValueError as error:
                errors[name] = f"{name}: {error}"
                continue
            if doubled is not None:
                warnings.append(doubled)
            change = self._replace(name, fetched.schema, rows)
            if change.added or change.removed:
                changes[name] = change
        stay = {*fetch.tables, *fetch.unchanged, *errors, *fetch.pending}
        gone = frozenset(name for name in self._held if name not in stay)
        for name in gone:
            removed = tuple(self._held.pop(name).rows.values())
            if removed:
                changes[name] = TableChange(removed=removed)
        return Difference(changes, frozenset(fetch.tables) - errors.keys(), gone, errors, tuple(warnings))

    def _keyed(self, fetched: FetchedTable) -> tuple[dict[Any, Row], str | None]:
        """The rows by key, and a warning if rows shared one: the last of them counts. Raises ValueError."""
        schema = fetched.schema
        width = len(schema.columns)
        # Drivers may come from elsewhere, so this is a border: after it, rows are rows and values are values.
        checked = fetched.rows if fetched.checked else to_rows(fetched.rows)
        if checked and len(checked[0]) != width:
            raise ValueError(f"its rows have {len(checked[0])} values, but it has {width} columns")
        if self._congress:
            checked = congress_rows(checked)
        if not schema.key:
            return dict(zip(checked, checked, strict=True)), None
        key_of = _key_getter(schema)
        rows = dict(zip(map(key_of, checked), checked, strict=True))
        if len(rows) == len(checked):
            return rows, None
        for row in checked:
            if rows[key_of(row)] != row:
                values = ", ".join(f"{schema.column_names[i]}={literal(row[i])}" for i in schema.key_positions)
                return rows, f"{schema.name}: several rows have the key ({values}); the last of them counts"
        return rows, None  # equal rows are one row

    def _replace(self, name: str, schema: TableSchema, new: dict[Any, Row]) -> TableChange:
        held = self._held.get(name)
        if held is None or (held.schema.column_names, held.schema.key) != (schema.column_names, schema.key):
            removed = () if held is None else tuple(held.rows.values())
            self._held[name] = _Held(schema, new)
            return TableChange(tuple(new.values()), removed)
        held.schema = schema
        old = held.rows
        find = old.get
        added = [key for key, row in new.items() if find(key) != row]
        replaced = [key for key in added if key in old]
        removed_rows = tuple(map(old.pop, [*replaced, *(old.keys() - new.keys())]))
        added_rows = tuple(map(new.__getitem__, added))
        old.update(zip(added, added_rows, strict=True))
        return TableChange(added_rows, removed_rows)


def _key_getter(schema: TableSchema) -> Callable[[Row], Any]:
    """The key of a row: a bare value for one column, a tuple for more."""
    return itemgetter(*schema.key_positions)
