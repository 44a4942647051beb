"""Files as tables: CSV, JSON, JSON Lines and YAML, from bytes to schema and rows. Pure: it is given the bytes."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from congressd.datasources.documents import DocumentError, table_of, unique_names
from congressd.datasources.driver import FetchedTable
from congressd.model import jsontext
from congressd.model.tables import Column, TableSchema
from congressd.model.values import FALSE, TRUE, Row, Value


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read. ``infer``: cells of CSV that look like numbers, booleans or nothing become such values.

    ``text_columns`` are columns whose cells stay text all the same, as ``column`` or ``table.column``;
    ``delimiter`` is empty for the usual one of the file's extension; ``keys`` maps tables to their key columns.
    """

    infer: bool = True
    text_columns: frozenset[str] = frozenset()
    delimiter: str = ""
    keys: Mapping[str, tuple[str, ...]] | None = None


class ReadError(Exception):
    """A file that cannot be read as a table; the text says where, and what is wrong."""


def read_table(table: str, extension: str, data: bytes, options: ReadOptions) -> FetchedTable:
    """The table ``table`` that a file with this extension (a key of `FORMATS`) holds. Raises ReadError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReadError(f"line {line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8") from None
    try:
        columns, rows = FORMATS[extension](table, text, options)
    except DocumentError as error:
        raise ReadError(str(error)) from None
    except RecursionError:
        raise ReadError("it is nested too deeply") from None
    key = (options.keys or {}).get(table, ())
    for name in key:
        if columns and name not in columns:
            raise ReadError(f'the key column "{name}" is not a column of it; its columns are {", ".join(columns)}')
    return FetchedTable(TableSchema(table, tuple(map(Column, columns)), key), rows, checked=True)


Parsed = tuple[tuple[str, ...], list[Row]]


def _csv(table: str, text: str, options: ReadOptions) -> Parsed:
    return _delimited(table, text, options, options.delimiter or ",")


def _tsv(table: str, text: str, options: ReadOptions) -> Parsed:
    return _delimited(table, text, options, options.delimiter or "\t")


def _delimited(table: str, text: str, options: ReadOptions, delimiter: str) -> Parsed:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            return (), []
        if not all(name.strip() for name in header):
            raise ReadError(f"line 1: the header has a column without a name, between {header!r:.200}")
        columns = unique_names(header)
        rows = []
        for cells in reader:
            if len(cells) != len(columns):
                if not cells:
                    continue  # a blank line
                raise ReadError(f"line {reader.line_num}: {len(cells)} cells, but the header names {len(columns)}")
            rows.append(cells)
    except csv.Error as error:
        raise ReadError(f"line {reader.line_num}: {error}") from None
    if not options.infer:
        return columns, list(map(tuple, rows))
    by_column: list[tuple[Value, ...]] = []
    for name, texts in zip(columns, zip(*rows, strict=True), strict=bool(rows)):
        if name in options.text_columns or f"{table}.{name}" in options.text_columns:
            by_column.append(texts)
        else:
            inferred = {cell: infer(cell) for cell in set(texts)}
            by_column.append(tuple(map(inferred.__getitem__, texts)))
    return columns, list(zip(*by_column, strict=True))


_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,3999})\Z")
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][+-]?[0-9]+)?\Z")
_WORDS: Final[dict[str, Value]] = {
    "": None,
    **dict.fromkeys(("true", "True", "TRUE"), TRUE),
    **dict.fromkeys(("false", "False", "FALSE"), FALSE),
}


def infer(text: str) -> Value:
    """The value that the text of a cell stands for: null if empty, a boolean, a number, or else the text itself.

    The same text gives the same value in every column, so that columns can be joined. Numbers are as JSON writes
    them: "007", "+1", "1e5" (which may be an identifier) and " 1" stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        return int(text)
    if _DECIMAL.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _json(_table: str, text: str, _options: ReadOptions) -> Parsed:
    try:
        return table_of(jsontext.loads(text))
    except DocumentError:
        raise
    except ValueError as error:
        raise ReadError(f"not JSON: {error}") from None


def _json_lines(_table: str, text: str, _options: ReadOptions) -> Parsed:
    items = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                items.append(jsontext.loads(line))
            except ValueError as error:
                raise ReadError(f"line {number}: not JSON: {error}") from None
    return table_of(items)


def _yaml(_table: str, text: str, _options: ReadOptions) -> Parsed:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # An alias can blow a small file up to any size; the scan for one costs nothing where no "*" stands.
        if "*" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=loader)):
            raise ReadError("YAML aliases (*name) are not allowed; write the value out")
        documents = [document for document in yaml.load_all(text, Loader=loader) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ReadError(f"{where}not YAML: {getattr(error, 'problem', None) or error}") from None
    except (ValueError, TypeError) as error:  # a value that looks like a date but is none; a list as a key
        raise ReadError(f"not YAML: {error}") from None
    return table_of(documents[0] if len(documents) == 1 else documents)


#: How the files with each extension are read.
FORMATS: Final[Mapping[str, Callable[[str, str, ReadOptions], Parsed]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".yaml": _yaml,
    ".yml": _yaml,
}
