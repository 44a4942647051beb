"""The reference evaluator: stratified Datalog, bottom-up, naive, brute force. Slow, and obviously right.

It has the interface of `congressd.engine.engine.Engine` as far as the suite needs it and shares nothing with it but
the core form of rules and the functions of the builtins. There are no indexes, no plans and no maintenance: after
every change everything is computed again, by trying every row of every table in every place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from congressd.language.builtins import BUILTINS, BuiltinError
from congressd.language.core import Atom, Call, Constant, Literal, Rule, Table, Term
from congressd.model.tables import TableChange, TableSchema
from congressd.model.values import Row, Value

Binding = Mapping[str, Value]
Relations = dict[Table, set[Row]]

NOW: Final = Table("builtin", "now")


@dataclass(frozen=True, slots=True)
class Skip:
    """A builtin that refused its inputs, and what it said."""

    builtin: str
    inputs: Row
    sentence: str

    def __str__(self) -> str:
        return f"{self.builtin}{self.inputs}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class RuleSkips:
    """The rows that one rule skipped because a builtin refused them."""

    rule: Rule
    last: tuple[Skip, ...]


class Oracle:
    """Facts of sources and a bag of rules; every query is answered from the whole model, computed from nothing."""

    def __init__(self, now: str = "2026-01-01 00:00:00") -> None:
        self._now = now
        self._rules: list[Rule] = []
        self._sources: dict[str, dict[str, set[Row]]] = {}
        self._model: Relations | None = None
        self._skips: list[RuleSkips] = []

    def copy(self) -> Oracle:
        """An oracle of its own with the same rules and rows, for simulation."""
        other = Oracle(self._now)
        other._rules = list(self._rules)
        other._sources = {
            source: {table: set(rows) for table, rows in tables.items()} for source, tables in self._sources.items()
        }
        return other

    @property
    def rules(self) -> Sequence[Rule]:
        return tuple(self._rules)

    def change_rules(self, add: Sequence[Rule], remove: Sequence[Rule]) -> None:
        """Take rules away, then add rules."""
        self._model = None
        for rule in remove:
            self._rules.remove(rule)
        self._rules.extend(add)

    def declare(self, source: str, schemas: Sequence[TableSchema]) -> None:
        """Say which tables a source has; tables that it had and has no more lose their rows."""
        self._model = None
        before = self._sources.get(source, {})
        self._sources[source] = {schema.name: before.get(schema.name, set()) for schema in schemas}

    def apply(self, source: str, changes: Mapping[str, TableChange]) -> None:
        """One batch: rows that go, then rows that come, in several tables at once."""
        self._model = None
        for table, change in changes.items():
            rows = self._sources.setdefault(source, {}).setdefault(table, set())
            rows.difference_update(change.removed)
            rows.update(change.added)

    def replace(self, source: str, tables: Mapping[str, Iterable[Row]]) -> None:
        """The new whole content of a source; a table that is not named is emptied."""
        self._model = None
        before = self._sources.get(source, {})
        self._sources[source] = {table: set(tables.get(table, ())) for table in {**before, **tables}}

    def given(self, table: Table) -> set[Row]:
        """The rows of a table that no rule derives: those of its source, and facts."""
        facts = {ground(rule.head, {}) for rule in self._rules if rule.head.table == table and not rule.body}
        return facts | self._sources.get(table.policy, {}).get(table.name, set())

    def set_rows(self, table: Table, rows: set[Row]) -> None:
        """The new whole content of one table of a source."""
        self._model = None
        self._sources[table.policy][table.name] = rows

    def drop_source(self, source: str) -> None:
        """Forget a source with all its tables."""
        self._model = None
        self._sources.pop(source, None)

    def query(self, atom: Atom) -> list[Row]:
        """The rows of the atom's table that match its constants and repeated variables."""
        return [row for row in self.model().get(atom.table, ()) if _match(atom.args, row, {}) is not None]

    def evaluate(self, rule: Rule) -> list[Row]:
        """The rows that the rule would give to its head."""
        return list(_heads(rule, self.model(), []))

    def errors(self) -> list[RuleSkips]:
        """Every call of a builtin that failed, by rule, in the state as it is now."""
        self.model()
        return list(self._skips)

    def has_source(self, name: str) -> bool:
        """Whether the name is a source's."""
        return name in self._sources

    def model(self) -> Relations:
        """Every table with its rows: the perfect model of the rules over the rows of the sources."""
        if self._model is None:
            self._skips = []
            self._model = self._compute()
        return self._model

    def tables(self) -> set[Table]:
        """Every table that a source has or a rule names."""
        named = {rule.head.table for rule in self._rules}
        named |= {item.atom.table for rule in self._rules for item in rule.body if isinstance(item, Literal)}
        return named | {Table(source, table) for source, tables in self._sources.items() for table in tables}

    def _compute(self) -> Relations:
        model: Relations = defaultdict(set)
        model[NOW] = {(self._now,)}
        for source, tables in self._sources.items():
            for table, rows in tables.items():
                model[Table(source, table)] |= rows
        stratum = strata(self._rules)
        for level in sorted(set(stratum.values())):
            rules = [rule for rule in self._rules if stratum[rule.head.table] == level]
            grew = True
            while grew:
                skips: list[RuleSkips] = []
                before = {rule.head.table: len(model[rule.head.table]) for rule in rules}
                for rule in rules:
                    skipped: list[Skip] = []
                    model[rule.head.table] |= _heads(rule, model, skipped)
                    if skipped:
                        skips.append(RuleSkips(rule, tuple(skipped)))
                grew = any(len(model[table]) > size for table, size in before.items())
            self._skips.extend(skips)
        return model


