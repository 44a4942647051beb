"""Names for the columns of what is printed: those of a source's table, or what the heads of a policy's rules say."""

from __future__ import annotations

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
    for rule in service.get("v1", "policies", policy, "rules")["results"]:
        for head in _heads(rule["rule"]):
            if head.table == table and (names := _names(head)):
                return names
    return []


def of_query(service: Service, policy: str, text: str) -> list[str]:
    """The columns of what a query answers: its head's for a rule, its table's for an atom."""
    try:
        query = parse_query(text)
    except CongressError:
        return []
    if isinstance(query, syntax.Rule):
        return _names(query.heads[0])
    return of_table(service, query.service or policy, query.table)


def fitting(names: list[str], width: int) -> list[str]:
    """``names`` if there are as many as columns, else numbers as the policy language counts columns."""
    return names if len(names) == width else [str(index) for index in range(width)]


def _heads(text: str) -> tuple[syntax.Atom, ...]:
    try:
        return parse_rule(text).heads
    except CongressError:
        return ()


def _names(head: syntax.Atom) -> list[str]:
    """The variables of a head, if all of its arguments are different variables."""
    names = [each.expression.name for each in head.arguments if isinstance(each.expression, syntax.Variable)]
    return names if len(set(names)) == len(head.arguments) and "_" not in names else []
