"""Polling: delays and back-off, and what a poll that fails, comes too late or is not confirmed does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.bus.streams import Heartbeat
from congressd.datasources.driver import Driver, DriverInfo, Fetch, FetchedTable, FetchError, PollRequest
from congressd.dsd.polled import JITTER, MOST_BACK_OFF, PolledSource, next_delay
from congressd.dsd.source import Means
from congressd.model.clock import Clock, SystemClock
from congressd.model.errors import CongressError
from congressd.model.tables import Batch, BatchKind, Column, TableSchema
from congressd.store.records import SourceRecord
from tests.unit.dsd.support import House

TABLE = TableSchema("t", (Column("id"),))


def test_a_poll_that_went_well_is_followed_by_one_after_the_poll_time() -> None:
    assert next_delay(10.0, 0, None, 0.5) == 10.0


def test_failures_double_the_delay_up_to_a_limit() -> None:
    assert [next_delay(10.0, failures, None, 0.5) for failures in range(1, 7)] == [10, 20, 40, 80, 100, 100]
    assert next_delay(60.0, 9, None, 0.5) == MOST_BACK_OFF
    assert next_delay(3600.0, 9, None, 0.5) == 3600.0


def test_a_poll_time_of_nothing_polls_on_request_only() -> None:
    assert next_delay(0, 0, None, 0.5) is None
    assert next_delay(0, 3, None, 0.5) is None
    assert next_delay(0, 0, 0.2, 0.5) == 0.2


def test_a_driver_may_ask_to_be_polled_again_sooner() -> None:
    assert next_delay(10.0, 0, 0.2, 0.5) == 0.2


@given(st.floats(0.01, 1e6), st.integers(0, 10_000), st.floats(0, 1))
def test_delays_are_spread_but_stay_near_what_was_asked(poll_time: float, failures: int, chance: float) -> None:
    delay = next_delay(poll_time, failures, None, chance)
    assert delay is not None
    assert poll_time * (1 - JITTER) <= delay <= max(poll_time, MOST_BACK_OFF) * (1 + JITTER)


class ScriptedDriver(Driver):
    """Answers each poll as the test says."""

    info = DriverInfo(name="scripted", description="Answers as a test says", tables=(TABLE,))

    def __init__(self) -> None:
        super().__init__(self.check_config({}))
        self.answer: Callable[[PollRequest], Fetch] = lambda _request: Fetch()

    def poll(self, request: PollRequest) -> Fetch:
        return self.answer(request)


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self, time: float) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


class Recorder:
    """A publisher that keeps what it is given; ``broken``: it confirms nothing."""

    connected = True

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.broken = False

    def publish(self, batch: Batch, to: str | None = None) -> None:
        if self.broken:
            raise CongressError("unavailable", "the bus did not confirm the batch")
        self.batches.append(batch)

    def heartbeat(self, heartbeats: Sequence[Heartbeat]) -> None:
        """Not looked at here."""

    def close(self, timeout: float = 5.0) -> None:
        """There is nothing to let go of."""


class Stage:
    """One polled source with a scripted driver, and what it published."""

    def __init__(self, house: House, clock: Clock | None = None) -> None:
        self.may_publish = True
        self.publisher = Recorder()
        self.driver = ScriptedDriver()
        means = Means(house.database, self.publisher, clock or SystemClock(), lambda: self.may_publish)
        record = SourceRecord("1", "cloud", "scripted")
        self.source = PolledSource(record, self.driver, means, chance=lambda: 0.5)
        self.source.activate(1)

    def poll(self, answer: Fetch | Exception) -> float | None:
        def give(_request: PollRequest) -> Fetch:
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.driver.answer = give
        return self.source.work()


def rows(*ids: int) -> Fetch:
    return Fetch({"t": FetchedTable(TABLE, [(number,) for number in ids])})


@pytest.fixture
def stage(house: House) -> Stage:
    return Stage(house)


def test_failures_back_off_and_a_success_ends_that(stage: Stage) -> None:
    assert [stage.poll(FetchError("away")) for _ in range(3)] == [10.0, 20.0, 40.0]
    assert stage.poll(rows(1)) == 10.0
    assert stage.source.status()["state"] == "ok"


def test_a_driver_that_raises_anything_is_a_failure_with_a_sentence(stage: Stage) -> None:
    stage.poll(ZeroDivisionError("division by zero"))
    assert stage.source.status()["error"] == "The driver failed with ZeroDivisionError: division by zero"


def test_only_the_first_poll_of_an_epoch_asks_for_everything(stage: Stage) -> None:
    asked: list[bool] = []

    def answer(request: PollRequest) -> Fetch:
        asked.append(request.full)
        return rows(1)

    stage.driver.answer = answer
    stage.source.work()
    stage.source.work()
    stage.source.activate(2)
    stage.source.work()
    assert asked == [True, False, True]


def test_rows_that_were_refused_are_asked_for_again(stage: Stage) -> None:
    stage.poll(rows(1))
    stage.poll(Fetch({"t": FetchedTable(TABLE, [(1, 2)])}))
    asked: list[bool] = []

    def answer(request: PollRequest) -> Fetch:
        asked.append(request.full)
        return rows(1)

    stage.driver.answer = answer
    stage.source.work()
    assert asked == [True]


def test_nothing_is_published_before_every_table_has_come_to_rest(stage: Stage) -> None:
    assert stage.poll(Fetch(pending=frozenset({"t"}), again_in=0.2)) == 0.2
    assert stage.publisher.batches == []
    stage.poll(rows(1))
    assert [batch.kind for batch in stage.publisher.batches] == [BatchKind.SNAPSHOT]


def test_a_table_without_a_first_success_is_declared_but_not_delivered(stage: Stage) -> None:
    stage.poll(Fetch(errors={"t": "t is away"}))
    (batch,) = stage.publisher.batches
    assert batch.schema == (TABLE,)
    assert dict(batch.tables) == {}
    assert stage.source.status()["state"] == "partial"


def test_a_poll_that_ends_after_its_epoch_comes_to_nothing(stage: Stage) -> None:
    def answer(_request: PollRequest) -> Fetch:
        stage.source.activate(2)
        return rows(1)

    stage.driver.answer = answer
    assert stage.source.work() is None
    assert stage.publisher.batches == []


def test_a_poll_that_ends_after_the_source_was_stopped_comes_to_nothing(stage: Stage) -> None:
    def answer(_request: PollRequest) -> Fetch:
        stage.source.close()
        return rows(1)

    stage.driver.answer = answer
    assert stage.source.work() is None
    assert stage.publisher.batches == []


def test_nothing_is_published_after_the_lease_has_ended(stage: Stage) -> None:
    stage.poll(rows(1))
    stage.may_publish = False
    stage.poll(rows(2))
    assert stage.source.publish_snapshot("somebody", 1.0)
    assert len(stage.publisher.batches) == 1


def test_a_batch_that_the_bus_did_not_confirm_leaves_a_gap_in_the_sequence(stage: Stage) -> None:
    stage.poll(rows(1))
    stage.publisher.broken = True
    stage.poll(rows(2))
    stage.publisher.broken = False
    stage.poll(rows(3))
    assert [batch.sequence for batch in stage.publisher.batches] == [1, 3]
    assert stage.source.status()["unconfirmed"] == 1
    beat = stage.source.heartbeat()
    assert beat is not None
    assert beat.sequence == 3


def test_a_schema_that_changes_makes_the_batch_a_snapshot(stage: Stage) -> None:
    stage.poll(rows(1))
    wider = TableSchema("t", (*TABLE.columns, Column("zone")))
    stage.poll(Fetch({"t": FetchedTable(wider, [(1, "z")])}))
    first, second = stage.publisher.batches
    assert (second.sequence, second.kind, second.schema) == (first.sequence + 1, BatchKind.SNAPSHOT, (wider,))


def test_a_source_is_as_old_as_its_oldest_rows(house: House) -> None:
    clock = ManualClock(1000.0)
    stage = Stage(house, clock)
    other = TableSchema("other", (Column("id"),))
    both = {"t": FetchedTable(TABLE, [(1,)]), "other": FetchedTable(other, [(1,)])}
    stage.poll(Fetch(both))
    clock.advance(60.0)
    stage.poll(Fetch({"t": FetchedTable(TABLE, [(2,)])}, errors={"other": "other is away"}))
    assert stage.publisher.batches[-1].fetched_at == 1000.0
    assert stage.source.status()["age_seconds"] == 60.0
    stage.poll(Fetch(both))
    assert stage.source.status()["age_seconds"] == 0.0
