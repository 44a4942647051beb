"""Policies, rules and sources: one log, whole revisions, one namespace. Runs on every database."""

from __future__ import annotations

import random
from dataclasses import replace
from threading import Thread

import pytest

from congressd.model.errors import CongressError
from congressd.store import changes, check, policies
from congressd.store.changes import (
    Change,
    PolicyCreated,
    PolicyDeleted,
    PolicyUpdated,
    RuleCreated,
    RuleDeleted,
    RuleUpdated,
    Snapshot,
    SourceCreated,
    SourceDeleted,
    SourceUpdated,
)
from congressd.store.database import Database
from tests.unit.store.fixtures import Connect, commit, policy, rule, source

HARD_TEXT = "naïve 你好 \U0001f6a8 'quotes' \"double\" \\ % %s :name \x00 \t\n end "


def test_a_new_database_is_at_revision_0_and_empty(database: Database) -> None:
    assert database.read(policies.load) == Snapshot()
    assert database.read(lambda session: policies.changes_since(session, 0)) == ()


def test_records_come_back_as_they_were(database: Database) -> None:
    one = policy(
        "one", abbreviation="on\U0001f6a8", description=HARD_TEXT, kind="action", created_at=1.1, updated_at=2.7
    )
    its = rule(one, HARD_TEXT, name="r", comment=HARD_TEXT, enabled=False, options={"limit": 10**20, "x": [True, None]})
    events = source("events", config={"tables": {"t": ["ä"]}, "n": 1.5}, secrets={"password": "token"}, enabled=False)
    assert commit(database, PolicyCreated(one), RuleCreated(its), SourceCreated(events)) == 1
    snapshot = database.read(policies.load)
    assert snapshot == Snapshot(1, {one.id: one}, {its.id: its}, {events.id: events})
    logged = database.read(lambda session: policies.changes_since(session, 0))
    assert logged is not None
    assert [(entry.revision, entry.position, entry.author, entry.at) for entry in logged] == [
        (1, 0, "tester", 5.25),
        (1, 1, "tester", 5.25),
        (1, 2, "tester", 5.25),
    ]
    assert [entry.change.record for entry in logged] == [one, its, events]


def test_the_snapshot_keeps_the_order_in_which_things_were_made(database: Database) -> None:
    names = ["z", "b", "a", "y"]
    made = [policy(name) for name in names]
    commit(database, *map(PolicyCreated, made[:2]))
    commit(database, *map(PolicyCreated, made[2:]))
    commit(database, PolicyUpdated(replace(made[0], description="changed")))
    assert [each.name for each in database.read(policies.load).policies.values()] == names


def test_following_the_log_gives_what_loading_gives(database: Database) -> None:
    dice = random.Random(7)
    snapshot = Snapshot()
    for step in range(60):
        commit(database, *_some_changes(snapshot, dice, step))
        logged = database.read(lambda session, known=snapshot.revision: policies.changes_since(session, known))  # type: ignore[misc]
        assert logged is not None
        if step % 3 == 0:  # sometimes a node misses a notice, and takes several revisions at once
            continue
        snapshot = changes.apply(snapshot, logged)
        loaded = database.read(policies.load)
        assert snapshot == loaded
        assert list(snapshot.rules) == list(loaded.rules)
    assert check.check(database) == []


def _some_changes(snapshot: Snapshot, dice: random.Random, step: int) -> list[Change]:
    """Valid changes, perhaps on top of a snapshot that is behind: only of things that no skipped step touches."""
    new = policy(f"policy {step}")
    made: list[Change] = [PolicyCreated(new), *(RuleCreated(rule(new, f"p({n})")) for n in range(dice.randrange(3)))]
    if step % 3 != 1:
        return made
    if snapshot.rules:
        made.append(RuleUpdated(replace(dice.choice(list(snapshot.rules.values())), comment=f"step {step}")))
    if len(snapshot.rules) > 3:
        made.append(RuleDeleted(dice.choice(list(snapshot.rules.values()))))
    if len(snapshot.policies) > 3:
        one, other = dice.sample(list(snapshot.policies.values()), 2)
        made += [PolicyUpdated(replace(one, name=f"renamed {step}")), PolicyDeleted(other)]
    made.append(SourceCreated(source(f"source {step}")))
    if snapshot.sources:
        one_source = dice.choice(list(snapshot.sources.values()))
        made.append(SourceUpdated(replace(one_source, config={"step": step})))
        made.append(SourceDeleted(one_source))
    return made


