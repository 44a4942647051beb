"""Documents (decoded JSON or YAML) as tables: objects flattened, columns gathered, values checked. Pure."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Final

from congressd.datasources.names import usable_name
from congressd.model.values import Row, Value, to_value

MAX_DEPTH: Final = 32

#: What a document must be, for messages.
ALLOWED: Final = (
    'a table is a list of objects, a list of lists, a list of single values, or {"columns": [...], "rows": [[...]]}'
)


class DocumentError(ValueError):
    """A document that is not a table; the text says which row, and what would be allowed."""


def table_of(document: object) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and rows of a document.

    A list of objects: columns are all names that occur, in the order in which they are first met; what an object
    lacks is null. Objects inside become columns with dots (``flavor.ram``), lists inside their compact JSON text.
    A list of lists: columns ``col0``, ``col1``, ... A list of single values: one column, ``value``.
    Raises DocumentError.
    """
    if isinstance(document, Mapping) and set(document) == {"columns", "rows"}:
        return _declared(document["columns"], document["rows"])
    if not isinstance(document, list):
        kind = "an object" if isinstance(document, Mapping) else repr(document)[:60]
        raise DocumentError(f"it holds {kind}; {ALLOWED}")
    if all(isinstance(item, Mapping) for item in document):
        return _objects(document)
    if all(isinstance(item, list) for item in document):
        width = len(document[0])
        return tuple(f"col{index}" for index in range(width)), _lists(document, width)
    if not any(isinstance(item, Mapping | list) for item in document):
        return ("value",), _lists([[item] for item in document], 1)
    raise DocumentError(f"its rows are of different kinds; {ALLOWED}")


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as the policy language can use them. Raises DocumentError where two become the same."""
    first: dict[str, str] = {}
    for name in names:
        usable = usable_name(name)
        if usable in first:
            twice = "occurs twice" if first[usable] == name else f'and "{first[usable]}" both become "{usable}"'
            raise DocumentError(f'the column "{name}" {twice}')
        first[usable] = name
    return tuple(first)


def _objects(items: Sequence[Mapping[object, object]]) -> tuple[tuple[str, ...], list[Row]]:
    flat = []
    for number, item in enumerate(items, 1):
        cells: dict[str, Value] = {}
        _flatten(item, "", cells, f"row {number}", 1)
        flat.append(cells)
    names = list(dict.fromkeys(name for cells in flat for name in cells))
    return unique_names(names), [tuple(map(cells.get, names)) for cells in flat]


def _flatten(item: Mapping[object, object], prefix: str, cells: dict[str, Value], where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise DocumentError(f"{where}: objects are nested more than {MAX_DEPTH} deep")
    for key, value in item.items():
        name = prefix + str(key)
        if isinstance(value, Mapping):
            _flatten(value, name + ".", cells, where, depth + 1)
        elif name in cells:
            raise DocumentError(f'{where} has "{name}" twice, as a name with a dot and as a nested object')
        else:
            cells[name] = _cell(value, f'{where}, "{name}"')


def _lists(items: Sequence[object], width: int) -> list[Row]:
    rows = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, list):
            raise DocumentError(f"row {number} is not a list of values")
        if len(item) != width:
            raise DocumentError(f"row {number} has {len(item)} values, the table has {width} columns")
        rows.append(tuple(_cell(value, f"row {number}") for value in item))
    return rows


def _declared(columns: object, rows: object) -> tuple[tuple[str, ...], list[Row]]:
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise DocumentError('its "columns" must be a list of names')
    if not isinstance(rows, list):
        raise DocumentError('its "rows" must be a list of lists')
    return unique_names(columns), _lists(rows, len(columns))


def _cell(item: object, where: str) -> Value:
    if isinstance(item, str):  # by far the most frequent
        return item
    if isinstance(item, list | Mapping):
        return _json_text(item, where)
    if isinstance(item, datetime.date | datetime.time):  # YAML reads dates; a datetime is a date too
        return item.isoformat()
    try:
        return to_value(item)
    except ValueError as error:
        raise DocumentError(f"{where}: {error}") from None


def _json_text(item: object, where: str) -> str:
    try:
        return json.dumps(item, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentError(f"{where}: the list cannot be written as JSON: {error}") from None
