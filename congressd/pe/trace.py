"""Explanations as the text that Congress' clients print: a line for each step, led by the policy's abbreviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from congressd.engine.engine import Engine
from congressd.engine.explain import lines
from congressd.language.core import Table
from congressd.model.values import Row

MOST_LINES: Final = 10_000


def explanation(engine: Engine, table: Table, rows: Sequence[Row], abbreviation: str) -> str:
    """Why each of the rows holds; cut after `MOST_LINES` lines, with a last line that says so."""
    lead = f"{abbreviation:<6}: "
    out: list[str] = []
    for number, row in enumerate(rows):
        if len(out) >= MOST_LINES:
            out.append(f"{lead}({len(rows) - number} more rows are not explained here)")
            break
        derivation = engine.explain(table, row)
        if derivation is not None:
            out += [lead + line for line in lines(derivation, MOST_LINES)]
    return "\n".join(out)
