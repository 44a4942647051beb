"""The connection to the database: engine options, whole transactions with retry, snapshots for readers.

Everything that is written goes through `Database.run`, everything that is only read through `Database.read`. The work
is a function of a session, and may be run several times: it must have no effect but those on the session.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from congressd.model.clock import Clock, SystemClock
from congressd.model.errors import CongressError
from congressd.store import retry

T = TypeVar("T")

_ACCESS: Final = "congressd_access"  #: execution option: "read" or "write"


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and time-outs, in seconds.

    ``deadline`` bounds a whole transaction with all its retries. It must exceed the stall of a Galera cluster that
    loses a node (evs.inactive_timeout, about 5 s at the usual settings). A statement that is under way is not cut off
    by it: a server that hangs is noticed after ``read_timeout``.
    """

    deadline: float = 15.0
    pool_size: int = 5
    pool_overflow: int = 10
    pool_timeout: float = 5.0
    connect_timeout: int = 5
    read_timeout: int = 30
    write_timeout: int = 30
    lock_timeout: int = 5
    recycle: int = 280  #: below the idle time-outs of the usual proxies


class Database:
    """One database: ``sqlite:////path/file`` or ``mysql+pymysql://user:password@host/name`` (MariaDB, Galera).

    Thread-safe. ``pause`` is how it waits between two runs of a transaction.
    """

    def __init__(
        self,
        url: str | URL,
        clock: Clock | None = None,
        limits: Limits | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connects lazily. Raises CongressError("bad_request") for an URL that cannot be used."""
        self._clock = clock or SystemClock()
        self._limits = limits or Limits()
        self._pause = pause
        self.url = _usable_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        # SQLite has one writer at a time; waiting here is fair and costs nothing, its own busy handler is neither.
        self._turn = threading.Lock() if self.is_sqlite else None
        if self.is_sqlite:
            _make_private_file(str(self.url.database))
        self.engine = create_engine(self.url, **self._engine_options())
        event.listen(self.engine, "connect", self._on_connect)
        event.listen(self.engine, "begin", _on_begin_sqlite if self.is_sqlite else _on_begin_mysql)
        self._readers = self.engine.execution_options(**{_ACCESS: "read"})
        self._writers = self.engine.execution_options(**{_ACCESS: "write"})

    def __repr__(self) -> str:
        return f"Database({self.name})"

    @property
    def name(self) -> str:
        """The URL with its password hidden, for logs and messages."""
        return self.url.render_as_string(hide_password=True)

    def run(self, work: Callable[[Session], T], deadline: float | None = None) -> T:
        """Run a whole writing transaction, again and again until it is committed.

        ``deadline`` is in seconds from now (default `Limits.deadline`). Raises what the work raises (after rolling
        back), and CongressError("unavailable") if the database cannot be reached or others always come first. If the
        connection is lost at COMMIT the work is run again although it may have been committed: it must recognise its
        own effect, as `policies.commit` and `pushes.append` do.
        """

        def attempt(left: float) -> T:
            with self._my_turn(left), Session(self._writers) as session, session.begin():
                return work(session)

        return self._again(attempt, deadline)

    def read(self, work: Callable[[Session], T], *, causal: bool = False, deadline: float | None = None) -> T:
        """Run a reading transaction on one unchanging snapshot of the database; it cannot write.

        ``causal=True`` waits on Galera until this node has applied all that was committed on any node before now.
        Raises as `run` does.
        """

        def attempt(left: float) -> T:
            del left
            with Session(self._readers) as session:
                if not causal or self.is_sqlite:
                    return work(session)
                session.execute(text("SET SESSION wsrep_sync_wait = 1"))
                try:
                    return work(session)
                finally:
                    _forget_causality(session)

        return self._again(attempt, deadline)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in a writing transaction without retry, for migrations."""
        with self._translated(), self._my_turn(self._limits.deadline), self._writers.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    def _again(self, attempt: Callable[[float], T], deadline: float | None) -> T:
        allowed = self._limits.deadline if deadline is None else deadline
        end = self._clock.monotonic() + allowed
        number = 0
        while True:
            try:
                return attempt(end - self._clock.monotonic())
            except (exc.SQLAlchemyError, retry.LostRace) as error:
                cause = retry.cause_of(error)
                if cause is None:
                    raise self._translate(error) from error
                wait = retry.pause(cause, number, random.random)
                if self._clock.monotonic() + wait >= end:
                    raise self._give_up(error, number + 1, allowed) from error
            number += 1
            self._pause(wait)

    @contextmanager
    def _my_turn(self, left: float) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=max(left, 0.0)):
            raise retry.LostRace("another thread is writing for too long")
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except retry.LostRace as error:
            raise self._give_up(error, 1, self._limits.deadline) from error
        except exc.SQLAlchemyError as error:
            raise self._translate(error) from error

    def _translate(self, error: BaseException) -> BaseException:
        """What the caller gets for a failure that another run would not mend."""
        if not isinstance(error, exc.DBAPIError):
            return error
        if retry.is_missing_schema(error):
            return CongressError(
                "unavailable",
                f"the database {self.name} lacks what this version needs ({_reason(error)}); run"
                " `congressd db upgrade`",
            )
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or type(error) is exc.DatabaseError:
            return CongressError("unavailable", f"the database {self.name} refuses: {_reason(error)}")
        return error

    def _give_up(self, error: BaseException, runs: int, allowed: float) -> CongressError:
        return CongressError(
            "unavailable",
            f"the database {self.name} did not take the transaction within {allowed:g} s ({runs} tries; the last one:"
            f" {_reason(error)}); try again later",
        )

    def _engine_options(self) -> dict[str, Any]:
        limits = self._limits
        options: dict[str, Any] = {
            "hide_parameters": True,
            "pool_size": limits.pool_size,
            "max_overflow": limits.pool_overflow,
            "pool_timeout": limits.pool_timeout,
        }
        if self.is_sqlite:
            options["connect_args"] = {"timeout": limits.lock_timeout}
            return options
        options.update(
            pool_pre_ping=True,
            pool_recycle=limits.recycle,
            isolation_level="READ COMMITTED",
            connect_args={
                "charset": "utf8mb4",
                "connect_timeout": limits.connect_timeout,
                "read_timeout": limits.read_timeout,
                "write_timeout": limits.write_timeout,
            },
        )
        return options

    def _on_connect(self, connection: Any, record: object) -> None:
        del record
        cursor = connection.cursor()
        try:
            for statement in self._session_settings():
                cursor.execute(statement)
        finally:
            cursor.close()
        if self.is_sqlite:
            connection.isolation_level = None  # Python's module would begin transactions by itself, and too late

    def _session_settings(self) -> tuple[str, ...]:
        if self.is_sqlite:
            return (
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                f"PRAGMA busy_timeout = {self._limits.lock_timeout * 1000}",
            )
        return (
            "SET SESSION sql_mode = 'TRADITIONAL'",
            f"SET SESSION innodb_lock_wait_timeout = {self._limits.lock_timeout}",
        )


