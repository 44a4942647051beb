"""What a rule's text says by itself, before any table is known: its head, and the tables that it names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from congressd.language import core, syntax
from congressd.language.builtins import BUILTINS

#: A policy or source, and a table of it.
TableName: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Mention:
    """A table in a body. ``arity`` is the number of arguments given, None if some are given by column."""

    table: TableName
    arity: int | None


@dataclass(frozen=True, slots=True)
class Form:
    """The head's table, the number of its arguments (None if given by column), their names if all are different
    variables, and the tables of the body. Builtins are not tables."""

    head: core.Table
    arity: int | None
    names: tuple[str, ...] | None
    body: tuple[Mention, ...]


def form_of(rule: syntax.Rule, policy: str) -> Form:
    """The form of a parsed rule that stands in ``policy``."""
    head = rule.heads[0]
    body: dict[Mention, None] = {}
    for literal in rule.body:
        if isinstance(literal.condition, syntax.Atom):
            table = _table(literal.condition, policy)
            if table is not None:
                body[Mention(table, _arity(literal.condition))] = None
    return Form(
        core.Table(head.service or policy, head.table, head.modal),
        _arity(head),
        _names(head),
        tuple(body),
    )


def tables_of(query: syntax.Atom | syntax.Rule, policy: str) -> Iterator[TableName]:
    """The tables that a query asked of ``policy`` reads."""
    if isinstance(query, syntax.Atom):
        table = _table(query, policy)
        if table is not None:
            yield table
    else:
        yield from (mention.table for mention in form_of(query, policy).body)


def skeleton(form: Form, rule_id: str) -> core.Rule:
    """A core rule without arguments: it has the dependencies of a rule that waits, and cannot be run."""
    return core.Rule(
        core.Atom(form.head, ()),
        tuple(core.Literal(core.Atom(core.Table(*mention.table), ())) for mention in form.body),
        form.head.policy,
        rule_id,
    )


def is_runnable(rule: core.Rule) -> bool:
    """Whether the engine can keep the head's rows: not for an effect (``p+``), nor if the body leaves values open."""
    if rule.head.table.name[-1] in "+-":
        return False
    bound = {
        argument
        for item in rule.body
        for argument in (item.atom.args if isinstance(item, core.Literal) else item.args)
        if isinstance(argument, core.Variable)
    }
    return all(isinstance(argument, core.Constant) or argument in bound for argument in rule.head.args)


def own_table(rule: core.Rule) -> core.Table:
    """The table of the rows of one execute rule alone."""
    return replace(rule.head.table, modal=f"execute {rule.id}")


def own_rule(rule: core.Rule) -> core.Rule:
    """An execute rule that fills the table of its own."""
    return replace(rule, head=core.Atom(own_table(rule), rule.head.args))


def split_table(text: str, policy: str) -> TableName:
    """The table that ``text`` names in ``policy``: ``servers``, or ``nova:servers`` for one of another policy."""
    service, colon, table = text.partition(":")
    return (service, table) if colon else (policy, text)


def _table(atom: syntax.Atom, policy: str) -> TableName | None:
    if atom.service == "builtin" or (atom.service is None and (atom.table in BUILTINS or atom.table in _PSEUDO)):
        return None
    return (atom.service or policy, atom.table)


_PSEUDO = ("true", "false")


def _arity(atom: syntax.Atom) -> int | None:
    return None if any(argument.column is not None for argument in atom.arguments) else len(atom.arguments)


def _names(atom: syntax.Atom) -> tuple[str, ...] | None:
    names = tuple(
        argument.expression.name
        for argument in atom.arguments
        if isinstance(argument.expression, syntax.Variable) and argument.column is None
    )
    if len(names) != len(atom.arguments) or len(set(names)) != len(names) or "_" in names:
        return None
    return names
