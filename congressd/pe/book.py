"""The current image, the dependency graph of its rules, and the making of plans.

A plan is made from a set of changes and checks the whole of it (names, arities over all rules, recursion, duplicates)
before anything is committed. No database, no engine, no threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from congressd.language.dependencies import DependencyGraph
from congressd.model.errors import CongressError
from congressd.model.tables import TableSchema
from congressd.pe.draft import Draft
from congressd.pe.policyset import Image, Plan
from congressd.store.changes import Change


class PolicyBook:
    """The current image and the graph of its rules. Not for several threads: the node's writing lock guards it.

    A plan is made against the current image, and must then be adopted or abandoned before the next one is made.
    """

    def __init__(self) -> None:
        self.image = Image()
        self.graph = DependencyGraph()

    def plan(self, changes: Iterable[Change], *, strict: bool = True) -> Plan:
        """The step that ``changes`` make.

        ``strict`` is for changes that a client asks for: they are refused with a CongressError if a rule of them does
        not fit, or if an existing rule would not fit any longer. Otherwise (they were committed by another node, or
        a schema arrived) nothing is refused, and a rule that does not fit waits.
        """
        draft = Draft(self.image)
        for change in changes:
            draft.apply(change)
        return self._connect(draft.plan(strict), strict)

    def plan_schema(self, source: str, tables: Mapping[str, TableSchema] | None) -> Plan:
        """The step that a source's schema makes when it becomes known, changes or (None) is forgotten."""
        draft = Draft(self.image)
        draft.set_schema(source, tables)
        return self._connect(draft.plan(strict=False), strict=False)

    def adopt(self, plan: Plan, revision: int | None = None) -> None:
        """Make the plan's image the current one, as that of ``revision`` if it is given."""
        self.image = plan.image if revision is None else replace(plan.image, revision=revision)

    def abandon(self, plan: Plan) -> None:
        """Forget a plan that was not committed."""
        self.graph.remove(plan.edges_added)
        self.graph.add(plan.edges_removed)

    def _connect(self, plan: Plan, strict: bool) -> Plan:
        self.graph.remove(plan.edges_removed)
        try:
            self.graph.add(plan.edges_added)
        except CongressError:
            self.graph.add(plan.edges_removed)
            if strict:
                raise
            raise RuntimeError("rules that were committed are recursive") from None
        return plan
