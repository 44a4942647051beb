"""Explanations: why a row holds, as a graph of rules and rows down to rows of sources and facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from congressd.engine.live import Runner
from congressd.engine.maintain import LiveTables
from congressd.engine.plan import Mode, Purpose
from congressd.engine.program import Node
from congressd.language.core import BodyItem, Call, Constant, Literal, Rule, Table, Variable
from congressd.model.values import Row, Value, literal

#: One derivation is enough to explain a row.
FIRST = 1


@dataclass(eq=False, slots=True)
class Derivation:
    """Why one row holds. Without ``rule`` it is a fact, or a row of a source.

    ``premises`` are the derivations of the rows that the rule's body met, ``conditions`` the texts of builtins and of
    negations that held. A row that several premises share is one object in all of them.
    """

    table: Table
    row: Row
    rule: Rule | None = None
    premises: list[Derivation] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.table}({', '.join(map(literal, self.row))})"


def explain(live: LiveTables, table: Table, row: Row) -> Derivation | None:
    """Why a row of a table holds, or None if it does not. The tables that it derives from must be held."""
    if not _present(live, table, row):
        return None
    root = Derivation(table, row)
    known = {(table, row): root}
    waiting = [root]
    while waiting:
        each = waiting.pop()
        if each.row in live.program.facts.get(each.table, ()):
            continue
        for node in live.program.rules.get(each.table, ()):
            bindings = _bindings(live, node, each.row)
            if bindings is None:
                continue
            each.rule = node.origin
            for item, origin in zip(node.rule.body, node.origin.body, strict=True):
                if isinstance(item, Call) or item.negated:
                    each.conditions.append(_shown(origin, bindings))
                    continue
                premise = (item.atom.table, _row(item, bindings))
                if premise not in known:
                    known[premise] = Derivation(*premise)
                    waiting.append(known[premise])
                each.premises.append(known[premise])
            break
    return root


def lines(derivation: Derivation, limit: int = 10_000) -> list[str]:
    """The explanation as indented text; a derivation that was shown already is named only."""
    shown: set[int] = set()
    out: list[str] = []
    stack: list[tuple[int, Derivation | str]] = [(0, derivation)]
    while stack and len(out) < limit:
        depth, each = stack.pop()
        indent = "| " * depth
        if isinstance(each, str) or each.rule is None:
            out.append(f"{indent}{each}")
        elif id(each) in shown:
            out.append(f"{indent}{each} (see above)")
        else:
            shown.add(id(each))
            out.append(f"{indent}{each} by {' '.join((each.rule.text or str(each.rule)).split())}")
            below: list[Derivation | str] = [*each.premises, *each.conditions]
            stack += [(depth + 1, item) for item in reversed(below)]
    return out


def _present(live: LiveTables, table: Table, row: Row) -> bool:
    if table in live.virtual:
        return bool(live.holds(table)(row))
    return row in live.rows(table)


def _bindings(live: LiveTables, node: Node, row: Row) -> dict[str, Value] | None:
    found: list[dict[str, Value]] = []
    purpose = Purpose(Mode.BINDINGS, bound=tuple(range(len(row))))
    Runner(live, node, purpose)(row, found, FIRST)
    return found[0] if found else None


def _row(item: Literal, bindings: dict[str, Value]) -> Row:
    return tuple(arg.value if isinstance(arg, Constant) else bindings[arg.name] for arg in item.atom.args)


def _shown(item: BodyItem, bindings: dict[str, Value]) -> str:
    def value(arg: Any) -> str:
        if isinstance(arg, Variable) and arg.name in bindings:
            return literal(bindings[arg.name])
        return str(arg)

    if isinstance(item, Call):
        text = f"builtin:{item.builtin}({', '.join(map(value, item.args))})"
    else:
        text = f"{item.atom.table}({', '.join(map(value, item.atom.args))})"
    return f"not {text}" if item.negated else text
