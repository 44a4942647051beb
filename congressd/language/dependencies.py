"""Which table is computed from which: kept up to date rule by rule, and refuses recursion."""

from __future__ import annotations

from collections.abc import Iterable

from congressd.language.core import Rule, Table


class DependencyGraph:
    """An edge for each head and table of its body, counted once for each rule that has it."""

    def add(self, rules: Iterable[Rule]) -> None:
        """Add rules, all or none. Raises CongressError "rule_syntax" that names the cycle."""
        raise NotImplementedError

    def remove(self, rules: Iterable[Rule]) -> None:
        """Remove rules that were added."""
        raise NotImplementedError

    def reads(self, table: Table) -> frozenset[Table]:
        """The tables from which ``table`` is computed directly."""
        raise NotImplementedError

    def readers(self, table: Table) -> frozenset[Table]:
        """The tables that are computed directly from ``table``."""
        raise NotImplementedError

    def order(self, tables: Iterable[Table]) -> list[Table]:
        """The tables and all that they are computed from, each after those that it reads."""
        raise NotImplementedError
