"""Rows from a file or standard input, for pushing: read as the driver `file` reads them."""

from __future__ import annotations

from typing import Any

from congressd.datasources.tablefiles import FORMATS, ReadError, ReadOptions, read_table
from congressd.model.values import to_json


class RowError(Exception):
    """Content that is no table; the text says where and why."""


def read_rows(table: str, suffix: str | None, data: bytes) -> list[Any]:
    """The rows as the API takes them: an object for each. ``suffix`` None: JSON if it looks like that, else CSV.

    Raises RowError.
    """
    if suffix is None:
        suffix = _guess(data)
    if suffix not in FORMATS:
        raise RowError(f"{suffix or 'a file without extension'} is not a format; allowed are {', '.join(FORMATS)}")
    try:
        fetched = read_table(table, suffix, data, ReadOptions())
    except ReadError as error:
        raise RowError(str(error)) from None
    names = fetched.schema.column_names
    if suffix not in (".csv", ".tsv") and names and all(name == f"col{index}" for index, name in enumerate(names)):
        return [[to_json(value) for value in row] for row in fetched.rows]  # lists, whose columns have no names
    return [dict(zip(names, map(to_json, row), strict=True)) for row in fetched.rows]


def _guess(data: bytes) -> str:
    match data.lstrip()[:1]:
        case b"[":
            return ".json"
        case b"{":
            return ".jsonl"
        case _:
            return ".csv"
