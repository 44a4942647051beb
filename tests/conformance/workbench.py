"""Policies and sources around an evaluator, in one process: the least service that a case can run against.

It knows what a policy engine node must know besides evaluating: which names exist, the arity that each table got by
its first use, which rules stand where, and that no table may depend on itself. Any evaluator with the methods of
`Evaluator` fits in: the oracle, or `congressd.engine.engine.Engine`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from congressd.engine.theory import ActionTheory
from congressd.language import core
from congressd.language.catalog import ACTION, DATASOURCE
from congressd.language.check import Checked, check_query, check_rule, check_step, rule_key
from congressd.language.dependencies import DependencyGraph
from congressd.language.parser import parse_program, parse_sequence
from congressd.model.errors import CongressError
from congressd.model.tables import Column, TableChange, TableSchema
from congressd.model.values import Row
from tests.conformance.model import Simulation


class Evaluator(Protocol):
    """What is under test: core rules and rows in, rows out."""

    def change_rules(self, add: Sequence[core.Rule], remove: Sequence[core.Rule]) -> object: ...
    def declare(self, source: str, schemas: Sequence[TableSchema]) -> object: ...
    def apply(self, source: str, changes: Mapping[str, TableChange]) -> object: ...
    def replace(self, source: str, tables: Mapping[str, Sequence[Row]]) -> object: ...
    def drop_source(self, source: str) -> object: ...
    def query(self, atom: core.Atom) -> Sequence[Row]: ...
    def evaluate(self, rule: core.Rule) -> Sequence[Row]: ...
    def errors(self) -> Sequence[Any]: ...
    def simulate(
        self,
        policy: str,
        query: core.Atom | core.Rule,
        steps: Sequence[Sequence[core.Rule]],
        theory: ActionTheory,
        *,
        delta: bool = False,
    ) -> Any: ...


class Workbench:
    """A service without a network: policies of rule texts, sources of tables, one evaluator."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._kinds: dict[str, str] = {}
        self._rules: dict[str, dict[object, core.Rule]] = {}
        self._schemas: dict[str, dict[str, tuple[str, ...]]] = {}
        self._graph = DependencyGraph()
        self.create_policy("action", ACTION, "")

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies."""
        return tuple(self._rules)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources."""
        return tuple(self._schemas)

    # -- the service -------------------------------------------------------------------------------------------

    def create_policy(self, name: str, kind: str, rules: str) -> list[str]:
        """Create a policy with its rules, all or nothing; returns the warnings."""
        self._kinds[name] = kind
        self._rules[name] = {}
        try:
            return self.change_rules({name: rules}, {})
        except CongressError:
            self.delete_policy(name)
            raise

    def delete_policy(self, name: str) -> None:
        rules = list(self._rules.pop(name).values())
        self._graph.remove(rules)
        self.evaluator.change_rules([], rules)
        del self._kinds[name]

    def change_rules(self, add: Mapping[str, str], remove: Mapping[str, str]) -> list[str]:
        """Remove and add rules of several policies in one go, all or nothing; returns the warnings."""
        leaving = [(policy, found.rule) for policy, found in self._check(remove, Names(self))]
        gone = [(policy, self._rules[policy].pop(rule_key(rule))) for policy, rule in leaving]
        try:
            coming = list(self._check(add, Names(self)))
            keys = [(policy, rule_key(found.rule)) for policy, found in coming]
            if len(set(keys)) < len(keys) or any(key in self._rules[policy] for policy, key in keys):
                raise CongressError("rule_already_exists", "the same rule stands in the policy")
            self._graph.remove(rule for _, rule in gone)
            try:
                self._graph.add(found.rule for _, found in coming)
            except CongressError:
                self._graph.add(rule for _, rule in gone)
                raise
        except CongressError:
            for policy, rule in gone:
                self._rules[policy][rule_key(rule)] = rule
            raise
        for (policy, key), (_, found) in zip(keys, coming, strict=True):
            self._rules[policy][key] = found.rule
        self.evaluator.change_rules([found.rule for _, found in coming], [rule for _, rule in gone])
        return [warning for _, found in coming for warning in found.warnings]

    def create_source(self, name: str, tables: Mapping[str, tuple[str, ...]]) -> None:
        self._kinds[name] = DATASOURCE
        self._schemas[name] = dict(tables)
        self.evaluator.declare(
            name, [TableSchema(table, tuple(map(Column, columns))) for table, columns in tables.items()]
        )

    def delete_source(self, name: str) -> None:
        del self._kinds[name], self._schemas[name]
        self.evaluator.drop_source(name)

    def apply(self, source: str, changes: Mapping[str, TableChange]) -> None:
        self.evaluator.apply(source, changes)

    def replace(self, source: str, tables: Mapping[str, Sequence[Row]]) -> None:
        self.evaluator.replace(source, tables)

    def query(self, policy: str, text: str) -> list[Row]:
        """The rows that match an atom, or that a rule gives to its head."""
        query = check_query(text, policy, Names(self)).query
        return list(self.evaluator.query(query) if isinstance(query, core.Atom) else self.evaluator.evaluate(query))

    def simulate(self, call: Simulation) -> Sequence[str]:
        names = Names(self)
        steps = [check_step(step, call.policy, names) for step in parse_sequence(call.sequence)]
        try:
            query = check_query(call.query, call.policy, names).query
        except CongressError as error:
            raise CongressError("simulate_error", error.detail) from None
        theory = ActionTheory(call.action_policy, tuple(self._rules[call.action_policy].values()))
        lines: Sequence[str] = self.evaluator.simulate(call.policy, query, steps, theory, delta=call.delta).result
        return lines

    def skipped(self) -> list[str]:
        """What builtins said about the rows that they refused."""
        return [str(failure) for rule in self.evaluator.errors() for failure in rule.last]

    # -- names -------------------------------------------------------------------------------------------------

    def _check(self, texts: Mapping[str, str], names: Names) -> Iterator[tuple[str, Checked]]:
        """The core form of every rule of the texts, each with its policy; ``names`` grows by what they use."""
        for policy, text in texts.items():
            if policy not in self._rules:
                raise CongressError("policy_not_exist", f"there is no policy {policy!r}")
            for statement in parse_program(text).statements:
                checked = check_rule(statement, policy, names)
                names.use(checked.rule)
                yield policy, checked


