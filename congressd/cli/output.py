"""What the client prints: one function for each format, the same for every verb.

Values come from sources that anybody may write to. What people read has control characters escaped, since a terminal
obeys them; what programs read has every value as it is.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click
import yaml

FORMATS = ("table", "json", "csv", "yaml")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")  # C0, DEL and C1
_HIGH_CONTROLS = re.compile("[\x7f-\x9f]")  # those that JSON leaves as they are


def say(text: str, *, err: bool = False) -> None:
    """Print lines for people: no character of them can command the terminal."""
    click.echo("\n".join(map(visible, text.split("\n"))), err=err)


def put(text: str, form: str) -> None:
    """Print what one of the functions below made of data."""
    if form == "table":
        say(text)
    else:
        put_exactly(f"{text}\n")


def put_exactly(text: str) -> None:
    """Print a text for programs: every character as it is, in UTF-8."""
    click.echo(text.encode("utf-8", "backslashreplace"), nl=False)  # of a text it would take ANSI sequences out


def visible(text: str) -> str:
    """``text`` in one line, with control characters written as JSON writes them."""
    return _CONTROLS.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


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
    cells = [[[visible(line) for line in cell(value).split("\n")] for value in row] for row in rows]
    columns = [visible(name) for name in columns]
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
    return _HIGH_CONTROLS.sub(_escaped, json.dumps(item, ensure_ascii=False, indent=2))


def _yaml(item: object) -> str:
    return yaml.safe_dump(item, allow_unicode=True, sort_keys=False, width=120).rstrip("\n")
