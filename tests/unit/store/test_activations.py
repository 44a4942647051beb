"""The execution log: every step once or not at all, none under a stale epoch. Runs on every database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from congressd.model.errors import CongressError
from congressd.store import activations, epochs
from congressd.store.activations import ActivationRecord, Filter, NewActivation, Page, State
from congressd.store.database import Database
from congressd.store.epochs import DSD, StaleEpoch

NEW = NewActivation(
    "k", "row", "nova", "pause", args=["vm \U0001f6a8", 10**20], why={"rows": [[None, True]]}, policy="p"
)


@pytest.fixture
def epoch(database: Database) -> int:
    return database.run(lambda session: epochs.take_epoch(session, DSD, "one", 1000))


def open_one(database: Database, epoch: int | None, key: str = "k", now: float = 1.0, **more: object) -> str:
    new = replace(NEW, key=key, **more)  # type: ignore[arg-type]
    (record,) = database.run(lambda session: activations.open_many(session, [new], now, epoch))
    return record.id


def claim(database: Database, epoch: int, *ids: str, now: float = 2.0) -> tuple[str, ...]:
    return database.run(lambda session: activations.claim(session, ids, epoch, "one", now))


def finish(database: Database, epoch: int, one: str, to: State, now: float = 3.0, not_before: float = 0.0) -> bool:
    return database.run(lambda session: activations.finish(session, one, to, {"to": to}, epoch, now, not_before))


def get(database: Database, one: str) -> ActivationRecord:
    return database.read(lambda session: activations.get(session, one))


def find(database: Database, limit: int = 100, following: tuple[float, str] | None = None, **wanted: object) -> Page:
    return database.read(lambda session: activations.find(session, Filter(**wanted), limit, following))  # type: ignore[arg-type]


def test_an_activation_comes_back_as_it_was_opened(database: Database, epoch: int) -> None:
    (opened,) = database.run(lambda session: activations.open_many(session, [NEW], 1.5, epoch))
    assert get(database, opened.id) == opened
    assert (opened.key, opened.args, opened.why, opened.policy) == (NEW.key, NEW.args, NEW.why, "p")
    assert (opened.state, opened.attempts, opened.created_at, opened.closed_at) == (State.PENDING, 0, 1.5, None)


def test_a_key_opens_once_for_ever(database: Database, epoch: int) -> None:
    first = open_one(database, epoch)
    again = [NEW, replace(NEW, key="other"), replace(NEW, key="other")]
    opened = database.run(lambda session: activations.open_many(session, again, 2.0, epoch))
    assert [record.key for record in opened] == ["other"]
    assert {record.id for record in find(database).records} == {first, opened[0].id}


def test_a_run_goes_from_pending_over_running_to_its_end(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    assert claim(database, epoch, one) == (one,)
    running = get(database, one)
    assert (running.state, running.epoch, running.node, running.attempts, running.started_at) == (
        State.RUNNING,
        epoch,
        "one",
        1,
        2.0,
    )
    assert finish(database, epoch, one, State.SUCCEEDED)
    done = get(database, one)
    assert (done.state, done.result, done.finished_at) == (State.SUCCEEDED, {"to": "succeeded"}, 3.0)


def test_an_activation_is_claimed_once(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    assert claim(database, epoch, one, one, now=2.0) == (one, one)  # the same claim, twice told
    assert claim(database, epoch, one, now=2.5) == ()
    assert get(database, one).attempts == 1


def test_what_is_not_due_is_not_claimed(database: Database, epoch: int) -> None:
    one = open_one(database, epoch, not_before=5.0)
    assert claim(database, epoch, one, now=4.9) == ()
    assert claim(database, epoch, one, now=5.0) == (one,)
    assert finish(database, epoch, one, State.PENDING, now=6.0, not_before=8.0)
    assert claim(database, epoch, one, now=7.0) == ()
    assert claim(database, epoch, one, now=8.0) == (one,)
    assert get(database, one).attempts == 2


def test_a_run_ends_once(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    assert not finish(database, epoch, one, State.SUCCEEDED)
    claim(database, epoch, one)
    assert finish(database, epoch, one, State.FAILED, now=3.0)
    assert finish(database, epoch, one, State.FAILED, now=3.0)  # its answer was lost
    assert not finish(database, epoch, one, State.SUCCEEDED, now=4.0)
    assert get(database, one).state is State.FAILED


def test_a_new_epoch_finds_what_the_old_one_left_running(database: Database, epoch: int) -> None:
    left, done, waiting = (open_one(database, epoch, key) for key in "abc")
    claim(database, epoch, left, done)
    finish(database, epoch, done, State.SUCCEEDED)
    later = database.run(lambda session: epochs.take_epoch(session, DSD, "two", 2000))
    assert database.run(lambda session: activations.orphan(session, later, 9.0)) == 1
    assert [get(database, one).state for one in (left, done, waiting)] == [
        State.UNKNOWN,
        State.SUCCEEDED,
        State.PENDING,
    ]
    with pytest.raises(StaleEpoch):
        finish(database, epoch, left, State.SUCCEEDED)
    assert not finish(database, later, left, State.SUCCEEDED)


def test_a_stale_epoch_can_do_nothing(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    database.run(lambda session: epochs.take_epoch(session, DSD, "two", 2000))
    with pytest.raises(StaleEpoch):
        claim(database, epoch, one)
    with pytest.raises(StaleEpoch):
        open_one(database, epoch, "other")
    with pytest.raises(StaleEpoch):
        database.run(lambda session: activations.close(session, [one], epoch, 3.0))
    with pytest.raises(StaleEpoch):
        database.run(lambda session: activations.orphan(session, epoch, 3.0))
    assert [record.state for record in find(database).records] == [State.PENDING]


def test_people_ask_approve_cancel_and_resolve(database: Database, epoch: int) -> None:
    def settle(one: str, to: State, now: float = 5.0) -> State:
        return database.run(lambda session: activations.settle(session, one, to, "by hand", now)).state

    asked = open_one(database, None, "asked", state=State.AWAITING, standing=False)
    assert settle(asked, State.PENDING) is State.PENDING
    assert settle(asked, State.CANCELLED) is State.CANCELLED
    lost = open_one(database, epoch, "lost")
    claim(database, epoch, lost)
    later = database.run(lambda session: epochs.take_epoch(session, DSD, "two", 2000))
    database.run(lambda session: activations.orphan(session, later, 9.0))
    assert settle(lost, State.PENDING) is State.PENDING
    assert claim(database, later, lost) == (lost,)


def test_a_step_that_cannot_follow_is_refused_with_those_that_can(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    for to, said in ((State.SUCCEEDED, "allowed: awaiting, cancelled$"), (State.RUNNING, "allowed: awaiting")):
        with pytest.raises(CongressError, match=said) as caught:
            database.run(lambda session, to=to: activations.settle(session, one, to, None, 5.0))  # type: ignore[misc]
        assert caught.value.code.name == "conflict"
    claim(database, epoch, one)
    with pytest.raises(CongressError, match="until its run has ended"):
        database.run(lambda session: activations.settle(session, one, State.FAILED, None, 5.0))
    with pytest.raises(CongressError, match="'nowhere'"):
        database.run(lambda session: activations.settle(session, "nowhere", State.FAILED, None, 5.0))


def test_closing_keeps_the_state_and_happens_once(database: Database, epoch: int) -> None:
    one, two = open_one(database, epoch, "a"), open_one(database, epoch, "b")
    assert database.run(lambda session: activations.close(session, [one], epoch, 7.0)) == 1
    assert database.run(lambda session: activations.close(session, [one], epoch, 8.0)) == 0
    assert (get(database, one).closed_at, get(database, one).state) == (7.0, State.PENDING)
    assert [record.id for record in find(database, is_open=True).records] == [two]
    assert [record.id for record in find(database, is_open=False).records] == [one]


def test_listing_pages_from_the_newest_and_filters(database: Database, epoch: int) -> None:
    ids = [open_one(database, epoch, f"k{n}", now=float(n // 2), source=f"s{n % 2}") for n in range(9)]
    seen: list[str] = []
    following = None
    while True:
        page = find(database, 2, following)
        seen += [record.id for record in page.records]
        following = page.following
        if following is None:
            break
    assert sorted(seen) == sorted(ids)
    assert [get(database, one).created_at for one in seen] == [4.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0]
    assert len(find(database, source="s1").records) == 4
    assert find(database, source="S1").records == ()
    claim(database, epoch, ids[0], now=9.0)
    assert [record.id for record in find(database, states=[State.RUNNING]).records] == [ids[0]]
    assert len(find(database, subject="row", policy="p", action="pause").records) == 9


def test_pruning_keeps_the_newest_the_open_and_the_unknown(database: Database, epoch: int) -> None:
    ids = [open_one(database, epoch, f"k{n}", now=float(n)) for n in range(6)]
    claim(database, epoch, *ids, now=10.0)
    for one in ids[1:]:
        finish(database, epoch, one, State.SUCCEEDED, now=20.0 + ids.index(one))
    finish(database, epoch, ids[0], State.UNKNOWN, now=20.0)
    database.run(lambda session: activations.close(session, [one for one in ids if one != ids[1]], epoch, 30.0))

    def prune(older_than: float, keep: int, limit: int = 1000) -> int:
        return database.run(lambda session: activations.prune(session, older_than, keep, limit))

    assert prune(older_than=0.0, keep=100) == 0
    assert prune(older_than=22.5, keep=100) == 1
    assert prune(older_than=0.0, keep=1, limit=1) == 1
    assert prune(older_than=0.0, keep=1) == 1
    assert {record.id for record in find(database).records} == {ids[0], ids[1], ids[5]}
