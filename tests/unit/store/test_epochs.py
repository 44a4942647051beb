"""Epochs: they only grow, and what an earlier holder writes is refused. Runs on every database."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from sqlalchemy.orm import Session

from congressd.store import epochs, pushes
from congressd.store.database import Database
from congressd.store.epochs import DSD, StaleEpoch
from congressd.store.pushfold import Upsert
from tests.unit.store.fixtures import Connect, new_source

NOW = 1_790_000_000_000


def take(database: Database, node: str = "one", now_ms: int = NOW) -> int:
    return database.run(lambda session: epochs.take_epoch(session, DSD, node, now_ms))


def guard(database: Database, epoch: int) -> None:
    database.run(lambda session: epochs.guard(session, DSD, epoch))


def test_the_first_epoch_is_the_time(database: Database) -> None:
    assert database.read(lambda session: epochs.holder(session, DSD)) is None
    assert take(database) == NOW
    assert database.read(lambda session: epochs.holder(session, DSD)) == epochs.EpochRecord(DSD, NOW, "one", NOW)


@pytest.mark.parametrize(("now_ms", "expected"), [(NOW + 5, NOW + 5), (NOW, NOW + 1), (NOW - 60_000, NOW + 1)])
def test_an_epoch_is_later_than_all_before_even_if_the_clock_is_not(
    database: Database, now_ms: int, expected: int
) -> None:
    take(database)
    assert take(database, "two", now_ms) == expected


def test_roles_have_epochs_of_their_own(database: Database) -> None:
    take(database)
    assert database.run(lambda session: epochs.take_epoch(session, "other", "two", 7)) == 7
    guard(database, NOW)


def test_only_the_holder_renews(database: Database) -> None:
    def renew(epoch: int, node: str) -> None:
        database.run(lambda session: epochs.renew(session, DSD, epoch, node, NOW + 9000))

    with pytest.raises(StaleEpoch):
        renew(NOW, "one")
    old = take(database)
    renew(old, "one")
    renew(old, "one")
    holder = database.read(lambda session: epochs.holder(session, DSD))
    assert holder is not None
    assert holder.lease_until == NOW + 9000
    with pytest.raises(StaleEpoch):
        renew(old, "two")
    take(database, "two")
    with pytest.raises(StaleEpoch, match=str(old)):
        renew(old, "one")


def test_a_write_of_a_stale_epoch_leaves_nothing(database: Database) -> None:
    source_id = new_source(database)
    old = take(database)
    guard(database, old)
    take(database, "two")

    def write(session: Session) -> None:
        pushes.append(session, source_id, pushes.prepare([Upsert("t", [(1,)])]), 1.0)
        epochs.guard(session, DSD, old)

    with pytest.raises(StaleEpoch) as caught:
        database.run(write)
    assert (caught.value.role, caught.value.epoch, caught.value.code.name) == (DSD, old, "stale_epoch")
    assert database.read(lambda session: pushes.last_number(session, source_id)) == 0


def test_folding_is_refused_to_a_stale_epoch(database: Database) -> None:
    source_id = new_source(database)
    old = take(database)
    take(database, "two")
    database.run(lambda session: pushes.append(session, source_id, pushes.prepare([Upsert("t", [(1,)])]), 1.0))
    with pytest.raises(StaleEpoch):
        pushes.fold(database, source_id, lambda session: epochs.guard(session, DSD, old))
    assert pushes.fold(database, source_id, lambda session: epochs.guard(session, DSD, old + 1)) == 1


def test_nodes_that_take_at_once_get_different_epochs(database: Database, connect: Connect) -> None:
    count = 6
    start = Barrier(count, timeout=60)
    taken: list[int] = []

    def run(node: Database, name: str) -> None:
        start.wait()
        taken.append(take(node, name))

    threads = [Thread(target=run, args=(connect(), f"node {number}")) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(taken) == list(range(NOW, NOW + count))


def test_a_lease_that_was_given_back_is_over(database: Database) -> None:
    def release(epoch: int, node: str) -> bool:
        return database.run(lambda session: epochs.release(session, DSD, epoch, node))

    old = take(database)
    assert release(old, "one")
    holder = database.read(lambda session: epochs.holder(session, DSD))
    assert holder is not None
    assert holder.lease_until == epochs.RELEASED
    with pytest.raises(StaleEpoch):
        database.run(lambda session: epochs.renew(session, DSD, old, "one", NOW + 9000))
    assert take(database, "two") > old
    assert not release(old, "one")
