"""The store on a Galera cluster both of whose nodes are written to: nothing is lost, doubled or read too early."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from sqlalchemy import event

from congressd.model.errors import CongressError
from congressd.store import check, epochs, migrate, policies, pushes, retry
from congressd.store.changes import Change, PolicyCreated, RuleCreated
from congressd.store.database import Database, Limits
from congressd.store.epochs import DSD, StaleEpoch
from congressd.store.pushfold import Upsert
from tests.service.mariadb_galera import Galera, galera
from tests.unit.store.fixtures import new_source, policy, rule

__all__ = ["galera"]

pytestmark = pytest.mark.mariadb

WRITERS, ROUNDS = 6, 15


@pytest.fixture
def nodes(galera: Galera) -> Iterator[tuple[Database, Database]]:
    """The same new database, by each of the two nodes."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with galera.one.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    limits = Limits(deadline=60.0)
    pair = Database(galera.one.url(name), limits=limits), Database(galera.two.url(name), limits=limits)
    migrate.upgrade(pair[0])
    yield pair
    for database in pair:
        database.close()


def commit_at_last(database: Database, change: Change, now: float = 1.5) -> None:
    """Read what every node has committed, then commit; again when another writer was first."""
    while True:
        revision = database.read(policies.current_revision, causal=True)
        try:
            database.run(lambda session: policies.commit(session, revision, [change], "me", now))  # noqa: B023
            return
        except CongressError as error:
            if error.code.name != "revision_conflict":
                raise


def failures_of(writers: list[Thread], failures: list[BaseException]) -> list[BaseException]:
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join(timeout=200)
    return failures


def test_writers_on_both_nodes_lose_nothing_and_end_in_the_same_revision(nodes: tuple[Database, Database]) -> None:
    one = policy("one")
    commit_at_last(nodes[0], PolicyCreated(one))
    source_id = new_source(nodes[0])
    numbers: list[int] = []
    failures: list[BaseException] = []
    deadlocks: list[int] = []
    for node in nodes:
        event.listen(
            node.engine, "handle_error", lambda context: deadlocks.append(retry.mysql_code(context.original_exception))
        )

    def write(writer: int) -> None:
        node = nodes[writer % 2]
        try:
            for number in range(ROUNDS):
                commit_at_last(node, RuleCreated(rule(one, f"p({writer}, {number})")))
                push = pushes.prepare([Upsert("t", [(writer, number)])])
                numbers.append(node.run(lambda session: pushes.append(session, source_id, push, 1.0)))  # noqa: B023
                if number % 5 == writer:
                    pushes.fold(node, source_id)
        except BaseException as error:
            failures.append(error)

    assert failures_of([Thread(target=write, args=(writer,)) for writer in range(WRITERS)], failures) == []
    expected = {(writer, number) for writer in range(WRITERS) for number in range(ROUNDS)}
    assert sorted(numbers) == list(range(1, len(expected) + 1))
    first, second = (node.read(policies.load, causal=True) for node in nodes)
    assert first == second
    assert first.revision == len(expected) + 2
    assert {each.rule for each in first.rules.values()} == {f"p({writer}, {number})" for writer, number in expected}
    for node in nodes:
        state = node.read(lambda session: pushes.state(session, source_id), causal=True)
        assert set(state.tables["t"]) == expected
        assert check.check(node) == []
    assert 1213 in deadlocks  # else the writers never met, and the test shows nothing


def test_a_causal_read_sees_what_the_other_node_has_just_committed(nodes: tuple[Database, Database]) -> None:
    for number in range(100):
        commit_at_last(nodes[number % 2], PolicyCreated(policy(f"p{number}")))
        assert nodes[1 - number % 2].read(policies.current_revision, causal=True) == number + 1


def test_epochs_taken_on_both_nodes_at_once_are_all_different(nodes: tuple[Database, Database]) -> None:
    taken: list[int] = []
    failures: list[BaseException] = []

    def take(writer: int) -> None:
        try:
            for _ in range(ROUNDS):
                taken.append(nodes[writer % 2].run(lambda session: epochs.take_epoch(session, DSD, "n", 1000)))
        except BaseException as error:
            failures.append(error)

    assert failures_of([Thread(target=take, args=(writer,)) for writer in range(WRITERS)], failures) == []
    assert sorted(taken) == list(range(1000, 1000 + WRITERS * ROUNDS))


def test_a_takeover_on_one_node_stops_the_writer_on_the_other(nodes: tuple[Database, Database]) -> None:
    """Each push of the old holder is either before the takeover, or refused: none is committed after it."""
    source_id = new_source(nodes[0])
    old = nodes[0].run(lambda session: epochs.take_epoch(session, DSD, "old", 1000))
    numbers: list[int] = []
    refused: list[BaseException] = []
    writing = Event()

    def write() -> None:
        def work(session: object) -> int:
            epochs.guard(session, DSD, old)  # type: ignore[arg-type]
            return pushes.append(session, source_id, pushes.prepare([Upsert("t", [(0,)])]), 1.0)  # type: ignore[arg-type]

        try:
            while True:
                numbers.append(nodes[0].run(work))
                writing.set()
        except StaleEpoch as error:
            refused.append(error)

    writer = Thread(target=write)
    writer.start()
    assert writing.wait(60)
    nodes[1].run(lambda session: epochs.take_epoch(session, DSD, "new", 1000))
    at_takeover = nodes[1].read(lambda session: pushes.last_number(session, source_id), causal=True)
    writer.join(timeout=60)
    assert len(refused) == 1
    assert numbers == list(range(1, at_takeover + 1))


def test_a_node_without_quorum_is_waited_for(galera: Galera, nodes: tuple[Database, Database]) -> None:
    """The other of two nodes is killed: 1047 until an administrator says that the one left is the cluster."""
    codes: list[int] = []
    seen = Event()

    def remember(context: object) -> None:
        codes.append(retry.mysql_code(getattr(context, "original_exception", None)))
        if 1047 in codes:
            seen.set()

    event.listen(nodes[0].engine, "handle_error", remember)
    galera.two.kill()
    galera.wait(galera.one, "wsrep_cluster_status", "non-Primary")
    writer = Thread(target=commit_at_last, args=(nodes[0], PolicyCreated(policy("one"))))
    writer.start()
    try:
        assert seen.wait(60)
    finally:
        with galera.one.root() as connection, connection.cursor() as cursor:
            cursor.execute("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'")
        writer.join(timeout=90)
    assert nodes[0].read(policies.current_revision) == 1
    galera.two.start()
    galera.wait(galera.two, "wsrep_ready", "ON")
    assert nodes[1].read(policies.current_revision, causal=True) == 1