def strata(rules: Iterable[Rule]) -> dict[Table, int]:
    """A number for each table: at least that of what it reads, more than that of what it negates.

    Raises ValueError when there is none, that is, when a table depends on its own negation.
    """
    number: dict[Table, int] = defaultdict(int)
    rules = list(rules)
    changed = True
    while changed:
        changed = False
        for rule in rules:
            least = number[rule.head.table]
            for item in rule.body:
                if isinstance(item, Literal):
                    least = max(least, number[item.atom.table] + item.negated)
            if least > number[rule.head.table]:
                number[rule.head.table] = least
                changed = True
            if least > len(number):
                raise ValueError(f"{rule.head.table} depends on its own negation")
    return number


def satisfy(rule: Rule, model: Mapping[Table, set[Row]], skips: list[Skip]) -> list[Binding]:
    """Every way to make the body true."""
    bindings: list[Binding] = [{}]
    for item in rule.body:
        if isinstance(item, Call):
            bindings = [new for old in bindings for new in _call(item, old, skips)]
            continue
        rows = model.get(item.atom.table, set())
        args = item.atom.args
        if item.negated:
            bindings = [old for old in bindings if all(_match(args, row, old) is None for row in rows)]
        else:
            found = (_match(args, row, old) for old in bindings for row in rows)
            bindings = [new for new in found if new is not None]
    return bindings


def ground(atom: Atom, binding: Binding) -> Row:
    """The row that an atom becomes."""
    return tuple(_value(term, binding) for term in atom.args)


def _heads(rule: Rule, model: Mapping[Table, set[Row]], skips: list[Skip]) -> set[Row]:
    return {ground(rule.head, binding) for binding in satisfy(rule, model, skips)}


def _match(terms: Sequence[Term], row: Row, binding: Binding) -> Binding | None:
    """The binding made longer so that the terms become the row, or None where that cannot be."""
    if len(terms) != len(row):
        return None
    longer = dict(binding)
    for term, value in zip(terms, row, strict=True):
        expected = term.value if isinstance(term, Constant) else longer.setdefault(term.name, value)
        if expected != value:
            return None
    return longer


def _call(call: Call, binding: Binding, skips: list[Skip]) -> Iterator[Binding]:
    """The bindings in which the call is true: none or one."""
    builtin = BUILTINS[call.builtin]
    inputs = tuple(_value(term, binding) for term in call.args[: builtin.inputs])
    assert builtin.function is not None, "now is a table"
    try:
        answer = builtin.function(*inputs)
    except BuiltinError as error:
        skips.append(Skip(call.builtin, inputs, str(error)))
        return
    if isinstance(answer, tuple):
        longer = _match(call.args[builtin.inputs :], answer, binding)
    else:
        longer = binding if answer else None
    if call.negated:
        if longer is None:
            yield binding
    elif longer is not None:
        yield longer


def _value(term: Term, binding: Binding) -> Value:
    return term.value if isinstance(term, Constant) else binding[term.name]
