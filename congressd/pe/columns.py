"""Names for the columns of an answer: those of a source's table, or what the heads of a policy's rules say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from congressd.language import core
from congressd.pe.catalog import RuleKey
from congressd.pe.forms import TableName
from congressd.pe.policyset import Image

#: One for each column, None where nothing names it.
Columns: TypeAlias = tuple[str | None, ...]

_MADE: Final = re.compile(r"_t?\d+\Z")  # names that nobody wrote: see `congressd.language.core`


def of_table(image: Image, table: TableName, arity: int) -> Columns:
    """The names of the ``arity`` columns of a table: for a policy's the first variable of a rule's head, by age."""
    policy, name = table
    if policy in image.source_ids:
        schema = image.schemas.get(policy, {}).get(name)
        return _fitting(() if schema is None else schema.column_names, arity)
    use = image.tables.get(policy, {}).get(name)
    if use is None:
        return _fitting((), arity)
    keys = [key for key in use.heads if not _is_fact(image, key)]
    if len(keys) > 1:  # in the order in which they were made, which is that of the image
        order = {rule: number for number, rule in enumerate(image.rules[keys[0][0]])}
        keys.sort(key=lambda key: (use.heads[key].at, order.get(key[1], 0)))
    found = (image.rule(key) for key in keys)
    return of_heads((each.rule.head for each in found if each is not None and each.rule is not None), arity)


def of_heads(heads: Iterable[core.Atom], arity: int) -> Columns:
    """For each column the first variable that a head has there and by which no column before it is called."""
    names: list[str | None] = [None] * arity
    for head in heads:
        for index, argument in enumerate(head.args[:arity]):
            if names[index] is not None or not isinstance(argument, core.Variable):
                continue
            if argument.name not in names and not _MADE.match(argument.name):
                names[index] = argument.name
        if None not in names:
            break
    return tuple(names)


def _is_fact(image: Image, key: RuleKey) -> bool:
    """Whether a rule is a fact, or nothing that runs: there may be very many of them, and none has names."""
    rule = image.rule(key)
    return rule is None or rule.rule is None or not rule.rule.body


def _fitting(names: tuple[str, ...], arity: int) -> Columns:
    return names if len(names) == arity else (None,) * arity
