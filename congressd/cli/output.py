"""What the client prints: one function for each format, the same for every verb."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

FORMATS = ("table", "json", "csv", "yaml")


def listing(items: Sequence[Mapping[str, Any]], columns: Sequence[str], form: str) -> str:
    """``items`` as text: whole objects in JSON and YAML, the named columns of each in tables and CSV."""
    if form == "json":
        return _json(list(items))
    if form == "yaml":
        return _yaml([dict(item) for item in items])
    return grid(columns, [[item.get(column) for column in columns] for item in items], form)


def record(item: Mapping[str, Any], form: str) -> str:
    """One object as text; in a table, a line for each field."""
    if form == "json":
        return _json(item)
    if form == "yaml":
        return _yaml(dict(item))
    if form == "csv":
        return _csv(list(item), [list(item.values())])
    return grid(("field", "value"), [[name, value] for name, value in item.items()], form)


def grid(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: str) -> str:
    """``rows`` under ``columns`` as a table or CSV."""
    if form == "csv":
        return _csv(columns, rows)
    cells = [[cell(value).split("\n") for value in row] for row in rows]
    widths = [
        max([len(name), *(len(line) for row in cells for line in row[index])]) for index, name in enumerate(columns)
    ]
    lines = [_line(columns, widths), _line(["-" * width for width in widths], widths)]
    for row in cells:
        for number in range(max((len(texts) for texts in row), default=0)):
            lines.append(_line([texts[number] if number < len(texts) else "" for texts in row], widths))
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A value in a table: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else cell(value) for value in row] for row in rows)
    return out.getvalue().rstrip("\n")


def _json(item: object) -> str:
    return json.dumps(item, ensure_ascii=False, indent=2)


def _yaml(item: object) -> str:
    return yaml.safe_dump(item, allow_unicode=True, sort_keys=False, width=120).rstrip("\n")
