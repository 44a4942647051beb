"""Surface rules to core rules: names resolved, arguments complete, bodies in a safe order, mistakes named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from congressd.language import core, safety, syntax
from congressd.language.builtins import BUILTINS
from congressd.language.catalog import ACTION, DATASOURCE, Catalog
from congressd.language.conditions import Body
from congressd.language.parser import parse_query, parse_rule
from congressd.language.resolve import BUILTIN, Scope
from congressd.model.errors import CongressError

_MADE: Final = re.compile(r"_t?[0-9]+\b")  # anonymous variables and intermediate results


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule that may run, and sentences about what looks wrong in it but is allowed."""

    rule: core.Rule
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """A query that may be answered, and sentences about what looks wrong in it but is allowed."""

    query: core.Atom | core.Rule
    warnings: tuple[str, ...] = ()


def check_rule(parsed: syntax.Rule | str, policy: str, catalog: Catalog, rule_id: str = "") -> Checked:
    """The core form of a rule or fact that stands in ``policy``.

    Raises CongressError "rule_syntax" (its data tell a reason, line and column; the reason is ``schema_unknown`` if
    the rule may be right once a source has told its tables), "multiple_rules", or "rule_not_permitted" for a source.
    """
    kind = catalog.policy_kind(policy)
    if kind == DATASOURCE:
        raise CongressError("rule_not_permitted", f"{policy} is a source; rules stand in policies")
    if isinstance(parsed, str):
        parsed = parse_rule(parsed)
    scope = Scope("rule_syntax", parsed.text, policy, catalog)
    if len(parsed.heads) != 1:
        raise scope.error(
            "heads",
            f"Non-formula found: {scope.show(parsed)} has {len(parsed.heads)} heads; write one rule for each head",
            parsed.span,
        )
    head = parsed.heads[0]
    _check_head(scope, parsed, head, relaxed=kind == ACTION)
    rule = _lower(scope, parsed, head, rule_id, relaxed=kind == ACTION)
    return Checked(rule, tuple(scope.warnings))


def check_query(query: syntax.Atom | syntax.Rule | str, policy: str, catalog: Catalog) -> CheckedQuery:
    """The core form of a query asked of ``policy``: a table with arguments, or a rule whose head rows are wanted.

    Raises CongressError "query_syntax".
    """
    text = query if isinstance(query, str) else ""
    if isinstance(query, str):
        query = parse_query(query)
    if isinstance(query, syntax.Rule):
        scope = Scope("query_syntax", query.text, policy, catalog)
        if len(query.heads) != 1:
            raise scope.error("heads", f"The query {scope.show(query)} has {len(query.heads)} heads", query.span)
        rule = _lower(scope, query, query.heads[0], "", relaxed=False, query=True)
        return CheckedQuery(rule, tuple(scope.warnings))
    scope = Scope("query_syntax", text, policy, catalog)
    name = scope.builtin(query)
    if name is not None:
        raise scope.error(
            "builtin", f"{name} is a builtin; ask with a rule such as answer(x) :- builtin:{name}(...)", query.span
        )
    atom = scope.body_atom(query)
    return CheckedQuery(atom, tuple(scope.warnings))


def check_step(parsed: syntax.Rule, policy: str, catalog: Catalog) -> tuple[core.Rule, ...]:
    """One step of a simulation: a core rule for each of its heads, all with the same body.

    Table names keep their suffix (``p+``); an unqualified name belongs to ``policy``; head variables that the body
    does not bind are allowed, except in facts. Raises CongressError "simulate_error".
    """
    rules = []
    for head in parsed.heads:
        scope = Scope("simulate_error", parsed.text, policy, catalog, quiet=True)
        _check_names(scope, head)
        if head.modal is not None:
            raise scope.error("modal", f"{scope.show(head)} cannot be simulated: modals are no step", head.span)
        rules.append(_lower(scope, parsed, head, "", relaxed=True))
    return tuple(rules)


def rule_key(rule: core.Rule) -> object:
    """Equal for two rules that are the same: in one policy, with one head, and one body whatever its order.

    The names that people gave to variables count, those that the checks gave do not.
    """
    names: dict[str, core.Variable] = {}

    def renamed(term: core.Term) -> core.Term:
        if isinstance(term, core.Variable) and _MADE.fullmatch(term.name):
            return names.setdefault(term.name, core.Variable(f"_{len(names) + 1}"))
        return term

    head = tuple(map(renamed, rule.head.args))
    body = []
    for item in sorted(rule.body, key=lambda item: _MADE.sub("_", str(item))):
        what = item.builtin if isinstance(item, core.Call) else item.atom.table
        args = item.args if isinstance(item, core.Call) else item.atom.args
        body.append((what, item.negated, tuple(map(renamed, args))))
    return rule.policy, rule.head.table, head, tuple(body)


