"""Plans: from one image of all policies to the next, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from congressd.model.errors import CongressError
from congressd.model.tables import Column, TableSchema
from congressd.pe.book import PolicyBook
from congressd.pe.policyset import Image, Plan, RuleState
from congressd.store.changes import (
    Change,
    PolicyCreated,
    PolicyDeleted,
    PolicyUpdated,
    RuleCreated,
    RuleDeleted,
    RuleUpdated,
    SourceCreated,
    SourceDeleted,
)
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord

ALICE = PolicyRecord("a", "alice")
BOB = PolicyRecord("b", "bob")
NOVA = SourceRecord("n", "nova", "fake")


def rule(identity: str, text: str, policy: PolicyRecord = ALICE, *, enabled: bool = True) -> RuleRecord:
    return RuleRecord(identity, policy.id, text, enabled=enabled)


def schema(name: str, *columns: str) -> dict[str, TableSchema]:
    return {name: TableSchema(name, tuple(map(Column, columns)))}


class Book(PolicyBook):
    """A book that adopts what it plans."""

    def take(self, *changes: Change, strict: bool = True) -> Plan:
        plan = self.plan(changes, strict=strict)
        self.enter(plan)
        self.adopt(plan, self.image.revision + 1)
        return plan

    def take_schema(self, source: str, tables: dict[str, TableSchema] | None) -> Plan:
        plan = self.plan_schema(source, tables)
        self.enter(plan)
        self.adopt(plan)
        return plan

    def add(self, *texts: str, policy: PolicyRecord = ALICE) -> Plan:
        first = sum(map(len, self.image.rules.values()))
        return self.take(*(RuleCreated(rule(f"r{first + n}", text, policy)) for n, text in enumerate(texts)))

    def state(self, identity: str, policy: PolicyRecord = ALICE) -> RuleState:
        return self.image.rules[policy.id][identity].state


@pytest.fixture
def book() -> Book:
    book = Book()
    book.take(PolicyCreated(ALICE), PolicyCreated(BOB))
    return book


def texts(rules: Iterable[object]) -> list[str]:
    return sorted(map(str, rules))


def test_rules_of_two_policies_in_one_step_stay_apart(book: Book) -> None:
    """H1: Congress gave every rule of a round to every policy of it."""
    plan = book.take(RuleCreated(rule("1", "p(1)")), RuleCreated(rule("2", "p(2)", BOB)))
    assert texts(plan.added) == ["alice:p(1)", "bob:p(2)"]
    assert list(book.image.rules["a"]) == ["1"]
    assert list(book.image.rules["b"]) == ["2"]


def test_the_order_of_rules_in_one_step_does_not_matter(book: Book) -> None:
    plan = book.add("p(x) :- q(x, y)", "q(1, 2)")
    assert texts(plan.added) == ["alice:p(x) :- alice:q(x, y)", "alice:q(1, 2)"]


def test_a_plan_that_is_not_adopted_leaves_no_trace(book: Book) -> None:
    book.add("p(x) :- q(x)")
    before = book.image
    book.plan([RuleCreated(rule("9", "q(x) :- s(x)"))])
    assert book.image is before
    book.add("s(x) :- p(x)")


def test_recursion_over_two_policies_is_refused_with_the_cycle_and_leaves_no_trace(book: Book) -> None:
    book.add("p(x) :- bob:q(x)")
    with pytest.raises(CongressError, match=r"bob:q -> alice:p -> bob:q|alice:p -> bob:q -> alice:p"):
        book.add("q(x) :- alice:p(x)", policy=BOB)
    book.add("q(1)", policy=BOB)


def test_recursion_through_a_waiting_rule_is_refused(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    book.add("p(x) :- nova:servers(id=x), q(x)")
    with pytest.raises(CongressError, match="recursive"):
        book.add("q(x) :- p(x)")


def test_the_same_rule_twice_is_refused_whatever_the_order_of_its_body(book: Book) -> None:
    book.add("p(x) :- q(x), r(x)")
    with pytest.raises(CongressError) as caught:
        book.add("p(x)  :-  r(x), q(x)")
    assert caught.value.code.name == "rule_already_exists"
    book.add("p(x) :- q(x), r(x)", policy=BOB)


def test_a_rule_that_was_deleted_may_be_added_again(book: Book) -> None:
    book.add("p(1)")
    book.take(RuleDeleted(rule("r0", "p(1)")))
    book.add("p(1)")


def test_other_numbers_of_columns_are_refused(book: Book) -> None:
    book.add("p(x) :- q(x)")
    with pytest.raises(CongressError, match="contained 2 arguments but exactly 1 arguments are permitted"):
        book.add("q(1, 2)")
    with pytest.raises(CongressError, match="contained 2 arguments but exactly 1 arguments are permitted"):
        book.add("s(x) :- q(x, y)")
    book.add("q(1)")


def test_a_rule_that_would_break_another_is_refused_and_names_it(book: Book) -> None:
    book.add("p(id, name) :- s(id, name)", "q(x) :- p(name=x)")
    with pytest.raises(CongressError, match=r"the existing rule 'q\(x\) :- p\(name=x\)' of policy 'alice'"):
        book.take(RuleUpdated(rule("r0", "p(id, title) :- s(id, title)")))


def test_a_rule_waits_for_the_schema_that_it_needs_and_wakes(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    plan = book.add("p(x) :- nova:servers(id=x)")
    assert not plan.added
    image = book.image.rules["a"]["r0"]
    assert (image.state, bool(image.warnings)) == (RuleState.WAITING, True)
    plan = book.take_schema("nova", schema("servers", "name", "id"))
    assert texts(plan.added) == ["alice:p(x) :- nova:servers(_, x)"]
    assert book.state("r0") is RuleState.ACTIVE


def test_a_rule_waits_for_a_source_that_does_not_exist_yet(book: Book) -> None:
    book.add("p(x) :- nova:servers(id=x)")
    assert book.state("r0") is RuleState.WAITING
    book.take(SourceCreated(NOVA))
    book.take_schema("nova", schema("servers", "id"))
    assert book.state("r0") is RuleState.ACTIVE


def test_missing_columns_are_padded_when_the_schema_comes(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    book.add("p(x) :- nova:servers(x)")
    plan = book.take_schema("nova", schema("servers", "id", "name", "owner"))
    assert texts(plan.removed) == ["alice:p(x) :- nova:servers(x)"]
    assert texts(plan.added) == ["alice:p(x) :- nova:servers(x, _, _)"]


def test_a_rule_that_does_not_fit_a_changed_schema_waits_and_says_why(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    book.take_schema("nova", schema("servers", "id", "name"))
    book.add("p(x) :- nova:servers(name=x)")
    plan = book.take_schema("nova", schema("servers", "id"))
    assert (len(plan.removed), len(plan.added)) == (1, 0)
    assert "name" in book.image.rules["a"]["r0"].reason
    book.take_schema("nova", schema("servers", "name"))
    assert book.state("r0") is RuleState.ACTIVE


def test_an_unknown_column_of_a_known_source_is_refused_with_the_nearest(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    book.take_schema("nova", schema("servers", "name"))
    with pytest.raises(CongressError, match="name"):
        book.add("p(x) :- nova:servers(nme=x)")


def test_deleting_a_source_deletes_no_rule(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    book.take_schema("nova", schema("servers", "id", "name"))
    book.add("p(x) :- nova:servers(id=x)", "q(x) :- nova:servers(x, y)")
    book.take(SourceDeleted(NOVA))
    assert book.state("r0") is RuleState.WAITING
    assert book.state("r1") is RuleState.ACTIVE
    assert book.image.schemas == {}


def test_deleting_a_policy_takes_its_rules_and_leaves_its_readers(book: Book) -> None:
    book.add("p(1)", policy=BOB)
    book.take(RuleCreated(rule("x", "q(x) :- bob:p(x)")))
    plan = book.take(PolicyDeleted(BOB))
    assert texts(plan.removed) == ["bob:p(1)"]
    assert "b" not in book.image.rules
    assert book.state("x") is RuleState.ACTIVE
    book.take(PolicyCreated(BOB))
    book.add("p(7)", policy=BOB)


def test_a_disabled_rule_is_kept_and_has_no_effect(book: Book) -> None:
    record = rule("1", "p(x) :- q(x)", enabled=False)
    assert not book.take(RuleCreated(record)).added
    assert book.state("1") is RuleState.DISABLED
    book.add("q(x) :- p(x)")  # would be recursive if the rule counted
    with pytest.raises(CongressError, match="recursive"):
        book.take(RuleUpdated(rule("1", "p(x) :- q(x)")))


def test_a_policy_that_is_renamed_takes_its_tables_along(book: Book) -> None:
    book.add("p(1)", "q(x) :- p(x)")
    plan = book.take(PolicyUpdated(PolicyRecord("a", "carol")))
    assert texts(plan.removed) == ["alice:p(1)", "alice:q(x) :- alice:p(x)"]
    assert texts(plan.added) == ["carol:p(1)", "carol:q(x) :- carol:p(x)"]


def test_effects_of_actions_are_kept_for_simulations_only(book: Book) -> None:
    book.take(PolicyCreated(PolicyRecord("t", "theory", kind="action")))
    theory = PolicyRecord("t", "theory")
    plan = book.add('action("set")', "p+(x, y) :- set(x, y)", policy=theory)
    assert texts(plan.added) == ['theory:action("set")']


def test_loading_in_one_step_gives_what_many_steps_gave(book: Book) -> None:
    book.take(SourceCreated(NOVA))
    book.add("p(x) :- q(x, y)", "q(1, 2)")
    book.add("r(x) :- p(x), not nova:servers(x)", policy=BOB)
    book.add("s(x) :- r(x)", policy=BOB)
    book.take(RuleDeleted(book.image.rules["b"]["r3"].record))
    book.take_schema("nova", schema("servers", "id", "name"))
    again = Book()
    again.take(PolicyCreated(ALICE), PolicyCreated(BOB), SourceCreated(NOVA), strict=False)
    again.take_schema("nova", schema("servers", "id", "name"))
    records = [each.record for rules in book.image.rules.values() for each in rules.values()]
    again.take(*map(RuleCreated, records), strict=False)
    assert _rules(again.image) == _rules(book.image)
    assert again.image.tables == book.image.tables


def _rules(image: Image) -> list[str]:
    return texts(each.rule for rules in image.rules.values() for each in rules.values())
