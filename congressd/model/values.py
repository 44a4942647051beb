"""Values: the JSON scalars of which every row is made.

A value is a string, an integer of any size, a finite float, a boolean or null. ``1`` and ``1.0`` are equal;
``1``, ``"1"`` and ``true`` are all different. Python disagrees on the last point (``True == 1``), so booleans
are the two objects `TRUE` and `FALSE` everywhere inside congressd, and become ``true`` and ``false`` at its edges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias


class Bool:
    """JSON's ``true`` or ``false``: equal to itself only, never to a number. Only `TRUE` and `FALSE` exist."""

    __slots__ = ("truth",)

    def __init__(self, truth: bool) -> None:
        self.truth = truth

    def __bool__(self) -> bool:
        return self.truth

    def __repr__(self) -> str:
        return "true" if self.truth else "false"

    def __reduce__(self) -> str:
        return "TRUE" if self.truth else "FALSE"


TRUE: Final = Bool(True)
FALSE: Final = Bool(False)

Value: TypeAlias = str | int | float | Bool | None
Row: TypeAlias = tuple[Value, ...]


def to_value(item: object) -> Value:
    """The value for a decoded JSON scalar. Raises ValueError for lists, objects, NaN and infinities."""
    if item is True:
        return TRUE
    if item is False:
        return FALSE
    if item is None or isinstance(item, str | Bool):
        return item
    if isinstance(item, int):
        return int(item)
    if isinstance(item, float):
        if not math.isfinite(item):
            raise ValueError(f"{item} is not a value: numbers must be finite")
        return float(item)
    kind = (
        "a list" if isinstance(item, list | tuple) else "an object" if isinstance(item, dict) else type(item).__name__
    )
    raise ValueError(f"{str(item)[:80]!r} is {kind}; a value is a string, a number, true, false or null")


def to_rows(rows: Sequence[Sequence[object]]) -> list[Row]:
    """Rows of decoded JSON scalars as rows of values; all rows must be of one length.

    Works by columns, so that a table without booleans costs little more than making its tuples.
    Raises ValueError as `to_value` does.
    """
    if not rows:
        return []
    try:
        columns = list(zip(*rows, strict=True))
    except ValueError:
        raise ValueError("rows of one table must all have the same number of values") from None
    fine = {str, int, type(None), Bool}
    converted = False
    for index, column in enumerate(columns):
        if not fine.issuperset(map(type, column)):
            columns[index] = tuple(map(to_value, column))
            converted = True
    if converted:
        return list(zip(*columns, strict=True))
    if not columns:
        return [()] * len(rows)
    return [tuple(row) for row in rows]  # type: ignore[arg-type]  # every cell was checked above


def to_json(value: Value) -> str | int | float | bool | None:
    """The plain Python object that JSON encoders take for a value."""
    return value.truth if isinstance(value, Bool) else value


def json_default(item: object) -> object:
    """The ``default`` hook for JSON encoders: lets them write `Bool`."""
    if isinstance(item, Bool):
        return item.truth
    raise TypeError(f"{type(item).__name__} cannot be written as JSON")


def literal(value: Value) -> str:
    """The text that the policy language reads back as this value."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None:
        return "null"
    return repr(value)


def sort_key(value: Value) -> tuple[int, object]:
    """A total order over values of every type: null, booleans, numbers, strings."""
    if value is None:
        return (0, 0)
    if isinstance(value, Bool):
        return (1, value.truth)
    if isinstance(value, str):
        return (3, value)
    return (2, value)


def sorted_rows(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order that is the same for the same set of rows."""
    return sorted(rows, key=lambda row: tuple(map(sort_key, row)))
