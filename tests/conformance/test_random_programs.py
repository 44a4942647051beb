"""Random programs under random changes: after every step the engine says what the oracle says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from congressd.engine import live
from congressd.engine.engine import KEEP_SECONDS, Engine
from congressd.engine.explain import Derivation
from congressd.engine.simulate import Step
from congressd.engine.theory import ActionTheory
from congressd.language.core import Atom, Constant, Literal, Rule, Table
from congressd.model.errors import CongressError
from congressd.model.tables import TableChange
from congressd.model.values import Row, sorted_rows
from tests.conformance import programs
from tests.conformance.oracle import Oracle, ground, satisfy
from tests.conformance.oracle_simulation import SimulatingOracle


class TurnedClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.seconds = 1_767_225_600.0  # 2026-01-01 00:00:00 UTC, the oracle's present

    def now(self) -> float:
        return 1_767_225_600.0

    def monotonic(self) -> float:
        return self.seconds


class EngineAgainstOracle(RuleBasedStateMachine):
    """Rules and rows come and go; what is watched or asked for must always be as the oracle has it."""

    bulk_rows = live.BULK_ROWS  #: the engine works on copies from this size of a batch on

    def __init__(self) -> None:
        super().__init__()
        self.before = live.BULK_ROWS
        live.BULK_ROWS = self.bulk_rows  # type: ignore[misc]
        self.clock = TurnedClock()
        self.engine = Engine(self.clock)
        self.oracle = SimulatingOracle()
        self.watched: dict[Table, set[Row]] = {}
        self.eager = False
        for source in programs.SOURCES:
            self.declare(source)

    def teardown(self) -> None:
        live.BULK_ROWS = self.before  # type: ignore[misc]

    def declare(self, source: str) -> None:
        self.engine.declare(source, programs.schemas(source))
        self.oracle.declare(source, programs.schemas(source))

    @initialize(
        eager=st.booleans(),
        watched=st.sets(st.sampled_from(list(programs.DERIVED)), max_size=4),
        contents=st.fixed_dictionaries({source: programs.contents(source) for source in programs.SOURCES}),
        rules=st.tuples(*[st.lists(programs.rules(), max_size=10)] * 3),
    )
    def start(
        self, eager: bool, watched: set[Table], contents: dict[str, dict[str, list[Row]]], rules: tuple[list[Rule], ...]
    ) -> None:
        """An eager run asks for every table after every step, so that all are maintained all the time.

        The rules come as several lists because hypothesis draws none as long as the three together, and can make each
        of them empty.
        """
        self.eager = eager
        for table in sorted(watched, key=str):
            self.watch(table)
        for source, tables in contents.items():
            self.replace((source, tables))
        self.add([rule for some in rules for rule in some])

    @rule(batch=programs.changes())
    def apply(self, batch: tuple[str, dict[str, TableChange]]) -> None:
        self.engine.apply(*batch)
        self.oracle.apply(*batch)

    @rule(snapshot=programs.snapshots())
    def replace(self, snapshot: tuple[str, dict[str, list[Row]]]) -> None:
        self.engine.replace(*snapshot)
        self.oracle.replace(*snapshot)

    @rule(source=st.sampled_from(sorted(programs.SOURCES)))
    def lose_source(self, source: str) -> None:
        self.engine.drop_source(source)
        self.oracle.drop_source(source)
        self.declare(source)

    @rule(rules=st.lists(st.one_of(programs.rules(), programs.facts()), min_size=1, max_size=4))
    def add(self, rules: list[Rule]) -> None:
        """A rule stands in a policy once, whoever adds it."""
        new = [each for each in dict.fromkeys(rules) if each not in self.oracle.rules]
        self.change(new, [])

    @rule(numbers=st.lists(st.integers(0, 40), min_size=1, max_size=4), rules=st.lists(programs.rules(), max_size=2))
    def swap(self, numbers: list[int], rules: list[Rule]) -> None:
        """Rules go, and others come in the same change."""
        held = self.oracle.rules
        gone = list(dict.fromkeys(held[number % len(held)] for number in numbers if held))
        self.change([each for each in dict.fromkeys(rules) if each not in held], gone)

    def change(self, add: Sequence[Rule], remove: Sequence[Rule]) -> None:
        self.engine.change_rules(add, remove)
        self.oracle.change_rules(add, remove)

    @rule(atom=programs.atoms())
    def query(self, atom: Atom) -> None:
        self.compare(atom)

    @rule(table=st.sampled_from(list(programs.TABLES)), number=st.integers(0, 50), given=st.integers(1, 7))
    def look_up(self, table: Table, number: int, given: int) -> None:
        """Ask for one row that is there, by some of its columns."""
        rows = sorted_rows(self.oracle.query(programs.whole(table)))
        if rows:
            row = rows[number % len(rows)]
            free = programs.whole(table).args
            self.compare(
                Atom(table, tuple(Constant(row[at]) if given >> at & 1 else term for at, term in enumerate(free)))
            )

    @rule(question=programs.questions())
    def evaluate(self, question: Rule) -> None:
        note(f"asking {question}")
        assert same(self.engine.evaluate(question), self.oracle.evaluate(question))

    @rule(table=st.sampled_from(list(programs.TABLES)), number=st.integers(0, 50), other=st.data())
    def explain(self, table: Table, number: int, other: st.DataObject) -> None:
        """A row that holds has a proof; one that does not has none."""
        rows = sorted_rows(self.oracle.query(programs.whole(table)))
        if rows:
            derivation = self.engine.explain(table, rows[number % len(rows)])
            assert derivation is not None
            assert derivation.row == rows[number % len(rows)]
            assert_proof(derivation, self.oracle)
        row = other.draw(programs.rows_of(programs.TABLES[table]))
        assert (self.engine.explain(table, row) is None) == (row not in rows)

    @rule(atom=programs.atoms(), data=st.data(), delta=st.booleans())
    def simulate(self, atom: Atom, data: st.DataObject, delta: bool) -> None:
        """Both evaluators see the same future, and the present stays as it is."""
        effects = data.draw(st.lists(programs.effects(), max_size=3))
        theory = ActionTheory(programs.THEORY, (programs.DECLARED, *effects))
        steps = data.draw(st.lists(programs.steps(self.oracle.rules), max_size=4))
        for step in (*effects, *steps):
            note(f"simulating {step}")
        version = self.engine.version
        is_ = simulated(self.engine, atom, steps, theory, delta)
        assert is_ == simulated(self.oracle, atom, steps, theory, delta)
        assert self.engine.version == version

    @rule(table=st.sampled_from(list(programs.DERIVED)))
    def watch(self, table: Table) -> None:
        if table in self.watched:
            return
        rows: set[Row] = set()
        self.watched[table] = rows

        def follow(added: Sequence[Row], removed: Sequence[Row]) -> None:
            assert rows.issuperset(removed)
            assert rows.isdisjoint(added)
            rows.difference_update(removed)
            rows.update(added)

        self.engine.watch(table, follow)
        rows.update(self.engine.query(programs.whole(table)))

    @rule()
    def ask_for_everything(self) -> None:
        self.compare_all()

    @rule()
    def forget_what_was_asked(self) -> None:
        self.clock.seconds += KEEP_SECONDS + 1
        self.engine.expire()

    @invariant()
    def watchers_saw_every_change(self) -> None:
        for table, rows in self.watched.items():
            assert same(list(rows), self.oracle.query(programs.whole(table))), table

    @invariant()
    def every_table_is_right(self) -> None:
        if self.eager:
            self.compare_all()

    def compare_all(self) -> None:
        for table in programs.TABLES:
            self.compare(programs.whole(table))

    def compare(self, atom: Atom) -> None:
        is_, wanted = self.engine.query(atom), self.oracle.query(atom)
        assert same(is_, wanted), f"{atom}: is {sorted_rows(is_)}, wanted {sorted_rows(wanted)}"


class EngineOnCopiesAgainstOracle(EngineAgainstOracle):
    """The same where all but the smallest batches work on copies, or turn to copies midway."""

    bulk_rows = 1


def same(rows: Sequence[Row], wanted: Sequence[Row]) -> bool:
    """The same rows, each once."""
    return len(rows) == len(wanted) and set(rows) == set(wanted)


def assert_proof(derivation: Derivation, oracle: Oracle) -> None:
    """Every row of the derivation follows from those beneath it, and the last ones were given."""
    waiting, seen = [derivation], {id(derivation)}
    while waiting:
        each = waiting.pop()
        if each.rule is None:
            assert each.row in oracle.given(each.table), f"{each} was not given"
            continue
        assert each.rule in oracle.rules
        premises = [(premise.table, premise.row) for premise in each.premises]
        literals = [item for item in each.rule.body if isinstance(item, Literal) and not item.negated]
        assert any(
            ground(each.rule.head, binding) == each.row
            and [(literal.atom.table, ground(literal.atom, binding)) for literal in literals] == premises
            for binding in satisfy(each.rule, oracle.model(), [])
        ), f"{each} does not follow by {each.rule} from {premises}"
        new = [premise for premise in each.premises if id(premise) not in seen]
        seen.update(map(id, new))
        waiting += new


def simulated(
    evaluator: Engine | SimulatingOracle, atom: Atom, steps: Sequence[Step], theory: ActionTheory, delta: bool
) -> list[str] | str:
    """The sorted answer, in which 1.0 is written as 1; or the code of the error."""
    try:
        lines = evaluator.simulate("p", atom, steps, theory, delta=delta).result
    except CongressError as error:
        return error.code.name
    return sorted(re.sub(r"\b(\d+)\.0\b", r"\1", line) for line in lines)


SETTINGS: Any = settings(
    max_examples=250,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)

#: Hypothesis may take five minutes to make a failure small.
pytestmark = pytest.mark.timeout(900)

TestEngine = EngineAgainstOracle.TestCase
TestEngine.settings = SETTINGS
TestEngineOnCopies = EngineOnCopiesAgainstOracle.TestCase
TestEngineOnCopies.settings = SETTINGS