def _on_begin_sqlite(connection: Connection) -> None:
    """A writer takes the write lock at once: nothing upgrades a read lock, which SQLite refuses without waiting."""
    if connection.get_execution_options().get(_ACCESS) == "read":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _on_begin_mysql(connection: Connection) -> None:
    """A reader sees one snapshot; both words hold for the next transaction only."""
    if connection.get_execution_options().get(_ACCESS) == "read":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _forget_causality(session: Session) -> None:
    try:
        session.execute(text("SET SESSION wsrep_sync_wait = 0"))
    except exc.DBAPIError:
        session.invalidate()  # a broken connection must not go back to the pool with the setting


def _usable_url(url: str | URL) -> URL:
    try:
        made = make_url(url)
    except exc.ArgumentError:
        raise CongressError(
            "bad_request",
            "the database URL cannot be read; write sqlite:////path/congressd.db or"
            " mysql+pymysql://user:password@host/congressd",
        ) from None
    backend = made.get_backend_name()
    if backend in ("mysql", "mariadb"):
        return made.set(drivername="mysql+pymysql")
    if backend == "sqlite" and made.database and made.database != ":memory:":
        return made
    raise CongressError(
        "bad_request",
        f"the database {made.render_as_string(hide_password=True)!r} cannot be used; allowed are a file"
        " (sqlite:////path/congressd.db) and MariaDB (mysql+pymysql://user:password@host/congressd)",
    )


def _make_private_file(path: str) -> None:
    """Create the database file readable by its owner only; SQLite gives its -wal and -shm files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise CongressError("unavailable", f"the database file {path} cannot be opened: {error.strerror}") from None


def _reason(error: BaseException) -> str:
    """What the database said, without statement and parameters."""
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    if original is not None and len(original.args) >= 2:
        return f"{original.args[1] or type(original).__name__} (code {original.args[0]})"
    return str(original) or type(original).__name__
