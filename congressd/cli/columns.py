"""Names for the columns of what is printed: those of a source's table, or what the heads of a policy's rules say."""

from __future__ import annotations

from collections.abc import Sequence

from congressd.cli.http import RefusedError, Service
from congressd.language import syntax
from congressd.language.parser import parse_query, parse_rule
from congressd.model.errors import CongressError


def of_table(service: Service, policy: str, table: str) -> list[str]:
    """The columns of a table of a policy or source; empty where nothing names them."""
    owner, colon, rest = table.partition(":")
    if colon:
        policy, table = owner, rest
    try:
        spec = service.get("v1", "data-sources", policy, "tables", table, "spec")
        return [column["name"] for column in spec["columns"]]
    except RefusedError as refusal:
        if refusal.status != 404:
            raise
    rules = service.get("v1", "policies", policy, "rules")["results"]
    return _names([head for rule in rules for head in _heads(rule["rule"]) if head.table == table])


def of_query(service: Service, policy: str, text: str) -> list[str]:
    """The columns of what a query answers: its head's for a rule, its table's for an atom."""
    try:
        query = parse_query(text)
    except CongressError:
        return []
    if isinstance(query, syntax.Rule):
        return _names(query.heads)
    return of_table(service, query.service or policy, query.table)


def fitting(names: list[str], width: int) -> list[str]:
    """``names`` if there are as many as columns, else numbers as the policy language counts columns."""
    return names if len(names) == width else [str(index) for index in range(width)]


def _heads(text: str) -> tuple[syntax.Atom, ...]:
    try:
        return parse_rule(text).heads
    except CongressError:
        return ()


def _names(heads: Sequence[syntax.Atom]) -> list[str]:
    """For each column the first variable that a head has there and that no column before it is called by."""
    names: list[str] = []
    for index in range(max((len(head.arguments) for head in heads), default=0)):
        arguments = [head.arguments[index].expression for head in heads if index < len(head.arguments)]
        variables = [each.name for each in arguments if isinstance(each, syntax.Variable)]
        names.append(next((name for name in variables if name not in (*names, "_")), str(index)))
    return names
