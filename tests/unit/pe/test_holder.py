"""Image and engine in step, also when the engine fails on a rule."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from congressd.engine.engine import Engine
from congressd.language import core
from congressd.model.clock import SystemClock
from congressd.model.tables import Batch, BatchKind, Column, TableChange, TableSchema
from congressd.pe.holder import Holder
from congressd.pe.policyset import RuleState
from congressd.store.changes import Change, PolicyCreated, RuleCreated, RuleDeleted, Snapshot, SourceCreated
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord


class FussyEngine(Engine):
    """An engine that cannot run rules over a table named ``bad``."""

    def change_rules(self, add: Sequence[core.Rule] = (), remove: Sequence[core.Rule] = ()) -> None:
        for rule in add:
            if any(isinstance(item, core.Literal) and item.atom.table.name == "bad" for item in rule.body):
                raise RuntimeError("a defect of the engine")
        super().change_rules(add, remove)


def holder(engine: Engine | None = None) -> Holder:
    made = Holder(engine or Engine(), SystemClock(), lambda _record: None)
    made.load(Snapshot(0), 0)
    made.adopt([PolicyCreated(PolicyRecord("a", "alice")), SourceCreated(SourceRecord("n", "nova", "fake"))], 1)
    made.want(frozenset(["nova"]), ())
    return made


def rule(identity: str, text: str) -> RuleRecord:
    return RuleRecord(identity, "a", text)


def rows(made: Holder, table: str, arity: int = 1) -> Sequence[object]:
    variables = tuple(core.Variable(f"x{n}") for n in range(arity))
    return sorted(made.engine.query(core.Atom(core.Table("alice", table), variables)))


def snapshot(sequence: int, columns: Sequence[str], *content: tuple[int, ...]) -> Batch:
    schema = (TableSchema("t", tuple(map(Column, columns))),)
    return Batch("nova", 1, sequence, BatchKind.SNAPSHOT, schema, {"t": TableChange(content)})


def test_one_rule_that_the_engine_cannot_run_does_not_harm_the_others() -> None:
    made = holder(FussyEngine())
    changes: list[Change] = [RuleCreated(rule("1", "q(1)")), RuleCreated(rule("2", "p(x) :- q(x)"))]
    made.adopt([*changes, RuleCreated(rule("3", "r(x) :- bad(x)"))], 2)
    assert rows(made, "p") == [(1,)]
    image = made.image.rules["a"]["3"]
    assert (image.state, "a defect of the engine" in image.reason) == (RuleState.WAITING, True)
    made.adopt([RuleDeleted(rule("3", ""))], 3)
    assert (made.image.revision, list(made.image.rules["a"])) == (3, ["1", "2"])


def test_rules_follow_a_schema_that_changes_its_columns() -> None:
    made = holder()
    made.adopt([RuleCreated(rule("1", "p(x) :- nova:t(id=x)")), RuleCreated(rule("2", "q(x) :- nova:t(x)"))], 2)
    assert rows(made, "p") == rows(made, "q") == []
    made.take(snapshot(1, ["id"], (1,), (2,)), replace=True)
    assert rows(made, "p") == rows(made, "q") == [(1,), (2,)]
    made.take(snapshot(2, ["name", "id"], (7, 1), (8, 3)), replace=True)
    assert (rows(made, "p"), rows(made, "q")) == ([(1,), (3,)], [(7,), (8,)])
    made.take(snapshot(3, ["name"], (9,)), replace=True)
    assert (rows(made, "p"), rows(made, "q")) == ([], [(9,)])
    assert made.image.rules["a"]["1"].state is RuleState.WAITING


def test_batches_of_sources_that_nobody_wants_are_not_taken() -> None:
    made = holder()
    made.take(snapshot(1, ["id"], (1,)), replace=True)
    made.want(frozenset(), ["nova"])
    assert made.engine.stats()["rows"] == 0
    made.take(snapshot(2, ["id"], (1,)), replace=True)
    assert made.engine.stats()["rows"] == 0
    assert made.progress.position("nova") is None


def test_a_revision_that_is_held_is_not_taken_twice() -> None:
    made = holder()
    change = [RuleCreated(rule("1", "p(1)"))]
    made.adopt(change, 2)
    made.adopt(change, 2)
    assert rows(made, "p") == [(1,)]
    with pytest.raises(KeyError):
        made.engine.change_rules(remove=[core.Rule(core.Atom(core.Table("alice", "p"), (core.Constant(2),)))])


def test_a_snapshot_of_an_older_database_is_taken_too() -> None:
    """A database that was restored from a copy has fewer revisions than the node has seen."""
    made = holder()
    made.adopt([RuleCreated(rule("1", "p(1)"))], 2)
    made.adopt([RuleCreated(rule("2", "p(2)"))], 3)
    older = Snapshot(2, {"a": PolicyRecord("a", "alice")}, {"1": rule("1", "p(1)")}, {})
    made.load(older, 99)
    assert made.image.revision == 3
    made.load(older, 3)
    assert (made.image.revision, rows(made, "p"), made.image.sources) == (2, [(1,)], {})