def _check_names(scope: Scope, head: syntax.Atom) -> None:
    if head.modal is None and (head.service == BUILTIN or (head.service is None and head.table in BUILTINS)):
        raise scope.error(
            "builtin", f"Conflict with built-in tablename: {head.table}; give the table another name", head.name_span
        )


def _check_head(scope: Scope, rule: syntax.Rule, head: syntax.Atom, relaxed: bool) -> None:
    """Heads define tables of their own policy, or ask for actions."""
    if head.modal is not None and head.modal != "execute":
        raise scope.error(
            "modal",
            f"Only 'execute' modal is allowed; found {head.modal} in head {scope.show(head)}",
            head.span,
        )
    _check_names(scope, head)
    if head.modal is not None:
        if not rule.body:
            raise scope.error(
                "modal",
                f"{scope.show(head)} is a fact, and an action needs a condition; write {scope.show(head)} :- true "
                "for one that always holds",
                head.span,
            )
        return
    if head.service is None or (relaxed and head.table[-1] in "+-"):
        return
    if rule.body:
        raise scope.error(
            "qualified_head",
            f"Non-modal rule head {scope.show(head)} should not reference any policy: {scope.show(rule)} "
            f"(a rule defines tables of its own policy, {scope.policy})",
            head.name_span,
        )
    raise scope.error(
        "qualified_head", f"Fact {scope.show(head)} should not reference any policy: {head.service}", head.name_span
    )


def _lower(
    scope: Scope, rule: syntax.Rule, head: syntax.Atom, rule_id: str, relaxed: bool, query: bool = False
) -> core.Rule:
    if query:  # the head only says which values are wanted
        core_head = core.Atom(
            core.Table(scope.policy, head.table), tuple(scope.term(argument.expression) for argument in head.arguments)
        )
    else:
        scope.here.add((scope.policy, head.table))
        core_head = scope.head_atom(head)
    if not rule.body and any(isinstance(term, core.Variable) for term in core_head.args):
        raise scope.error("not_ground", f"Fact not ground: {scope.show(head)}; a fact has values only", head.span)
    body = Body(scope, rule.body)
    ordered, unsafe, bound = safety.order([item.core for item in body.items])
    if unsafe:
        raise _unsafe(scope, rule, body, unsafe, bound)
    if not relaxed:
        for argument in head.arguments:
            _check_bound(scope, rule, argument, body, bound)
    args = tuple(map(body.value, core_head.args))
    return core.Rule(
        core.Atom(core_head.table, args),
        tuple(body.items[position].core for position in ordered),
        scope.policy,
        rule_id,
        rule.source,
    )


def _check_bound(scope: Scope, rule: syntax.Rule, argument: syntax.Argument, body: Body, bound: set[str]) -> None:
    """Refuse a head's variable that the body gives no value."""
    if isinstance(argument.expression, syntax.Variable):
        term = body.value(scope.variable(argument.expression.name))
        if isinstance(term, core.Variable) and term.name not in bound:
            raise scope.error(
                "unsafe",
                f"Variable {argument.expression.name} found in head but not in body, rule {scope.show(rule)}",
                argument.span,
            )


def _unsafe(scope: Scope, rule: syntax.Rule, body: Body, unsafe: list[int], bound: set[str]) -> CongressError:
    """The error for conditions whose inputs nothing binds."""
    literals = list(dict.fromkeys(body.items[position].source for position in unsafe))
    missing = {name for position in unsafe for name in safety.needed(body.items[position].core)} - bound
    names = sorted({"_" if _MADE.fullmatch(name) else name for name in missing})
    if len(names) > 1 and names[0] == "_":
        del names[0]  # most likely the intermediate result of another one
    shown = "; ".join(scope.show(literal) for literal in literals[:5])
    return scope.error(
        "unsafe",
        f"Could not reorder rule {scope.show(rule)}.  Unsafe lits: {shown} "
        f"({', '.join(names)} must get a value from a condition that is a table and is not negated)",
        literals[0].span,
    )
