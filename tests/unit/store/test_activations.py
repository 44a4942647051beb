"""The execution log: every step once or not at all, none under a stale epoch. Runs on every database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from congressd.model.actions import State
from congressd.model.errors import CongressError
from congressd.store import activations, epochs, execution
from congressd.store.activations import ActivationRecord, Filter, NewActivation, Page, Settled
from congressd.store.database import Database
from congressd.store.epochs import DSD, StaleEpoch
from congressd.store.execution import Ended, Steps

NEW = NewActivation(
    "k", "row", "nova", "pause", args=["vm \U0001f6a8", 10**20], why={"rows": [[None, True]]}, policy="p", rule_id="r"
)


@pytest.fixture
def epoch(database: Database) -> int:
    return database.run(lambda session: epochs.take_epoch(session, DSD, "one", 1000))


def carry_out(database: Database, epoch: int, now: float = 2.0, **steps: Any) -> frozenset[str]:
    return database.run(lambda session: execution.carry_out(session, Steps(**steps), epoch, "one", now))


def open_one(database: Database, epoch: int, key: str = "k", now: float = 1.0, **more: Any) -> str:
    new = replace(NEW, **({"key": key, "id": f"id-{key}"} | more))
    carry_out(database, epoch, now, opened=[new])
    return new.id


def ask_one(database: Database, key: str, **more: Any) -> str:
    new = replace(NEW, **({"key": key, "id": f"id-{key}", "rule_id": ""} | more))
    return database.run(lambda session: activations.request(session, new, 1.0)).id


def claim(database: Database, epoch: int, *ids: str, now: float = 2.0) -> tuple[str, ...]:
    refused = carry_out(database, epoch, now, started=ids)
    return tuple(one for one in ids if one not in refused)


def finish(database: Database, epoch: int, one: str, to: State, now: float = 3.0, not_before: float = 0.0) -> bool:
    return not carry_out(database, epoch, now, ended=[Ended(one, to, {"to": to}, not_before)])


def settle(database: Database, one: str, before: State, to: State, now: float = 5.0) -> ActivationRecord:
    return database.run(lambda session: activations.settle(session, one, {before}, to, Settled(to.value, "me", now)))


def get(database: Database, one: str) -> ActivationRecord:
    return database.read(lambda session: activations.get(session, one))


def find(database: Database, limit: int = 100, following: tuple[float, str] | None = None, **wanted: object) -> Page:
    return database.read(lambda session: activations.find(session, Filter(**wanted), limit, following))  # type: ignore[arg-type]


def test_an_activation_comes_back_as_it_was_opened(database: Database, epoch: int) -> None:
    new = replace(NEW, requested_by="anna", not_before=7.5)
    carry_out(database, epoch, 1.5, opened=[new])
    opened = get(database, new.id)
    assert (opened.key, opened.args, opened.why, opened.policy) == (NEW.key, NEW.args, NEW.why, "p")
    assert (opened.state, opened.attempts, opened.created_at, opened.closed_at) == (State.PENDING, 0, 1.5, None)
    assert (opened.requested_by, opened.not_before) == ("anna", 7.5)


def test_one_that_is_opened_running_is_in_its_first_attempt(database: Database, epoch: int) -> None:
    one = get(database, open_one(database, epoch, state=State.RUNNING))
    assert (one.state, one.epoch, one.node, one.attempts, one.started_at) == (State.RUNNING, epoch, "one", 1, 1.0)


def test_a_row_has_one_open_activation_and_another_once_that_is_closed(database: Database, epoch: int) -> None:
    first = open_one(database, epoch)
    assert carry_out(database, epoch, 1.0, opened=[replace(NEW, id=first)]) == frozenset()  # told twice
    work = Steps(opened=[replace(NEW, id="another")])
    with pytest.raises(CongressError, match="did not take the transaction"):
        database.run(lambda session: execution.carry_out(session, work, epoch, "one", 2.0), 0.1)
    carry_out(database, epoch, 3.0, closed=[first])
    carry_out(database, epoch, 4.0, opened=[replace(NEW, id="another")])
    assert {record.id for record in find(database).records} == {first, "another"}


def test_asking_twice_under_one_key_asks_once(database: Database, epoch: int) -> None:
    one = ask_one(database, "asked")
    assert ask_one(database, "asked", id="another") == one
    assert get(database, one).closed_at == 1.0


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
    assert claim(database, epoch, one, now=2.0) == (one,)
    assert claim(database, epoch, one, now=2.0) == (one,)  # the same claim, twice told
    assert claim(database, epoch, one, now=2.5) == ()
    assert get(database, one).attempts == 1


def test_a_run_that_failed_may_wait_for_another_try(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    claim(database, epoch, one)
    assert finish(database, epoch, one, State.PENDING, now=6.0, not_before=8.0)
    waiting = get(database, one)
    assert (waiting.state, waiting.not_before, waiting.finished_at) == (State.PENDING, 8.0, None)
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
    assert database.run(lambda session: execution.orphan(session, later, 9.0)) == 1
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
        carry_out(database, epoch, 3.0, closed=[one])
    with pytest.raises(StaleEpoch):
        database.run(lambda session: execution.orphan(session, epoch, 3.0))
    assert [record.state for record in find(database).records] == [State.PENDING]


def test_people_approve_cancel_resolve_and_try_again(database: Database, epoch: int) -> None:
    asked = ask_one(database, "asked", state=State.AWAITING)
    assert settle(database, asked, State.AWAITING, State.PENDING).state is State.PENDING
    assert settle(database, asked, State.PENDING, State.CANCELLED, now=6.0).state is State.CANCELLED
    assert settle(database, asked, State.PENDING, State.CANCELLED, now=6.0).state is State.CANCELLED  # told twice
    lost = open_one(database, epoch, "lost")
    claim(database, epoch, lost)
    later = database.run(lambda session: epochs.take_epoch(session, DSD, "two", 2000))
    database.run(lambda session: execution.orphan(session, later, 9.0))
    assert settle(database, lost, State.UNKNOWN, State.PENDING).settled == (Settled("pending", "me", 5.0),)
    assert claim(database, later, lost, now=10.0) == (lost,)


def test_what_people_said_stays_whatever_the_result(database: Database, epoch: int) -> None:
    one = open_one(database, epoch, state=State.AWAITING, result={"held": "why"})
    assert get(database, one).settled == ()
    approved = settle(database, one, State.AWAITING, State.PENDING, now=1.5)
    assert (approved.result, approved.settled) == ({"held": "why"}, (Settled("pending", "me", 1.5),))
    claim(database, epoch, one)
    finish(database, epoch, one, State.FAILED)
    settle(database, one, State.FAILED, State.PENDING, now=4.0)
    carry_out(database, epoch, 6.0, closed=[one])
    gone = get(database, one)
    assert gone.result == {"cancelled": "the row holds no longer"}
    assert [each.at for each in gone.settled] == [1.5, 4.0]


def test_a_step_that_cannot_follow_is_refused(database: Database, epoch: int) -> None:
    one = open_one(database, epoch)
    with pytest.raises(CongressError, match="is pending; only one that is unknown can be succeeded") as caught:
        settle(database, one, State.UNKNOWN, State.SUCCEEDED)
    assert caught.value.code.name == "conflict"
    with pytest.raises(CongressError, match="'nowhere'"):
        settle(database, "nowhere", State.UNKNOWN, State.FAILED)


def test_what_stands_for_a_row_that_is_gone_is_not_tried_again(database: Database, epoch: int) -> None:
    one = open_one(database, epoch, state=State.RUNNING)
    finish(database, epoch, one, State.UNKNOWN)
    carry_out(database, epoch, 4.0, closed=[one])
    with pytest.raises(CongressError, match="holds no longer"):
        settle(database, one, State.UNKNOWN, State.PENDING)
    assert settle(database, one, State.UNKNOWN, State.FAILED).state is State.FAILED


def test_closing_cancels_what_waits_and_leaves_the_rest(database: Database, epoch: int) -> None:
    ids = [open_one(database, epoch, key) for key in "abcd"]
    claim(database, epoch, *ids[1:3])
    finish(database, epoch, ids[2], State.SUCCEEDED)
    carry_out(database, epoch, 7.0, closed=ids[:3])
    carry_out(database, epoch, 8.0, closed=ids[:3])
    records = [get(database, one) for one in ids]
    assert [(record.state, record.closed_at) for record in records] == [
        (State.CANCELLED, 7.0),
        (State.RUNNING, 7.0),
        (State.SUCCEEDED, 7.0),
        (State.PENDING, None),
    ]
    assert [record.id for record in find(database, is_open=True).records] == [ids[3]]
    still = database.read(execution.open_ones)
    assert {(record.id, record.closed) for record in still} == {(ids[1], True), (ids[3], False)}


def test_an_idempotent_one_is_taken_up_again(database: Database, epoch: int) -> None:
    one = open_one(database, epoch, state=State.RUNNING)
    finish(database, epoch, one, State.UNKNOWN)
    carry_out(database, epoch, 4.0, rerun=[one])
    assert database.read(execution.pending_ids) == [one]
    assert database.read(lambda session: execution.starts_since(session, 0.5)) == [("r", 1.0)]
    assert database.read(activations.counts) == {State.PENDING: 1}


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
    carry_out(database, epoch, 30.0, closed=[one for one in ids if one != ids[1]])

    def prune(older_than: float, keep: int, limit: int = 1000) -> int:
        return database.run(lambda session: activations.prune(session, older_than, keep, limit))

    assert prune(older_than=0.0, keep=100) == 0
    assert prune(older_than=22.5, keep=100) == 1
    assert prune(older_than=0.0, keep=1, limit=1) == 1
    assert prune(older_than=0.0, keep=1) == 1
    assert {record.id for record in find(database).records} == {ids[0], ids[1], ids[5]}
