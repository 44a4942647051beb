"""Surface rules to core rules: names resolved, arguments complete, bodies in a safe order, mistakes named."""

from __future__ import annotations

from dataclasses import dataclass

from congressd.language import core, syntax
from congressd.language.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule that may run, and sentences about what looks wrong in it but is allowed."""

    rule: core.Rule
    warnings: tuple[str, ...] = ()


def check_rule(parsed: syntax.Rule | str, policy: str, catalog: Catalog, rule_id: str = "") -> Checked:
    """The core form of a rule or fact that stands in ``policy``. Raises CongressError "rule_syntax"."""
    raise NotImplementedError


def check_query(query: syntax.Atom | syntax.Rule | str, policy: str, catalog: Catalog) -> core.Atom | core.Rule:
    """The core form of a query asked of ``policy``. Raises CongressError "query_syntax"."""
    raise NotImplementedError


def check_step(parsed: syntax.Rule, policy: str, catalog: Catalog) -> tuple[core.Rule, ...]:
    """One step of a simulation: a core rule for each of its heads, with the relaxed checks of `ACTION` policies.

    Table names keep their suffix (``p+``); an unqualified name belongs to ``policy``. Raises CongressError
    "simulate_error".
    """
    raise NotImplementedError


def rule_key(rule: core.Rule) -> object:
    """Equal for two rules of one policy that are the same: same head, same body whatever its order."""
    raise NotImplementedError
