"""`check` finds every kind of damage. Runs on every database."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from congressd.store import migrate, models
from congressd.store.changes import PolicyCreated, RuleCreated, SourceCreated
from congressd.store.check import check
from congressd.store.database import Database
from congressd.store.pushes import append, fold, prepare
from congressd.store.pushfold import Upsert
from tests.unit.store.fixtures import Connect, commit, policy, rule, source

DAMAGES = [
    (update(models.RevisionCounter).values(revision=9), "log"),
    (update(models.RevisionCounter).values(revision=0), "log"),
    (delete(models.RevisionCounter), "counter"),
    (delete(models.Revision).where(models.Revision.revision == 1), "log"),
    (update(models.Rule).values(rule="q(2)"), "log_content"),
    (delete(models.Name).where(models.Name.name == "one"), "nameless_policies"),
    (update(models.Name).where(models.Name.name == "events").values(name="x"), "nameless_sources"),
    (insert(models.Name).values(name="x", owner="nobody"), "orphan_names"),
    (delete(models.PushStream), "streamless_sources"),
    (delete(models.PushStream), "orphan_pushes"),
    (update(models.Push).values(blob_id="nowhere"), "orphan_blobs"),
    (update(models.PushStream).values(last=9), "push_log"),
    (delete(models.Push), "push_log"),
]


@pytest.fixture
def full(database: Database) -> Database:
    one, events = policy("one"), source("events")
    commit(database, PolicyCreated(one), SourceCreated(events))
    commit(database, RuleCreated(rule(one)))
    for number in range(3):
        push = prepare([Upsert("t", [(number,)])])
        database.run(lambda session, push=push: append(session, events.id, push, 1.0))  # type: ignore[misc]
        if number == 0:
            fold(database, events.id)
    return database


def test_a_whole_database_has_no_findings(full: Database) -> None:
    assert check(full) == []


@pytest.mark.parametrize(("damage", "name"), DAMAGES, ids=[f"{n}-{name}" for n, (_, name) in enumerate(DAMAGES)])
def test_damage_is_found(full: Database, damage: object, name: str) -> None:
    full.run(lambda session: session.execute(damage))  # type: ignore[call-overload]
    assert name in [finding.name for finding in check(full)]


def test_an_old_schema_is_the_only_finding(connect: Connect) -> None:
    database = connect()
    (finding,) = check(database)
    assert (finding.name, "congressd db upgrade" in finding.detail) == ("schema", True)
    migrate.upgrade(database)
    assert check(database) == []