def test_a_change_made_for_another_revision_is_refused(database: Database) -> None:
    commit(database, PolicyCreated(policy("one")))
    with pytest.raises(CongressError) as caught:
        database.run(lambda session: policies.commit(session, 0, [PolicyCreated(policy("two"))], "me", 1.0))
    assert caught.value.code.name == "revision_conflict"
    assert caught.value.data == {"revision": 1}
    assert database.read(policies.load).revision == 1


def test_no_change_takes_no_revision(database: Database) -> None:
    assert database.run(lambda session: policies.commit(session, 0, [], "me", 1.0)) == 0
    assert database.read(policies.current_revision) == 0


def test_a_commit_whose_answer_was_lost_is_recognised(database: Database) -> None:
    made = [PolicyCreated(policy("one"))]

    def work(now: float) -> int:
        return database.run(lambda session: policies.commit(session, 0, made, "me", now))

    assert work(1.5) == 1
    assert work(1.5) == 1
    with pytest.raises(CongressError, match="revision 1 is current"):
        work(2.5)


def test_policies_and_sources_share_one_set_of_names(database: Database) -> None:
    commit(database, PolicyCreated(policy("one")), SourceCreated(source("two")))
    for taken in (PolicyCreated(policy("two")), SourceCreated(source("one")), PolicyCreated(policy("one"))):
        with pytest.raises(CongressError) as caught:
            commit(database, taken)
        assert caught.value.code.name == "name_taken"
    assert database.read(policies.current_revision) == 1


@pytest.mark.parametrize("other", ["One", "one ", "oné", "one\u0301", "ONE", "one\U0001f6a8"])
def test_names_are_compared_byte_by_byte(database: Database, other: str) -> None:
    commit(database, PolicyCreated(policy("one")), PolicyCreated(policy(other)))
    assert [each.name for each in database.read(policies.load).policies.values()] == ["one", other]


def test_a_renamed_policy_frees_its_name_and_takes_the_new_one(database: Database) -> None:
    one, two = policy("one"), policy("two")
    commit(database, PolicyCreated(one), PolicyCreated(two))
    with pytest.raises(CongressError, match="'two' already"):
        commit(database, PolicyUpdated(replace(one, name="two")))
    commit(database, PolicyUpdated(replace(one, name="three")))
    commit(database, PolicyCreated(policy("one")))
    with pytest.raises(CongressError, match="'three' already"):
        commit(database, PolicyCreated(policy("three")))


def test_a_deleted_policy_takes_its_rules_along_and_frees_its_name(database: Database) -> None:
    one, two = policy("one"), policy("two")
    kept = rule(two)
    commit(database, PolicyCreated(one), PolicyCreated(two), RuleCreated(rule(one)), RuleCreated(kept))
    commit(database, PolicyDeleted(one))
    assert database.read(policies.load) == Snapshot(2, {two.id: two}, {kept.id: kept}, {})
    commit(database, PolicyCreated(policy("one")))
    assert check.check(database) == []


def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(CongressError) as caught:
        commit(database, PolicyCreated(policy("one")), RuleCreated(rule(policy("nowhere"))))
    assert caught.value.code.name == "policy_not_exist"
    assert database.read(policies.load) == Snapshot()
    assert database.read(lambda session: policies.changes_since(session, 0)) == ()


def test_what_is_not_there_cannot_be_changed(database: Database) -> None:
    one = policy("one")
    cases: list[tuple[Change, str]] = [
        (PolicyUpdated(one), "policy_not_exist"),
        (PolicyDeleted(one), "policy_not_exist"),
        (RuleUpdated(rule(one)), "not_found"),
        (RuleDeleted(rule(one)), "not_found"),
        (SourceUpdated(source("s")), "not_found"),
        (SourceDeleted(source("s")), "not_found"),
    ]
    for change, code in cases:
        with pytest.raises(CongressError) as caught:
            commit(database, change)
        assert caught.value.code.name == code