class Names:
    """The names of a workbench as they are now (a `congressd.language.catalog.Catalog`)."""

    def __init__(self, workbench: Workbench) -> None:
        self._kinds = workbench._kinds
        self._schemas = workbench._schemas
        self._defined: dict[str, set[str]] = {}
        self._arities: dict[tuple[str, str], int] = {}
        for rules in workbench._rules.values():
            for rule in rules.values():
                self.use(rule)

    def use(self, rule: core.Rule) -> None:
        """Learn the tables of a rule."""
        self._defined.setdefault(rule.head.table.policy, set()).add(rule.head.table.name)
        for atom in _atoms(rule):
            if atom.table.modal is None:
                self._arities.setdefault((atom.table.policy, atom.table.name), len(atom.args))

    def policies(self) -> Collection[str]:
        return self._kinds.keys()

    def policy_kind(self, policy: str) -> str | None:
        return self._kinds.get(policy)

    def tables(self, policy: str) -> Collection[str]:
        return self._schemas[policy].keys() if policy in self._schemas else self._defined.get(policy, ())

    def columns(self, policy: str, table: str) -> tuple[str, ...] | None:
        return self._schemas.get(policy, {}).get(table)

    def arity(self, policy: str, table: str) -> int | None:
        columns = self.columns(policy, table)
        return self._arities.get((policy, table)) if columns is None else len(columns)


def _atoms(rule: core.Rule) -> Iterable[core.Atom]:
    yield rule.head
    for item in rule.body:
        if isinstance(item, core.Literal):
            yield item.atom
