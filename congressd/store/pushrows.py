"""Rows that a client pushes: checked against the table's schema, and turned into operations for the push log.

Pure; whoever takes a push calls `validate_push` before it commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from congressd.model.errors import CongressError
from congressd.model.nearest import hint, listing
from congressd.model.tables import TableSchema
from congressd.model.values import Row, Value, literal, to_rows, to_value
from congressd.store.pushfold import Delete, Operation, Replace, Upsert

#: PUT replaces a table, PATCH changes single rows of it.
PushMode = Literal["replace", "change"]


def validate_push(schema: TableSchema, body: object, mode: PushMode) -> tuple[Operation, ...]:
    """The operations that a push to one table asks for.

    ``mode`` "replace" (PUT): ``body`` is a list of rows that takes the place of the table. "change" (PATCH): an
    object with the lists ``delete`` and ``upsert``, either may be absent; deletes come first. A row is a list with a
    value for each column, or an object from column names to values; what an object leaves out is null, except in the
    key. A row to delete may be its key alone, or for a key of one column the bare value. Equal rows are one row.

    Raises CongressError "push_rows" with the row's number (the first is row 1) and what would fit.
    """
    if mode == "replace":
        if not isinstance(body, list):
            raise _misfit(schema, f"the body is {_kind(body)}; it must be a list of rows")
        return (Replace(schema.name, _table_rows(schema, body, "row"), schema.key_positions),)
    if not isinstance(body, Mapping):
        raise _misfit(schema, f'the body is {_kind(body)}; it must be an object with "upsert" and "delete"')
    for part in body:
        if part not in ("upsert", "delete"):
            allowed = ("upsert", "delete")
            raise _misfit(
                schema, f'"{part}" is not a part of a change; "upsert" and "delete" are.{hint(part, allowed)}'
            )
        if not isinstance(body[part], list):
            raise _misfit(schema, f'"{part}" is {_kind(body[part])}; it must be a list of rows')
    operations: list[Operation] = []
    if body.get("delete"):
        operations.append(Delete(schema.name, _keys(schema, body["delete"]), schema.key_positions))
    if body.get("upsert"):
        rows = _table_rows(schema, body["upsert"], "upsert row")
        operations.append(Upsert(schema.name, rows, schema.key_positions))
    return tuple(operations)


def _table_rows(schema: TableSchema, items: Sequence[object], what: str) -> tuple[Row, ...]:
    """The rows, each once, with keys that are not doubled."""
    rows = _fast_rows(schema, items)
    if rows is None:
        rows = [_row(schema, item, f"{what} {number}") for number, item in enumerate(items, 1)]
    _check_text(schema, rows, what)
    if not schema.key:
        return tuple(dict.fromkeys(rows))
    where = schema.key_positions
    seen: dict[Row, tuple[int, Row]] = {}
    for number, row in enumerate(rows, 1):
        key = tuple(row[index] for index in where)
        first, known = seen.setdefault(key, (number, row))
        if known != row:
            shown = ", ".join(f"{name}={literal(value)}" for name, value in zip(schema.key, key, strict=True))
            raise _misfit(
                schema,
                f"{what}s {first} and {number} differ but have the same key ({shown}); a key may occur only once",
            )
    return tuple(row for _, row in seen.values())


def _fast_rows(schema: TableSchema, items: Sequence[object]) -> list[Row] | None:
    """All rows at once when every item is a list that fits; None when they must be looked at one by one."""
    width = len(schema.columns)
    if any(type(item) is not list or len(item) != width for item in items):
        return None
    try:
        return to_rows(items)  # type: ignore[arg-type]  # every item is a list
    except ValueError:
        return None


def _row(schema: TableSchema, item: object, where: str) -> Row:
    names = schema.column_names
    if isinstance(item, Mapping):
        _check_names(schema, item, where)
        for name in schema.key:
            if name not in item:
                raise _misfit(schema, f'{where} has no value for "{name}", which is part of the key')
        return tuple(_value(schema, item.get(name), name, where) for name in names)
    if isinstance(item, list | tuple):
        if len(item) != len(names):
            raise _misfit(
                schema, f"{where} has {_count(len(item), 'value')}, the table has {_count(len(names), 'column')}"
            )
        return tuple(_value(schema, value, name, where) for name, value in zip(names, item, strict=True))
    raise _misfit(schema, f"{where} is {_kind(item)}; a row is a list of values or an object from columns to values")


def _keys(schema: TableSchema, items: Sequence[object]) -> tuple[Row, ...]:
    """What a DELETE holds: for each item its key, or the whole row where the table has no key."""
    read = _key if schema.key else _row
    rows = [read(schema, item, f"delete row {number}") for number, item in enumerate(items, 1)]
    _check_text(schema, rows, "delete row")
    return tuple(dict.fromkeys(rows))


def _check_text(schema: TableSchema, rows: Sequence[Row], what: str) -> None:
    """Refuse halves of surrogate pairs, which JSON can spell but UTF-8, and so database and wire, cannot."""
    try:
        "".join(value for row in rows for value in row if isinstance(value, str)).encode()
        return
    except UnicodeEncodeError:
        pass  # perhaps two halves that met in the joined text: each value is looked at by itself
    for number, row in enumerate(rows, 1):
        for value in row:
            if isinstance(value, str):
                try:
                    value.encode()
                except UnicodeEncodeError:
                    shown = value[:60].encode("ascii", "backslashreplace").decode()
                    raise _misfit(schema, f'{what} {number} has text that is not Unicode: "{shown}"') from None


def _key(schema: TableSchema, item: object, where: str) -> Row:
    key = schema.key
    if isinstance(item, Mapping):
        _check_names(schema, item, where)
        for name in key:
            if name not in item:
                raise _misfit(schema, f'{where} has no value for "{name}", which is part of the key')
        return tuple(_value(schema, item[name], name, where) for name in key)
    if isinstance(item, list | tuple):
        if len(item) == len(key):
            return tuple(_value(schema, value, name, where) for name, value in zip(key, item, strict=True))
        row = _row(schema, item, where)
        return tuple(row[schema.column_names.index(name)] for name in key)
    if len(key) == 1:
        return (_value(schema, item, key[0], where),)
    raise _misfit(schema, f"{where} is {_kind(item)}; give the key as a list or an object: {listing(key)}")


def _check_names(schema: TableSchema, item: Mapping[str, object], where: str) -> None:
    for name in item:
        if name not in schema.column_names:
            raise _misfit(schema, f'{where} has an unknown column "{name}".{hint(name, schema.column_names)}')


def _value(schema: TableSchema, item: object, column: str, where: str) -> Value:
    try:
        return to_value(item)
    except ValueError as error:
        raise _misfit(schema, f'{where}, column "{column}": {error}') from None


def _misfit(schema: TableSchema, problem: str) -> CongressError:
    columns = ", ".join(schema.column_names)
    key = f" with the key ({', '.join(schema.key)})" if schema.key else ""
    return CongressError("push_rows", f'Table "{schema.name}": {problem}. The columns are ({columns}){key}.')


def _kind(item: object) -> str:
    if isinstance(item, Mapping):
        return "an object"
    if isinstance(item, list):
        return "a list"
    return f"the value {str(item)[:60]!r}" if item is not None else "null"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
