"""Explanations: as the text that Congress' clients print, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from congressd.engine.engine import Engine
from congressd.engine.explain import Derivation, lines
from congressd.language.core import Table
from congressd.model.values import Row

MOST_LINES: Final = 10_000
MOST_STEPS: Final = 1_000  #: of the explanation of one row as JSON


def explain(engine: Engine, table: Table, rows: Sequence[Row], abbreviation: str) -> tuple[str, list[Derivation]]:
    """Why each of the rows holds, as text with a line for each step, led by the policy's abbreviation, and as found.

    Cut after `MOST_LINES` lines, with a last line that says so. A row that went meanwhile is left out.
    """
    lead = f"{abbreviation:<6}: "
    out: list[str] = []
    found: list[Derivation] = []
    for number, row in enumerate(rows):
        if len(out) >= MOST_LINES:
            out.append(f"{lead}({len(rows) - number} more rows are not explained here)")
            break
        derivation = engine.explain(table, row)
        if derivation is not None:
            found.append(derivation)
            out += [lead + line for line in lines(derivation, MOST_LINES)]
    return "\n".join(out), found


def document(derivation: Derivation) -> dict[str, Any]:
    """Why one row holds, as JSON.

    ``steps`` is a list whose first entry is the row itself. Each has the ``table`` and the row (``data``); one that
    a rule gave has the rule, the numbers of the steps that its body met (``premises``) and what else held
    (``conditions``), one without is a fact or a row of a source. A row that several steps rest on is one step.
    """
    numbers = {id(derivation): 0}
    found = [derivation]
    steps: list[dict[str, Any]] = []
    at = 0
    while at < len(found):
        each = found[at]
        at += 1
        step: dict[str, Any] = {"table": str(each.table), "data": each.row}
        if each.rule is not None:
            for premise in each.premises:
                if id(premise) not in numbers and len(found) < MOST_STEPS:
                    numbers[id(premise)] = len(found)
                    found.append(premise)
            step["rule"] = " ".join((each.rule.text or str(each.rule)).split())
            step["rule_id"] = each.rule.id
            step["premises"] = [numbers[id(premise)] for premise in each.premises if id(premise) in numbers]
            step["conditions"] = each.conditions
        steps.append(step)
    return {"data": derivation.row, "steps": steps}
