"""The option ``values: congress``: booleans and null as Congress' drivers gave them, so that old policies hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from congressd.model.values import FALSE, TRUE, Bool, Row, Value

_TEXTS: Final[dict[Value, str]] = {TRUE: "True", FALSE: "False", None: "None"}
_CHANGED: Final = {Bool, type(None)}


def congress_value(value: Value) -> Value:
    """``"True"``, ``"False"`` or ``"None"`` for a boolean or null, any other value as it is."""
    return _TEXTS.get(value, value) if type(value) in _CHANGED else value


def congress_rows(rows: Sequence[Row]) -> Sequence[Row]:
    """Rows with `congress_value` in the place of each value; rows of one length that need no change cost little."""
    try:
        columns = list(zip(*rows, strict=True))
    except ValueError:  # rows of several lengths
        return [tuple(map(congress_value, row)) for row in rows]
    changed = False
    for index, column in enumerate(columns):
        if not _CHANGED.isdisjoint(map(type, column)):
            columns[index] = tuple(map(congress_value, column))
            changed = True
    return list(zip(*columns, strict=True)) if changed else rows
