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
from congressd.pe.actions_check import Services
from congressd.pe.draft import Draft
from congressd.pe.policyset import Image, Plan
from congressd.store.changes import Change


class PolicyBook:
    """The current image and the graph of its rules. Not for several threads: the node's turn guards it."""

    def __init__(self, services: Services | None = None) -> None:
        """Without ``services`` the actions that rules ask for are not looked at."""
        self._services = services
        self.image = Image()
        self.graph = DependencyGraph()

    def plan(self, changes: Iterable[Change], *, strict: bool = True) -> Plan:
        """The step that ``changes`` make from the current image; nothing is changed yet.

        ``strict`` is for changes that a client asks for: they are refused with a CongressError if a rule of them does
        not fit, if an existing rule would not fit any longer, or if rules would be recursive. Otherwise (they were
        committed by another node) nothing is refused, and a rule that does not fit waits.
        """
        draft = Draft(self.image, self._services)
        for change in changes:
            draft.apply(change)
        plan = draft.plan(strict)
        if strict:
            self.enter(plan)
            self.leave(plan)
        return plan

    def plan_schema(self, source: str, tables: Mapping[str, TableSchema] | None) -> Plan:
        """The step that a source's schema makes when it becomes known, changes or (None) is forgotten."""
        draft = Draft(self.image, self._services)
        draft.set_schema(source, tables)
        return draft.plan(strict=False)

    def enter(self, plan: Plan) -> None:
        """Put the plan's rules into the graph. Raises CongressError ``rule_syntax`` with the cycle, if there is one."""
        self.graph.remove(plan.edges_removed)
        try:
            self.graph.add(plan.edges_added)
        except CongressError:
            self.graph.add(plan.edges_removed)
            raise

    def leave(self, plan: Plan) -> None:
        """Take the plan's rules out of the graph again."""
        self.graph.remove(plan.edges_added)
        self.graph.add(plan.edges_removed)

    def adopt(self, plan: Plan, revision: int | None = None) -> None:
        """Make the image of a plan that was entered the current one, as that of ``revision`` if it is given."""
        self.image = plan.image if revision is None else replace(plan.image, revision=revision)
