"""Simulation: what would hold if these updates, rule changes and actions happened, computed on an overlay.

A step is one statement of the sequence, a rule for each of its heads:

- ``p+(1)``, ``nova:servers-("a", ...)``: a row comes or goes;
- ``p+(x) :- q(x)``, ``p-(x) :- q(x)``: a rule comes or goes;
- ``act(1)`` or ``act(x) :- result(x)``: an action that the action policy declares by ``action("act")``. Its effects are
  that policy's rules with heads ``p+`` and ``p-``; deletions go first, so that an insertion of the same row wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from congressd.engine.failures import Failures, RuleFailures
from congressd.engine.live import Runner
from congressd.engine.maintain import LiveTables
from congressd.engine.overlay import Overlay
from congressd.engine.plan import Mode, Purpose
from congressd.engine.program import is_fact, row_of
from congressd.engine.select import Pattern
from congressd.engine.theory import ActionTheory, fact, ground, is_effect, unbound, values
from congressd.language.check import rule_key
from congressd.language.core import Atom, Constant, Literal, Rule, Table, Variable
from congressd.model.errors import CongressError
from congressd.model.values import Row, Value, literal, sorted_rows

#: More instances of a queried rule than this are refused rather than filling the memory.
MOST_INSTANCES: Final = 1_000_000

Step = Sequence[Rule]


@dataclass(frozen=True, slots=True)
class Simulated:
    """The answer as texts of atoms (or of ground rules), the steps as they went, and failures of builtins.

    ``differences``: the rows that came to and went from the tables that this was asked for.
    """

    result: tuple[str, ...]
    trace: tuple[str, ...]
    failures: tuple[RuleFailures, ...]
    differences: Mapping[Table, tuple[Sequence[Row], Sequence[Row]]] = field(default_factory=dict)


class Simulation:
    """One run. Everything happens on an `Overlay`; use it while nobody writes to the live tables."""

    def __init__(self, live: LiveTables, policy: str, theory: ActionTheory) -> None:
        self._live = live
        self._policy = policy
        self._theory = theory
        self._failures = Failures()
        self._overlay = Overlay(live, self._failures.report)
        self._rows: dict[Table, dict[Row, bool]] = {}
        self._results: list[Rule] = []
        self._made_up = 0
        self._trace: list[str] = []

    def run(
        self, query: Atom | Rule, steps: Sequence[Step], *, delta: bool = False, watched: Sequence[Table] = ()
    ) -> Simulated:
        """Take the steps, then ask; tell too how the tables ``watched`` differ then, of those that are held.

        Raises CongressError "simulate_error" for a step that cannot be taken.
        """
        before = self._instances(query) if delta and isinstance(query, Rule) else set()
        for step in steps:
            self._note(" ".join(map(str, step)))
            self._step(step)
        self._flush()
        if isinstance(query, Rule):
            after = self._instances(query)
            texts = sorted(after) if not delta else [*_marked(after - before, "+"), *_marked(before - after, "-")]
        elif delta:
            texts = self._difference(query)
        else:
            pattern = Pattern.of(query)
            rows = [row for row in self._rows_of(query.table) if pattern.matches(row)]
            texts = [self._text(query.table, row) for row in sorted_rows(rows)]
        self._note(f"{len(texts)} results")
        differences = {table: self._overlay.difference(table) for table in watched if table in self._live.relations}
        return Simulated(tuple(texts), tuple(self._trace), tuple(self._failures.all()), differences)

    # -- steps -----------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        first = step[0]
        name = first.head.table.name
        if name[-1] in "+-":
            for rule in step:
                self._update(rule)
        elif name in self._theory.actions:
            self._act(step)
        else:
            known = ", ".join(sorted(map(str, self._theory.actions))) or "none"
            raise CongressError(
                "simulate_error",
                f"{first} is neither an update nor an action; write {name}+ or {name}- for an update, or declare "
                f'action("{name}") in policy {self._theory.policy} (declared there: {known})',
            )

    def _update(self, rule: Rule) -> None:
        table = rule.head.table
        target = replace(table, name=table.name[:-1])
        insert = table.name[-1] == "+"
        if is_fact(rule):
            self._set(target, row_of(rule), insert)
            return
        if target.policy != self._policy:
            raise CongressError("simulate_error", f"{rule}: rules can change in the queried policy {self._policy} only")
        self._flush()
        changed = Rule(Atom(target, rule.head.args), rule.body, target.policy, text=rule.text)
        if insert:
            self._no_recursion(changed)
            self._change([changed], [])
        else:
            self._change([], [self._same_rule(changed)])

    def _no_recursion(self, rule: Rule) -> None:
        read = [item.atom.table for item in rule.body if isinstance(item, Literal)]
        if rule.head.table in self._overlay.program.closure(read):
            raise CongressError("simulate_error", f"{rule}: Rules are recursive: {rule.head.table} would read itself")
        free = unbound(rule)
        if free:
            raise CongressError("simulate_error", f"Variable {free[0]} found in head but not in body, rule {rule}")

    def _same_rule(self, rule: Rule) -> Rule:
        for node in self._overlay.program.rules.get(rule.head.table, ()):
            if rule_key(node.origin) == rule_key(rule):
                return node.origin
        raise CongressError("simulate_error", f"There is no rule {rule} in policy {self._policy} to delete")

    def _set(self, table: Table, row: Row, present: bool) -> None:
        """Let a row be there or not, from the next flush on."""
        known = self._arity(table)
        if known is not None and known != len(row):
            raise CongressError(
                "simulate_error", f"{self._text(table, row)} has {len(row)} arguments, but {table} has {known} columns"
            )
        self._rows.setdefault(table, {})[row] = present

    def _arity(self, table: Table) -> int | None:
        overlay = self._overlay
        row = next(iter(overlay.rows(table)), None) or next(iter(overlay.program.facts.get(table, ())), None)
        if row is not None:
            return len(row)
        node = next(iter(overlay.program.rules.get(table, ())), None)
        if node is not None:
            return len(node.rule.head.args)
        for reader, position in overlay.program.readers.get(table, ()):
            item = reader.rule.body[position]
            assert isinstance(item, Literal)
            return len(item.atom.args)
        return None

    def _flush(self) -> None:
        """Carry out the updates of rows since the last flush, as one transaction."""
        wanted, self._rows = self._rows, {}
        changes: dict[Table, tuple[list[Row], list[Row]]] = {}
        add: list[Rule] = []
        remove: list[Rule] = []
        for table, rows in wanted.items():
            if table in self._overlay.base:
                held = self._overlay.rows(table)
                gone = [row for row, present in rows.items() if not present and row in held]
                come = [row for row, present in rows.items() if present and row not in held]
                if gone or come:
                    changes[table] = (gone, come)
                continue
            facts = self._overlay.program.facts.get(table, {})
            add += [fact(table, row) for row, present in rows.items() if present and row not in facts]
            for row, present in rows.items():
                if not present:
                    remove += [fact(table, row)] * facts.get(row, 0)
        if changes:
            self._overlay.change_rows(changes).run()
        if add or remove:
            self._change(add, remove)

    def _change(self, add: Sequence[Rule], remove: Sequence[Rule]) -> None:
        self._overlay.own_program()
        self._overlay.change_rules(add, remove).run()

    # -- actions ---------------------------------------------------------------------------------------------------

    def _act(self, step: Step) -> None:
        """One call of the action for each set of bindings of the step's body."""
        self._flush()
        calls: list[list[Atom]] = []
        for bindings in self._bindings(step[0]):
            calls.append([ground(rule.head, bindings, self._invent) for rule in step])
        for call in calls:
            self._call(call)

    def _call(self, call: Sequence[Atom]) -> None:
        """Let one action happen: its atom and options hold while its effects are computed, then the effects do."""
        theory = self._theory.policy
        happening = [
            fact(Table(theory, atom.table.name) if atom.table.policy == self._policy else atom.table, values(atom))
            for atom in call
        ]
        rules = self._theory.rules_about(self._policy)
        entered = [rule for rule in rules if not is_effect(rule)]
        entered = [rule for rule in entered if not unbound(rule) and not self._known(rule)]
        self._change([*entered, *happening], [])
        effects: dict[bool, list[tuple[Table, Row]]] = {True: [], False: []}
        results: list[Row] = []
        for rule in rules:
            table = rule.head.table
            if is_effect(rule):
                target = replace(table, name=table.name[:-1])
                rows = [values(ground(rule.head, each, self._invent)) for each in self._bindings(rule)]
                effects[table.name[-1] == "+"] += [(target, row) for row in rows]
            elif table == Table(theory, "result"):
                results += [values(ground(rule.head, each, self._invent)) for each in self._bindings(rule)]
        self._change([], [*happening, *self._results])
        self._results = [fact(Table(self._policy, "result"), row) for row in dict.fromkeys(results)]
        self._change(self._results, [])
        for insert in (False, True):
            for target, row in effects[insert]:
                self._note(f"{self._text(target, row, '+' if insert else '-')}")
                self._set(target, row, insert)
        self._flush()

    def _known(self, rule: Rule) -> bool:
        if is_fact(rule):
            return row_of(rule) in self._overlay.program.facts.get(rule.head.table, {})
        return any(node.origin == rule for node in self._overlay.program.rules.get(rule.head.table, ()))

    def _invent(self) -> Constant:
        """A value for what an action makes up, such as the id of a server that it creates."""
        self._made_up += 1
        return Constant(f"new-{self._made_up}")

    # -- queries ---------------------------------------------------------------------------------------------------

    def _bindings(self, rule: Rule) -> list[dict[str, Value]]:
        """All sets of bindings that satisfy the body of a rule in the simulated state."""
        overlay = self._overlay
        reads = [item.atom.table for item in rule.body if isinstance(item, Literal)]
        wanted = [table for table in reads if overlay.program.defines(table) and not overlay.is_held(table)]
        if wanted:
            overlay.own_program()
            overlay.want(wanted)
        node, projections = overlay.program.prepare(rule)
        for each in projections:
            overlay.virtual[each.head] = (each,)
        found: list[dict[str, Value]] = []
        Runner(overlay, node, Purpose(Mode.BINDINGS))(None, found, MOST_INSTANCES)
        if len(found) >= MOST_INSTANCES:
            raise CongressError("simulate_error", f"{rule} has more than {MOST_INSTANCES} instances; ask for less")
        return found

    def _instances(self, rule: Rule) -> set[str]:
        return {self._ground_text(rule, bindings) for bindings in self._bindings(rule)}

    def _rows_of(self, table: Table) -> Iterable[Row]:
        overlay = self._overlay
        if overlay.program.defines(table) and not overlay.is_held(table):
            overlay.want([table])
        return overlay.rows(table)

    def _difference(self, query: Atom) -> list[str]:
        pattern = Pattern.of(query)
        table = query.table
        if self._live.program.defines(table) and table not in self._live.relations:
            raise AssertionError(f"{table} must be held before a simulation")
        if table in self._live.relations or table in self._overlay.base:
            added, removed = self._overlay.difference(table)
        else:
            added, removed = list(self._rows_of(table)), []
        texts = [self._text(table, row, "+") for row in sorted_rows(filter(pattern.matches, added))]
        return texts + [self._text(table, row, "-") for row in sorted_rows(filter(pattern.matches, removed))]

    # -- texts -----------------------------------------------------------------------------------------------------

    def _text(self, table: Table, row: Row, sign: str = "") -> str:
        name = table.name if table.policy == self._policy else f"{table.policy}:{table.name}"
        return f"{name}{sign}({', '.join(map(literal, row))})"

    def _ground_text(self, rule: Rule, bindings: dict[str, Value]) -> str:
        parts = []
        for item in rule.body:
            if isinstance(item, Literal):
                atom = ground(item.atom, bindings, lambda: Variable("_1"))
                text = self._text(atom.table, ()).removesuffix("()") + f"({', '.join(map(str, atom.args))})"
                parts.append(f"not {text}" if item.negated else text)
            else:
                args = tuple(
                    Constant(bindings[arg.name]) if isinstance(arg, Variable) and arg.name in bindings else arg
                    for arg in item.args
                )
                parts.append(str(replace(item, args=args)))
        return f"{self._text(rule.head.table, values(ground(rule.head, bindings, self._invent)))} :- {', '.join(parts)}"

    def _note(self, text: str) -> None:
        self._trace.append(f"RT    : ** Simulate: {text}")


def _marked(texts: Iterable[str], sign: str) -> list[str]:
    """Ground rules of a difference: the sign goes to the head's name."""
    marked = []
    for text in sorted(texts):
        name, rest = text.split("(", 1)
        marked.append(f"{name}{sign}({rest}")
    return marked
