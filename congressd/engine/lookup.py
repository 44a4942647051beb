"""Look-ups in tables that are not held: top-down, from the rules and the indexes of what they read."""

from __future__ import annotations

from typing import Any

from congressd.engine.live import Published, fitting
from congressd.engine.maintain import LiveTables
from congressd.engine.plan import Mode, Purpose
from congressd.engine.select import Pattern
from congressd.language.core import Literal, Table
from congressd.model.values import Row


def is_shallow(live: LiveTables, table: Table) -> bool:
    """Whether the rules of a table read only tables that are held, so that a look-up is short."""
    for node in tuple(live.program.rules.get(table, ())):
        for item in node.rule.body:
            if not isinstance(item, Literal):
                continue
            read = item.atom.table
            if read not in live.relations and (live.program.defines(read) or read in live.virtual):
                return False
    return True


def look_up(live: LiveTables, state: Published, table: Table, pattern: Pattern) -> list[Row]:
    """The matching rows of a table that `is_shallow`, in the state that readers see."""
    out: dict[Row, int] = {row: 1 for row in tuple(live.program.facts.get(table, ())) if pattern.matches(row)}
    purpose = Purpose(Mode.SELECT, bound=tuple(pattern.values))
    given = tuple(pattern.values.values())
    for node in tuple(live.program.rules.get(table, ())):
        compiled = fitting(state, node, purpose)
        containers = [container.resolve(state) for container in compiled.containers]
        compiled.function(given, out, 1, _unreported, *containers, *compiled.static)
    return [row for row in out if pattern.matches(row)]


def _unreported(position: int, error: Exception, inputs: tuple[Any, ...], sign: int) -> None:
    """A look-up concerns the rows that were asked for only; rules that are maintained report their failures."""
