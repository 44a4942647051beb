"""What cases cannot say: what watchers are told, what is left when all is gone, what a simulation leaves."""

from __future__ import annotations

from collections.abc import Sequence

from congressd.engine.engine import KEEP_SECONDS, Engine
from congressd.language.check import check_rule
from congressd.language.core import Atom, Rule, Table, Variable
from congressd.model.tables import Column, TableChange, TableSchema
from congressd.model.values import Row
from tests.conformance.model import load_cases
from tests.conformance.runner import run_case
from tests.conformance.test_random_programs import TurnedClock
from tests.conformance.workbench import Names, Workbench


def rule(text: str) -> Rule:
    """A rule of the policy ``test``."""
    workbench = Workbench(Engine())
    workbench.create_policy("test", "nonrecursive", "")
    return check_rule(text, "test", Names(workbench)).rule


def engine_with_rows(rows: Sequence[Row] = ((1,), (2,))) -> Engine:
    engine = Engine()
    engine.declare("db", [TableSchema("t", (Column("a"),))])
    engine.replace("db", {"t": rows})
    return engine


def watched(engine: Engine, table: str) -> list[tuple[set[Row], set[Row]]]:
    told: list[tuple[set[Row], set[Row]]] = []
    engine.watch(Table("test", table), lambda added, removed: told.append((set(added), set(removed))))
    return told


def test_a_watcher_of_a_table_that_gets_its_first_rule_is_told_the_rows() -> None:
    engine = engine_with_rows()
    told = watched(engine, "p")
    engine.change_rules([rule("p(x) :- db:t(x)")], [])
    assert told == [({(1,), (2,)}, set())]


def test_a_watcher_is_told_the_net_change_when_the_first_rule_comes_as_its_input_goes() -> None:
    engine = engine_with_rows()
    below, above = rule("q(x) :- db:t(x)"), rule("p(x) :- db:t(x), q(x)")
    engine.change_rules([below], [])
    engine.query(Atom(Table("test", "q"), (Variable("x"),)))
    told = watched(engine, "p")
    engine.change_rules([above], [below])
    assert told in ([], [(set(), set())])


def test_a_watcher_is_told_facts_and_derived_rows_that_come_in_one_change() -> None:
    engine = engine_with_rows()
    told = watched(engine, "p")
    watched(engine, "q")
    engine.change_rules([rule("p(0)"), rule("p(x) :- q(x)"), rule("q(x) :- db:t(x)")], [])
    assert told == [({(0,), (1,), (2,)}, set())]


def test_a_watcher_is_told_nothing_of_a_row_that_another_rule_still_derives() -> None:
    engine = engine_with_rows()
    first, second = rule("p(x) :- db:t(x)"), rule("p(y) :- db:t(y)")
    engine.change_rules([first, second], [])
    told = watched(engine, "p")
    engine.change_rules([], [first])
    assert told == []


def test_a_watcher_is_told_one_change_for_a_batch_over_two_tables() -> None:
    engine = engine_with_rows()
    engine.declare("db", [TableSchema("t", (Column("a"),)), TableSchema("u", (Column("a"),))])
    engine.replace("db", {"t": [(1,)], "u": [(2,)]})
    engine.change_rules([rule("p(x) :- db:t(x), not db:u(x)")], [])
    told = watched(engine, "p")
    engine.apply("db", {"t": TableChange([(2,)], [(1,)]), "u": TableChange([], [(2,)])})
    assert told == [({(2,)}, {(1,)})]


def test_nothing_is_left_when_every_rule_and_source_is_gone() -> None:
    """Every case in turn on one engine, all its policies and sources deleted after each."""
    clock = TurnedClock()
    engine = Engine(clock)
    for case in load_cases():
        workbench = Workbench(engine)
        run_case(case, workbench)
        for policy in workbench.policies:
            workbench.delete_policy(policy)
        for source in workbench.sources:
            workbench.delete_source(source)
        clock.seconds += KEEP_SECONDS + 1
        engine.expire()
        assert set(engine.stats().values()) == {0}, f"{case.id} leaves {engine.stats()}"
        assert engine.tables() == []
        assert engine.errors() == []


def test_what_was_asked_is_let_go_and_can_be_asked_again() -> None:
    clock = TurnedClock()
    engine = Engine(clock)
    engine.declare("db", [TableSchema("t", (Column("a"),))])
    engine.replace("db", {"t": [(1,)]})
    engine.change_rules([rule("p(x) :- q(x)"), rule("q(x) :- db:t(x)")], [])
    everything = Atom(Table("test", "p"), (Variable("x"),))
    held = engine.stats()
    assert engine.query(everything) == [(1,)]
    clock.seconds += KEEP_SECONDS + 1
    engine.expire()
    assert engine.stats() == held
    assert engine.query(everything) == [(1,)]
