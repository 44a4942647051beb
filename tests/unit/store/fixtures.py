"""What the store's tests share on every database: they need a fixture ``url`` and get databases on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from congressd.store import changes, migrate, policies
from congressd.store.changes import Change
from congressd.store.database import Database, Limits
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord, new_id

Connect = Callable[..., Database]


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Makes one more `Database` on the same URL, as another node has."""
    made: list[Database] = []

    def connect(**options: object) -> Database:
        made.append(Database(url, **{"limits": Limits(lock_timeout=2)} | options))  # type: ignore[arg-type]
        return made[-1]

    yield connect
    for database in made:
        database.close()


@pytest.fixture
def database(connect: Connect) -> Database:
    """A database with the newest schema and nothing in it."""
    database = connect()
    migrate.upgrade(database)
    return database


def policy(name: str, **more: object) -> PolicyRecord:
    return PolicyRecord(new_id(), name, **more)  # type: ignore[arg-type]


def rule(of: PolicyRecord, text: str = "p(1)", **more: object) -> RuleRecord:
    return RuleRecord(new_id(), of.id, text, **more)  # type: ignore[arg-type]


def source(name: str, **more: object) -> SourceRecord:
    return SourceRecord(new_id(), name, "push", **more)  # type: ignore[arg-type]


def commit(database: Database, *change: Change, now: float = 5.25) -> int:
    """Commit on top of whatever is current."""
    revision = database.read(policies.current_revision)
    return database.run(lambda session: policies.commit(session, revision, change, "tester", now))


def new_source(database: Database, name: str = "events") -> str:
    """The id of a new source."""
    record = source(name)
    commit(database, changes.SourceCreated(record))
    return record.id
