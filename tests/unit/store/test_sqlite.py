"""What only SQLite has: the file, its locks, and how it lives through a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from congressd.model.errors import CongressError
from congressd.store import models, policies
from congressd.store.check import check
from congressd.store.database import Database, Limits
from tests.unit.store.fixtures import Connect, ManualClock


def path_of(database: Database) -> str:
    return str(database.url.database)


def put(database: Database, name: str = "a") -> None:
    database.run(lambda session: session.execute(insert(models.Setting), {"name": name, "value": ""}))


def test_the_file_is_its_owners_alone(database: Database) -> None:
    put(database)
    for suffix in ("", "-wal", "-shm"):
        assert stat.S_IMODE(os.stat(path_of(database) + suffix).st_mode) == 0o600


def test_the_settings_are_those_that_survive_a_power_failure(database: Database) -> None:
    def read(pragma: str) -> object:
        return database.read(lambda session: session.scalar(text(f"PRAGMA {pragma}")))

    assert [read("journal_mode"), read("synchronous"), read("foreign_keys")] == ["wal", 2, 1]


def test_a_file_locked_by_another_process_is_asked_again(database: Database, connect: Connect) -> None:
    stranger = sqlite3.connect(path_of(database), isolation_level=None, check_same_thread=False)
    stranger.execute("BEGIN IMMEDIATE")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            stranger.execute("COMMIT")

    put(connect(pause=pause, limits=Limits(lock_timeout=0)))
    assert len(pauses) == 3
    stranger.close()


def test_a_file_that_stays_locked_is_unavailable_in_time(database: Database, connect: Connect) -> None:
    stranger = sqlite3.connect(path_of(database), isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    clock = ManualClock()
    locked = connect(clock=clock, pause=clock.advance, limits=Limits(lock_timeout=0, deadline=2.0))
    with pytest.raises(CongressError, match="database is locked") as caught:
        put(locked)
    assert caught.value.code.name == "unavailable"
    assert locked.read(policies.current_revision) == 0  # readers do not mind
    stranger.close()


def test_what_was_committed_survives_a_kill(database: Database) -> None:
    script = (
        "import sys; from sqlalchemy import insert; from congressd.store import models;"
        " from congressd.store.database import Database; database = Database(sys.argv[1])\n"
        "for number in range(1000000):\n"
        "    database.run(lambda session: session.execute("
        "insert(models.Setting), {'name': str(number), 'value': 'x' * 2000}))\n"
        "    print(number, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(database.url)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait(60)
    kept = database.read(lambda session: set(session.scalars(text("SELECT name FROM settings"))))
    assert {str(number) for number in told} <= kept
    assert len(kept) - len(told) in (0, 1)  # the last one may have been committed but not told
    assert check(database) == []
    put(database)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "a file"),
        ("sqlite:///:memory:", "a file"),
        ("postgresql://me:s3cret@host/x", r"me:\*\*\*@host"),
        ("nonsense", "sqlite:////path"),
    ],
)
def test_an_url_that_cannot_be_used_is_refused_with_those_that_can(url: str, said: str) -> None:
    with pytest.raises(CongressError, match=said) as caught:
        Database(url)
    assert caught.value.code.name == "bad_request"
    assert "s3cret" not in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CongressError, match=r"nowhere/x\.db cannot be opened"):
        Database(f"sqlite:///{tmp_path}/nowhere/x.db")


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"something else" * 1000)
    with pytest.raises(CongressError, match="not a database") as caught:
        Database(f"sqlite:///{tmp_path}/x.db").read(policies.load)
    assert caught.value.code.name == "unavailable"
