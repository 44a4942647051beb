"""The examples of docs/language.md: fenced blocks as sources, policies with their answers, refusals with their errors.

A `source` block names a table and its columns, then has one row a line as JSON. A `congress` block is a policy; the
`answer` block behind it has all rows of the tables that it names, as facts. A `refused` block is a policy that gets an
error with the words of the `error` block behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from congressd.model.values import Row, to_rows

PAGE: Final = Path(__file__).parents[3] / "docs" / "language.md"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table of the source that the examples read."""

    source: str
    table: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A policy and the text that must follow from it: facts, or words of an error if ``refused``."""

    line: int
    policy: str
    outcome: str
    refused: bool


def source_tables() -> list[SourceTable]:
    """The tables of the page's `source` blocks."""
    tables = []
    for _, kind, body in _blocks():
        if kind == "source":
            first, *rows = body.splitlines()
            name, *columns = first.split()
            source, _, table = name.partition(":")
            tables.append(SourceTable(source, table, tuple(columns), tuple(to_rows(list(map(json.loads, rows))))))
    return tables


def examples() -> list[Example]:
    """The page's policies with what follows from them. Every policy must be followed by its outcome."""
    found = []
    blocks = [block for block in _blocks() if block[1] not in ("source", "text")]
    while blocks:
        line, kind, policy = blocks.pop(0)
        _, follower, outcome = blocks.pop(0)
        assert (kind, follower) in (("congress", "answer"), ("refused", "error")), f"line {line}: {kind}, {follower}"
        found.append(Example(line, policy, outcome, kind == "refused"))
    return found


def _blocks() -> Iterator[tuple[int, str, str]]:
    """Line, kind and body of each fenced block."""
    text = PAGE.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]
