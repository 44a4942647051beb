"""Which helper tables are not held, but checked over indexes when a row of theirs is asked for.

``same_group(x, y) :- members(x, g), members(y, g)`` has as many rows as the square of a group; the rule that reads
it only ever asks for one pair. Such a table is *virtual*: it costs no memory and no upkeep, and a check is a look-up
or a short join. The conditions below are those under which `congressd.engine.propagate` gets its changes right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from congressd.engine.plan import variables_of
from congressd.engine.program import Node, Program, is_projection
from congressd.language.core import Literal, Table, Variable


def choose_virtual(program: Program, ordered: Sequence[Table], kept: Collection[Table]) -> set[Table]:
    """The tables of ``ordered`` (each after those that it reads) that may be virtual; never one of ``kept``."""
    wanted = set(ordered)
    virtual: set[Table] = set()
    for table in ordered:
        if table not in program.rules or table in kept or table in program.facts:
            continue
        if not _worth_it(program, table):
            continue
        if any(read in virtual or read == table for read in program.reads(table)):
            continue
        readers = [(node, at) for node, at in program.readers.get(table, ()) if node.head in wanted]
        if readers and all(_fit(program, node, at, virtual) for node, at in readers):
            virtual.add(table)
    return virtual


def _worth_it(program: Program, table: Table) -> bool:
    """Whether checking beats holding: one look-up a check, or a join that may have more rows than any table in it."""
    rules = program.rules[table]
    return is_projection(table) or all(_literals(node) == 1 for node in rules) or any(map(_blows_up, rules))


def _literals(node: Node) -> int:
    return sum(isinstance(item, Literal) for item in node.rule.body)


def _blows_up(node: Node) -> bool:
    head = {arg.name for arg in node.rule.head.args if isinstance(arg, Variable)}
    return not any(
        head <= variables_of(item) for item in node.rule.body if isinstance(item, Literal) and not item.negated
    )


def _fit(program: Program, node: Node, at: int, virtual: set[Table]) -> bool:
    """Whether the literal at position ``at`` is only ever checked, and its rule sees no change of it twice."""
    item = node.rule.body[at]
    assert isinstance(item, Literal)
    table = item.atom.table
    direct: list[Table] = []
    beneath: set[Table] = set(program.reads(table))
    bound: set[str] = set()
    for position, other in enumerate(node.rule.body):
        if position == at or not isinstance(other, Literal):
            continue
        direct.append(other.atom.table)
        if other.atom.table in virtual:
            if beneath & set(program.reads(other.atom.table)):
                return False
        elif not other.negated:
            bound |= variables_of(other)
    if table in direct or beneath & set(direct):
        return False
    return item.negated or variables_of(item) <= bound
