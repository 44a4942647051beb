"""How transactions live through what MariaDB and Galera do to them: the real failures, and each code by injection."""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import Any

import pymysql
import pytest
from sqlalchemy import event, exc, insert, select, text, update
from sqlalchemy.orm import Session

from congressd.model.errors import CongressError
from congressd.store import models, policies, retry
from congressd.store.changes import PolicyCreated
from congressd.store.database import Database, Limits
from tests.ports import free_port
from tests.service.mariadb import PASSWORD, MariaDB
from tests.unit.store.fixtures import Connect, ManualClock, policy

pytestmark = pytest.mark.mariadb


def put(session: Session, name: str = "a") -> None:
    session.execute(insert(models.Setting), {"name": name, "value": "0"})


def touch(session: Session, name: str) -> None:
    session.execute(update(models.Setting).where(models.Setting.name == name).values(value=models.Setting.value + "1"))


def names(database: Database) -> list[str]:
    return sorted(database.read(lambda session: session.scalars(select(models.Setting.name)).all()))


def fail_inserts(database: Database, failures: list[BaseException]) -> None:
    """The next INSERTs fail with these, as if the server had said so."""

    @event.listens_for(database.engine, "do_execute")
    def do_execute(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if statement.startswith("INSERT") and failures:
            raise failures.pop()


@pytest.mark.parametrize("code", [code for code in retry.MYSQL if code])
def test_every_code_of_the_table_is_run_again(database: Database, code: int) -> None:
    failures: list[BaseException] = [pymysql.err.OperationalError(code, "injected") for _ in range(2)]
    fail_inserts(database, failures)
    database.run(put)
    assert failures == []
    assert names(database) == ["a"]


def test_a_connection_closed_by_the_driver_is_made_again(database: Database) -> None:
    fail_inserts(database, [pymysql.err.InterfaceError(0, "")])
    database.run(put)
    assert names(database) == ["a"]


@pytest.mark.parametrize("code", [1213, 1047, 2013])
def test_a_failure_at_commit_runs_the_whole_work_again(database: Database, code: int) -> None:
    runs: list[int] = []

    @event.listens_for(database.engine, "commit")
    def fail_once(connection: Any) -> None:
        if len(runs) == 1:
            raise exc.OperationalError("COMMIT", {}, pymysql.err.OperationalError(code, "wsrep aborted"))

    def work(session: Session) -> None:
        runs.append(1)
        put(session)

    database.run(work)
    assert len(runs) == 2
    assert names(database) == ["a"]


def test_a_commit_whose_answer_is_lost_is_not_made_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server commits, then the connection breaks before the client hears of it."""
    lost: list[int] = []
    commit = database.engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        commit(connection)
        if not lost:
            lost.append(1)
            raise pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")

    monkeypatch.setattr(database.engine.dialect, "do_commit", do_commit)
    one = PolicyCreated(policy("one"))
    assert database.run(lambda session: policies.commit(session, 0, [one], "me", 1.5)) == 1
    assert lost == [1]
    assert list(database.read(policies.load).policies) == [one.record.id]


def test_a_real_deadlock_is_run_again(database: Database, connect: Connect) -> None:
    for name in "ab":
        database.run(lambda session: put(session, name))  # noqa: B023  # run at once
    has_first = {"a": Event(), "b": Event()}
    runs = {"a": 0, "b": 0}

    def work(session: Session, first: str, second: str) -> None:
        runs[first] += 1
        touch(session, first)
        has_first[first].set()
        assert has_first[second].wait(60)
        touch(session, second)

    threads = [
        Thread(target=connect().run, args=(lambda session, way=way: work(session, *way),)) for way in ("ab", "ba")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(runs.values()) == [1, 2]
    values = database.read(lambda session: session.scalars(select(models.Setting.value)).all())
    assert list(values) == ["011", "011"]


def test_a_lock_that_lasts_too_long_is_asked_for_again(database: Database, connect: Connect, mariadb: MariaDB) -> None:
    database.run(put)
    stranger = mariadb.root()
    stranger.begin()
    stranger.cursor().execute(f"UPDATE {database.url.database}.settings SET value = 'x'")
    patient = connect(limits=Limits(lock_timeout=1), pause=lambda seconds: stranger.rollback())
    patient.run(lambda session: touch(session, "a"))
    assert list(database.read(lambda session: session.scalars(select(models.Setting.value)).all())) == ["01"]
    stranger.close()


def test_a_connection_that_the_server_kills_is_made_again(database: Database, mariadb: MariaDB) -> None:
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        put(session)
        if len(runs) == 1:
            mine = session.scalar(text("SELECT CONNECTION_ID()"))
            with mariadb.root() as root, root.cursor() as cursor:
                cursor.execute(f"KILL {mine}")
            session.execute(select(models.Setting))

    database.run(work)
    assert len(runs) == 2
    assert names(database) == ["a"]


def test_a_snapshot_that_changed_is_run_again(database: Database, connect: Connect) -> None:
    """innodb_snapshot_isolation (the default from MariaDB 11.6) answers 1020 where a row changed after the snapshot."""
    database.run(put)
    other = connect()
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        session.execute(text("SET SESSION innodb_snapshot_isolation = ON"))
        session.execute(select(models.Setting)).all()
        if len(runs) == 1:
            other.run(lambda session: touch(session, "a"))
        touch(session, "a")

    raised: list[int] = []

    @event.listens_for(database.engine, "handle_error")
    def remember(context: Any) -> None:
        raised.append(retry.mysql_code(context.original_exception))

    database.run(work)
    assert raised == [1020]
    assert len(runs) == 2


def test_a_server_that_dies_under_write_is_waited_for(database: Database, mariadb: MariaDB) -> None:
    """Killed as by a power failure, started again: what was committed is there, what runs goes on by itself."""
    committed: list[int] = []
    failures: list[BaseException] = []
    stop, progress = Event(), Event()

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                name = str(number)
                database.run(lambda session: _put_once(session, name), deadline=60.0)  # noqa: B023  # run at once
                committed.append(number)
                number += 1
                progress.set()
        except BaseException as error:
            failures.append(error)

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            progress.clear()
            assert progress.wait(60)
            mariadb.kill()
            mariadb.start()
        progress.clear()
        assert progress.wait(60)
    finally:
        stop.set()
        writer.join(timeout=90)
    assert failures == []
    assert names(database) == sorted(map(str, committed))


def _put_once(session: Session, name: str) -> None:
    if session.scalar(select(models.Setting.name).where(models.Setting.name == name)) is None:
        put(session, name)


def test_a_server_that_is_not_there_is_unavailable_in_time(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    url = f"mysql+pymysql://congress:{PASSWORD}@127.0.0.1:{free_port()}/x"
    database = Database(url, clock, pause=clock.advance)
    with caplog.at_level(logging.DEBUG), pytest.raises(CongressError, match=r"within 15 s.*2003") as caught:
        database.run(put)
    assert caught.value.code.name == "unavailable"
    assert PASSWORD not in f"{caught.value} {caught.value.__cause__} {database!r} {caplog.text}"


def test_a_refused_login_says_so_at_once_and_without_the_password(mariadb: MariaDB) -> None:
    database = Database(mariadb.url("mysql").replace(PASSWORD, "wr0ng"))
    with pytest.raises(CongressError, match=r"congress:\*\*\*@.*Access denied") as caught:
        database.run(put)
    assert caught.value.code.name == "unavailable"
    assert "wr0ng" not in f"{caught.value} {caught.value.__cause__}"


def test_every_connection_has_the_settings(database: Database) -> None:
    wanted = {
        "tx_isolation": "READ-COMMITTED",
        "innodb_lock_wait_timeout": 2,
        "character_set_client": "utf8mb4",
        "wsrep_sync_wait": 0,
    }

    def read(session: Session) -> dict[str, object]:
        return {name: session.scalar(text(f"SELECT @@SESSION.{name}")) for name in wanted}

    assert database.run(read) == wanted
    mode = database.run(lambda session: session.scalar(text("SELECT @@SESSION.sql_mode")))
    assert "STRICT_ALL_TABLES" in str(mode)


def test_a_causal_read_asks_galera_to_wait(database: Database) -> None:
    def read(session: Session) -> object:
        return session.scalar(text("SELECT @@SESSION.wsrep_sync_wait"))

    assert (database.read(read, causal=True), database.read(read)) == (1, 0)


def test_every_table_is_innodb_with_binary_collation(database: Database) -> None:
    query = text(
        "SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_name <> 'alembic_version'"
    )
    found = database.read(lambda session: {tuple(row) for row in session.execute(query)})
    assert found == {(name, "InnoDB", "utf8mb4_nopad_bin") for name in models.Base.metadata.tables}
    columns = text(
        "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND table_name <> 'alembic_version' AND collation_name IS NOT NULL"
    )
    assert database.read(lambda session: list(session.scalars(columns))) == ["utf8mb4_nopad_bin"]


def test_no_column_counts_up_by_itself(database: Database) -> None:
    query = text(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND extra LIKE '%auto_inc%'"
    )
    assert database.read(lambda session: list(session.scalars(query))) == []