def test_an_update_that_changes_nothing_is_no_error(database: Database) -> None:
    one = policy("one")
    commit(database, PolicyCreated(one))
    assert commit(database, PolicyUpdated(one)) == 2


def test_an_id_cannot_be_used_twice(database: Database) -> None:
    one = policy("one")
    its = rule(one)
    commit(database, PolicyCreated(one), RuleCreated(its))
    with pytest.raises(CongressError, match="exists already"):
        commit(database, RuleCreated(its))


def test_texts_that_do_not_fit_are_refused_with_the_limit(database: Database) -> None:
    one = policy("one")
    cases: list[tuple[Change, str, str]] = [
        (PolicyCreated(policy("x" * 256)), "name_invalid", "255"),
        (PolicyCreated(policy("x", abbreviation="abcdef")), "policy_abbreviation_error", "5"),
        (PolicyCreated(policy("x", kind="k" * 256)), "bad_request", "255"),
        (RuleCreated(rule(one, name="x" * 256)), "name_invalid", "255"),
        (RuleCreated(rule(one, "x" * 1_100_000)), "too_large", "1000000"),
        (PolicyCreated(policy("x", description="half \ud83d")), "bad_request", "surrogate"),
    ]
    for change, code, said in cases:
        with pytest.raises(CongressError, match=said) as caught:
            commit(database, change)
        assert caught.value.code.name == code
    commit(database, PolicyCreated(policy("x" * 255)))


def test_a_compacted_log_sends_those_who_are_behind_to_load(database: Database) -> None:
    for number in range(10):
        commit(database, PolicyCreated(policy(f"p{number}")))
    assert database.run(lambda session: policies.compact_log(session, keep=4)) == 6
    assert database.run(lambda session: policies.compact_log(session, keep=4)) == 0
    assert database.read(lambda session: policies.changes_since(session, 5)) is None
    kept = database.read(lambda session: policies.changes_since(session, 6))
    assert kept is not None
    assert [entry.revision for entry in kept] == [7, 8, 9, 10]
    assert check.check(database) == []


def test_a_database_that_has_lost_revisions_sends_to_load(database: Database) -> None:
    commit(database, PolicyCreated(policy("one")))
    assert database.read(lambda session: policies.changes_since(session, 2)) is None


def test_writers_on_several_nodes_lose_nothing_and_double_nothing(database: Database, connect: Connect) -> None:
    one = policy("one")
    commit(database, PolicyCreated(one))
    failures: list[BaseException] = []

    def write(node: Database, writer: int) -> None:
        try:
            for number in range(10):
                _commit_at_last(node, RuleCreated(rule(one, f"p({writer}, {number})")))
        except BaseException as error:
            failures.append(error)

    nodes = [connect(), connect()]
    threads = [Thread(target=write, args=(nodes[writer % 2], writer)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []
    snapshot = database.read(policies.load)
    assert snapshot.revision == 61
    assert sorted(each.rule for each in snapshot.rules.values()) == sorted(
        f"p({writer}, {number})" for writer in range(6) for number in range(10)
    )
    assert check.check(database) == []


def _commit_at_last(database: Database, change: Change) -> None:
    """What a writer does: read, decide, commit; again when another one was first."""
    while True:
        try:
            commit(database, change)
            return
        except CongressError as error:
            if error.code.name != "revision_conflict":
                raise


def test_a_reader_sees_one_revision_however_long_it_reads(database: Database, connect: Connect) -> None:
    one = policy("one")
    commit(database, PolicyCreated(one))
    other = connect()

    def work(session: object) -> tuple[int, Snapshot]:
        revision = policies.current_revision(session)  # type: ignore[arg-type]
        commit(other, PolicyCreated(policy("two")), RuleCreated(rule(one)))
        return revision, policies.load(session)  # type: ignore[arg-type]

    revision, snapshot = database.read(work)
    assert (revision, snapshot) == (1, Snapshot(1, {one.id: one}, {}, {}))
    assert database.read(policies.load).revision == 2
