"""Simulation by brute force: every step changes a copy of the oracle, and everything is computed again.

Update tables end in ``+`` and ``-``. What an action does stands in its theory: rules with update tables in their heads,
read in the state in which the action's own row holds, deletions before insertions. Tables that the theory does not
define are those of the queried policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

from congressd.language.check import rule_key
from congressd.language.core import Atom, BodyItem, Constant, Literal, Rule, Table, Variable
from congressd.model.errors import CongressError
from congressd.model.values import Row, literal
from tests.conformance.oracle import Binding, Oracle, ground, satisfy


class Theory(Protocol):
    """The rules of the policy that says what actions do."""

    @property
    def policy(self) -> str: ...
    @property
    def rules(self) -> tuple[Rule, ...]: ...


@dataclass(frozen=True, slots=True)
class Simulated:
    """Atoms, or ground rules if the query was one."""

    result: tuple[str, ...]


class SimulatingOracle(Oracle):
    """The oracle with `simulate`."""

    def simulate(
        self,
        policy: str,
        query: Atom | Rule,
        steps: Sequence[Sequence[Rule]],
        theory: Theory,
        *,
        delta: bool = False,
    ) -> Simulated:
        """What the query answers after the steps; with ``delta`` only what comes (+) and goes (-)."""
        world = _World(self.copy(), policy, theory)
        before = world.answer(query, "")
        for step in steps:
            world.take(step)
        if not delta:
            return Simulated(tuple(world.answer(query, "").values()))
        plus, minus = world.answer(query, "+"), _World(self, policy, theory).answer(query, "-")
        come = [text for key, text in plus.items() if key not in before]
        go = [text for key, text in minus.items() if key not in plus]
        return Simulated((*come, *go))


class _World:
    """A state that steps change."""

    def __init__(self, oracle: Oracle, policy: str, theory: Theory) -> None:
        self.oracle = oracle
        self.policy = policy
        self.theory = theory
        self._new = count(1)

    # -- steps -------------------------------------------------------------------------------------------------

    def take(self, step: Sequence[Rule]) -> None:
        head = step[0].head.table
        declared = {
            ground(rule.head, {})[0] for rule in self.theory.rules if rule.head.table.name == "action" and not rule.body
        }
        if head.name[-1] in "+-":
            for rule in step:
                self._update(rule)
        elif head.name in declared:
            for binding in satisfy(step[0], self.oracle.model(), []):
                self._act([self._invented(rule.head, binding) for rule in step])
        else:
            raise CongressError("simulate_error", f"{step[0]} is neither an update nor a known action")

    def _update(self, rule: Rule) -> None:
        table = _target(rule.head.table)
        insert = rule.head.table.name[-1] == "+"
        if not rule.body:
            self._set(table, ground(rule.head, {}), insert)
            return
        if table.policy != self.policy:
            raise CongressError("simulate_error", f"{rule} changes a rule of another policy than the queried one")
        changed = Rule(Atom(table, rule.head.args), rule.body, table.policy)
        same = [each for each in self.oracle.rules if rule_key(each) == rule_key(changed)]
        if not insert:
            if not same:
                raise CongressError("simulate_error", f"there is no rule {changed}")
            self.oracle.change_rules([], same)
        else:
            if _unbound(changed):
                raise CongressError("simulate_error", f"{_unbound(changed)[0]} is in the head of {changed} only")
            self.oracle.change_rules([changed], [])
            if table in _reached(self.oracle.rules, table):
                raise CongressError("simulate_error", f"Rules are recursive: {table}")

    def _set(self, table: Table, row: Row, insert: bool) -> None:
        """Rows of a source, and facts of a policy, come and go; what rules derive stays."""
        if self.oracle.has_source(table.policy):
            rows = set(self.oracle.model()[table]) - {row} | ({row} if insert else set())
            self.oracle.set_rows(table, rows)
            return
        facts = [rule for rule in self.oracle.rules if not rule.body and rule.head == _atom(table, row)]
        self.oracle.change_rules([Rule(_atom(table, row), (), table.policy)] if insert else [], facts)

    # -- actions -----------------------------------------------------------------------------------------------

    def _act(self, atoms: Sequence[Atom]) -> None:
        here = self.oracle.copy()
        happening = [
            Rule(replace(atom, table=replace(atom.table, policy=self.theory.policy))) if self._own(atom) else Rule(atom)
            for atom in atoms
        ]
        meant = [self._meant(rule) for rule in self.theory.rules]
        helpers = [rule for rule in meant if rule.head.table.name[-1] not in "+-" and not _unbound(rule)]
        here.change_rules([*happening, *(rule for rule in helpers if rule not in here.rules)], [])
        effects: list[tuple[bool, Table, Row]] = []
        results: set[Row] = set()
        for rule in meant:
            table = rule.head.table
            rows = [_row(self._invented(rule.head, binding)) for binding in satisfy(rule, here.model(), [])]
            if table.name[-1] in "+-":
                effects += [(table.name[-1] == "+", _target(table), row) for row in rows]
            elif table == Table(self.theory.policy, "result"):
                results.update(rows)
        for insert, table, row in sorted(effects, key=lambda effect: effect[0]):
            self._set(table, row, insert)
        result = Table(self.policy, "result")
        for old in [rule for rule in self.oracle.rules if rule.head.table == result and not rule.body]:
            self.oracle.change_rules([], [old])
        for row in results:
            self._set(result, row, True)

    def _own(self, atom: Atom) -> bool:
        return atom.table.policy == self.policy

    def _meant(self, rule: Rule) -> Rule:
        """A rule of the theory with the tables that it does not define taken from the queried policy."""
        own = {each.head.table.name for each in self.theory.rules if each.head.table.name[-1] not in "+-"}
        own |= {str(ground(each.head, {})[0]) for each in self.theory.rules if each.head.table.name == "action"}

        def table(of: Table) -> Table:
            return replace(of, policy=self.policy) if of.policy == self.theory.policy and of.name not in own else of

        def item(of: BodyItem) -> BodyItem:
            return replace(of, atom=replace(of.atom, table=table(of.atom.table))) if isinstance(of, Literal) else of

        return replace(
            rule, head=replace(rule.head, table=table(rule.head.table)), body=tuple(item(each) for each in rule.body)
        )

    def _invented(self, atom: Atom, binding: Binding) -> Atom:
        """An atom made ground; variables that nothing binds get new values."""
        made = dict(binding)
        for term in atom.args:
            if isinstance(term, Variable) and term.name not in made:
                made[term.name] = f"new-{next(self._new)}"
        return _atom(atom.table, ground(atom, made))

    # -- answers -----------------------------------------------------------------------------------------------

    def answer(self, query: Atom | Rule, sign: str) -> dict[object, str]:
        """Texts by what they stand for."""
        if isinstance(query, Atom):
            return {row: self._text(query.table, row, sign) for row in self.oracle.query(query)}
        return {
            str(text): text
            for binding in satisfy(query, self.oracle.model(), [])
            for text in [self._instance(query, binding, sign)]
        }

    def _instance(self, rule: Rule, binding: Binding, sign: str) -> str:
        body = []
        for item in rule.body:
            if isinstance(item, Literal):
                text = self._text(item.atom.table, ground(item.atom, binding))
                body.append(f"not {text}" if item.negated else text)
            else:
                row = ground(Atom(Table("builtin", item.builtin), item.args), binding)
                text = f"builtin:{item.builtin}({', '.join(map(literal, row))})"
                body.append(f"not {text}" if item.negated else text)
        return f"{self._text(rule.head.table, ground(rule.head, binding), sign)} :- {', '.join(body)}"

    def _text(self, table: Table, row: Row, sign: str = "") -> str:
        name = table.name if table.policy == self.policy else f"{table.policy}:{table.name}"
        return f"{name}{sign}({', '.join(map(literal, row))})"


def _atom(table: Table, row: Row) -> Atom:
    return Atom(table, tuple(map(Constant, row)))


def _row(atom: Atom) -> Row:
    return ground(atom, {})


def _target(table: Table) -> Table:
    return replace(table, name=table.name[:-1])


def _unbound(rule: Rule) -> list[Variable]:
    bound = set(_variables(rule.body))
    return [term for term in rule.head.args if isinstance(term, Variable) and term not in bound]


def _variables(body: Sequence[BodyItem]) -> Iterator[Variable]:
    for item in body:
        if not item.negated:
            args = item.atom.args if isinstance(item, Literal) else item.args
            yield from (term for term in args if isinstance(term, Variable))


def _reached(rules: Sequence[Rule], start: Table) -> set[Table]:
    """The tables that a table reads, directly or not."""
    found: set[Table] = set()
    waiting = [start]
    while waiting:
        table = waiting.pop()
        for rule in rules:
            if rule.head.table == table:
                read = {item.atom.table for item in rule.body if isinstance(item, Literal)}
                waiting += read - found
                found |= read
    return found
