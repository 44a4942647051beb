"""Whole transactions: all or nothing, again until they are through, never past the deadline. Runs on every database."""

from __future__ import annotations

from threading import Thread

import pytest
from sqlalchemy import exc, insert, select, text, update
from sqlalchemy.orm import Session

from congressd.model.errors import CongressError
from congressd.store import models
from congressd.store.database import Database
from congressd.store.retry import LostRace
from congressd.store.rows import matched
from tests.unit.store.fixtures import Connect, ManualClock


def put(session: Session, name: str = "a", value: str = "1") -> None:
    session.execute(insert(models.Setting), {"name": name, "value": value})


def names(database: Database) -> list[str]:
    return list(database.read(lambda session: session.scalars(select(models.Setting.name)).all()))


def test_what_the_work_returns_is_returned_once_it_is_committed(database: Database, connect: Connect) -> None:
    def work(session: Session) -> str:
        put(session)
        return "done"

    assert database.run(work) == "done"
    assert names(connect()) == ["a"]


def test_what_the_work_raises_is_raised_and_nothing_stays(database: Database) -> None:
    def work(session: Session) -> None:
        put(session)
        raise CongressError("bad_request", "no")

    with pytest.raises(CongressError, match="no"):
        database.run(work)
    assert names(database) == []


def test_a_lost_race_is_run_again_from_the_start(database: Database) -> None:
    runs: list[int] = []

    def work(session: Session) -> int:
        runs.append(len(runs))
        put(session)
        if len(runs) < 4:
            raise LostRace
        return len(runs)

    assert database.run(work) == 4
    assert names(database) == ["a"]


def test_at_the_deadline_the_answer_is_unavailable(database: Database, connect: Connect) -> None:
    clock = ManualClock()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)

    def work(session: Session) -> None:
        put(session)
        raise LostRace("others were first")

    begun = clock.time
    with pytest.raises(CongressError, match=r"within 3 s .*others were first") as caught:
        connect(clock=clock, pause=pause).run(work, deadline=3.0)
    assert caught.value.code.name == "unavailable"
    assert len(pauses) > 3
    assert clock.time < begun + 3.0
    assert names(database) == []


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises((CongressError, exc.DBAPIError)):
        database.read(put)
    assert names(database) == []
    database.run(put)
    assert names(database) == ["a"]


@pytest.mark.parametrize("causal", [False, True])
def test_reading_leaves_the_connection_as_it_was(database: Database, causal: bool) -> None:
    for _ in range(3):
        assert database.read(lambda session: session.scalars(select(models.Setting)).all(), causal=causal) == []
        with pytest.raises(CongressError, match="work's own"):
            database.read(_fail, causal=causal)
    database.run(put)
    assert names(database) == ["a"]


def _fail(session: Session) -> None:
    session.execute(select(models.Setting))
    raise CongressError("bad_request", "the work's own failure")


def test_rows_that_an_update_leaves_as_they_were_count_as_matched(database: Database) -> None:
    database.run(put)
    same = update(models.Setting).where(models.Setting.name == "a").values(value="1")
    none = update(models.Setting).where(models.Setting.name == "b").values(value="1")
    assert database.run(lambda session: (matched(session, same), matched(session, none))) == (1, 0)


def test_a_violated_key_is_the_works_own_matter(database: Database) -> None:
    database.run(put)
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        put(session)

    with pytest.raises(exc.IntegrityError) as caught:
        database.run(work)
    assert len(runs) == 1
    assert "[parameters" not in str(caught.value)


def test_more_threads_than_connections_wait_for_their_turn(connect: Connect, database: Database) -> None:
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for step in range(5):
                database.run(lambda session: put(session, f"{number}-{step}"))  # noqa: B023  # run at once
                names(database)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=write, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []
    assert len(names(database)) == 120


def test_text_of_any_length_is_kept(database: Database) -> None:
    long = "ä\U0001f6a8" * 200_000
    database.run(lambda session: put(session, value=long))
    assert database.read(lambda session: session.scalar(select(models.Setting.value))) == long


def test_a_statement_that_is_wrong_says_so_at_once(database: Database) -> None:
    with pytest.raises((CongressError, exc.ProgrammingError)):
        database.run(lambda session: session.execute(text("SELEKT 1")))
