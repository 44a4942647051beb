"""Backup and restore, by the very programs that backup.yml and restore.yml run on the nodes, on a real MariaDB."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import IntegrityError

from congressd.model.values import FALSE, TRUE, Row
from congressd.store import check, epochs, keys, migrate, policies, pushes, schema
from congressd.store.changes import PolicyCreated, RuleCreated, Snapshot
from congressd.store.database import Database
from congressd.store.pushfold import Replace, Upsert
from tests.service.mariadb import MariaDB
from tests.unit.store.fixtures import Connect, commit, new_source, policy, rule

pytestmark = pytest.mark.mariadb

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
ROWS: list[Row] = [("", "ä\U0001f6a8\x00", "'\"\\%s\n"), (TRUE, FALSE, None), (2**64, -0.0, "1"), (1, 1.5, "\\0")]
TEXT = 'error(x) :- cloud:servers(x, "\'\\\\ \U0001f6a8")'

Run = Callable[..., str]

#: What stands for the client of MariaDB where it is to be cut off at a statement: before it, or when it has been done.
#: Killed are the client and the program that called it, as by a power failure of the node.
CUT_OFF = """#!/bin/bash
[[ "$*" != *"{statement}"* ]] || [ {when} = after ] || kill -KILL $PPID $$
mariadb=$(PATH=${{PATH#*:}} type -P mariadb)
"$mariadb" "$@"
code=$?
[[ "$*" != *"{statement}"* ]] || kill -KILL $PPID $$
exit $code
"""


@pytest.fixture
def run(mariadb: MariaDB, tmp_path: Path) -> Run:
    """Runs a program of ansible/files as MariaDB's administrator on this machine; what it tells on stderr.

    It must succeed unless told otherwise.
    """
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={mariadb.socket}\nuser=root\n")

    def run(program: str, *arguments: object, code: int = 0) -> str:
        command = [str(ANSIBLE / "files" / program), *map(str, arguments)]
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return done.stderr

    return run


@pytest.fixture
def restore(run: Run, name: str) -> Callable[[Path], str]:
    """What restore.yml does, without the checks between."""

    def restore(copy: Path) -> str:
        return run("database-restore", "load", name, copy) + run("database-restore", "swap", name)

    return restore


@pytest.fixture
def leftovers(mariadb: MariaDB, name: str) -> Callable[[], set[str]]:
    """The databases that a restore makes beside the one that it is about."""

    def leftovers() -> set[str]:
        with mariadb.root() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES LIKE %s", (f"{name}\\_%",))
            return {found.removeprefix(name) for (found,) in cursor.fetchall()}

    return leftovers


@pytest.fixture
def name(url: str) -> str:
    found = make_url(url).database
    assert found
    return found


def _fill(database: Database, secret: keys.Keys) -> tuple[str, Snapshot]:
    """Policies, a source, its pushes, an epoch, the key's check value."""
    one = policy("one", description=TEXT)
    commit(database, PolicyCreated(one), RuleCreated(rule(one, TEXT, name="r", comment=TEXT)))
    source = new_source(database, "events")
    for operation in (Replace("t", ROWS), Upsert("t", [("more", 1, None)])):
        push = pushes.prepare([operation], None)
        database.run(lambda session, push=push: pushes.append(session, source, push, 9.5))  # type: ignore[misc]
    database.run(lambda session: keys.verify(session, secret))
    return source, database.read(policies.load)


def test_what_was_backed_up_comes_back_whole(
    database: Database,
    connect: Connect,
    run: Run,
    restore: Callable[[Path], str],
    leftovers: Callable[[], set[str]],
    name: str,
    tmp_path: Path,
) -> None:
    secret = keys.load(tmp_path / "key", create=True)
    source, before = _fill(database, secret)
    rows = database.read(lambda session: pushes.state(session, source)).tables
    logged = database.read(lambda session: policies.changes_since(session, 0))
    first = database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl1", 1_000))

    copy = tmp_path / "copy.sql.gz"
    run("database-backup", name, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sql.gz"]

    # What comes after the copy is lost, but for the epochs: they were seen by every policy engine.
    commit(database, PolicyCreated(policy("two")))
    last = database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl2", 2_000))
    database.close()
    restore(copy)

    assert leftovers() == set()
    restored = connect()
    assert schema.current(restored) == schema.newest()
    assert restored.read(policies.load) == before
    assert restored.read(lambda session: policies.changes_since(session, 0)) == logged
    assert restored.read(lambda session: pushes.state(session, source)).tables == rows
    assert check.check(restored, secret) == []
    restored.run(lambda session: keys.verify(session, secret))
    again = restored.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl1", 1_500))
    assert first < last < again
    push = pushes.prepare([Upsert("t", [("after", 2, None)])], None)
    assert restored.run(lambda session: pushes.append(session, source, push, 10.0)) == 3
    with pytest.raises(IntegrityError, match="fk_rules_policy"), restored.connection() as connection:
        connection.execute(text("DELETE FROM policies"))


def test_a_database_that_is_lost_as_a_whole_comes_back(
    database: Database,
    connect: Connect,
    run: Run,
    restore: Callable[[Path], str],
    name: str,
    tmp_path: Path,
    mariadb: MariaDB,
) -> None:
    secret = keys.load(tmp_path / "key", create=True)
    _, before = _fill(database, secret)
    handed_out = database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl1", 1_000))
    run("database-backup", name, tmp_path / "copy.sql.gz")
    database.close()
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")

    told = restore(tmp_path / "copy.sql.gz")

    assert "no epochs that can be kept" in told
    restored = connect()
    assert restored.read(policies.load) == before
    assert check.check(restored, secret) == []
    assert restored.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl2", 500)) > handed_out


@dataclass(frozen=True)
class Case:
    """A database that has moved on since it was copied, and what a restore must come to."""

    run: Run
    restore: Callable[[Path], str]
    leftovers: Callable[[], set[str]]
    connect: Connect
    name: str
    copy: Path
    secret: keys.Keys
    copied: Snapshot
    now: Snapshot
    epoch: int

    def cut_off(self, statement: str, when: str) -> None:
        """The next time that MariaDB's client is given this statement it is killed, with what called it."""
        client = self.copy.parent / "bin" / "mariadb"
        client.parent.mkdir(exist_ok=True)
        client.write_text(CUT_OFF.format(statement=statement, when=when))
        client.chmod(0o755)

    def repaired(self) -> None:
        (self.copy.parent / "bin" / "mariadb").unlink()

    def is_untouched(self) -> None:
        database = self.connect()
        assert database.read(policies.load) == self.now
        holder = database.read(lambda session: epochs.holder(session, epochs.DSD))
        assert holder is not None
        assert holder.epoch == self.epoch

    def is_restored(self) -> None:
        """Whole, by the copy, with the epoch that was handed out after it, and nothing left over."""
        database = self.connect()
        assert check.check(database, self.secret) == []
        assert database.read(policies.load) == self.copied
        holder = database.read(lambda session: epochs.holder(session, epochs.DSD))
        assert holder is not None
        assert holder.epoch == self.epoch
        assert self.leftovers() == set()


@pytest.fixture
def case(
    database: Database,
    connect: Connect,
    run: Run,
    restore: Callable[[Path], str],
    leftovers: Callable[[], set[str]],
    name: str,
    tmp_path: Path,
    mariadb: MariaDB,
) -> Iterator[Case]:
    secret = keys.load(tmp_path / "key", create=True)
    _, copied = _fill(database, secret)
    copy = tmp_path / "copy.sql.gz"
    database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl1", 1_000))
    run("database-backup", name, copy)
    commit(database, PolicyCreated(policy("two")))
    epoch = database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl2", 2_000))
    now = database.read(policies.load)
    database.close()
    yield Case(run, restore, leftovers, connect, name, copy, secret, copied, now, epoch)
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        for rest in ("_restore", "_replaced"):
            cursor.execute(f"DROP DATABASE IF EXISTS {name}{rest}")


def _cut_short(whole: bytes) -> bytes:
    return whole[:-100]


def _truncated(whole: bytes) -> bytes:
    """A valid gzip of a dump that ends between two statements."""
    return gzip.compress(gzip.decompress(whole).split(b"CREATE TABLE `revisions`")[0])


def _in_error(whole: bytes) -> bytes:
    """A dump that goes wrong in the middle, as if the disk was full."""
    return gzip.compress(
        gzip.decompress(whole).replace(b"CREATE TABLE `revisions`", b"CREATE TABLE `no_such`.`revisions`")
    )


def _of_another(whole: bytes) -> bytes:
    del whole
    return gzip.compress(b"CREATE TABLE t (i INT);\n-- Dump completed on 2026-01-01\n")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_cut_short, "is damaged"),
        (_truncated, "ends in the middle"),
        (_in_error, "could not be loaded"),
        (_of_another, "holds no copy of congressd's database"),
    ],
)
def test_a_damaged_copy_changes_nothing(case: Case, damage: Callable[[bytes], bytes], sentence: str) -> None:
    bad = case.copy.with_name("bad.sql.gz")
    bad.write_bytes(damage(case.copy.read_bytes()))

    told = case.run("database-restore", "load", case.name, bad, code=1)

    assert sentence in told
    assert f"{case.name} is as it was" in told
    assert case.leftovers() == set()
    assert "no copy is loaded" in case.run("database-restore", "swap", case.name, code=1)
    case.is_untouched()
    case.restore(case.copy)
    case.is_restored()


def test_a_restore_that_was_killed_while_it_loaded_is_done_again(case: Case) -> None:
    case.cut_off("--one-database", "before")
    case.run("database-restore", "load", case.name, case.copy, code=-signal.SIGKILL)
    assert case.leftovers() == {"_restore"}
    assert "no copy is loaded" in case.run("database-restore", "swap", case.name, code=1)
    case.is_untouched()
    case.repaired()
    case.restore(case.copy)
    case.is_restored()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("statement", ["epochs_kept (", "INSERT INTO", "RENAME TABLE", "DROP DATABASE", "DROP TABLE"])
def test_a_restore_that_was_killed_in_the_swap_is_ended_by_another(case: Case, statement: str, when: str) -> None:
    case.run("database-restore", "load", case.name, case.copy)
    case.cut_off(statement, when)
    case.run("database-restore", "swap", case.name, code=-signal.SIGKILL)
    # Until it has been ended nothing may be started, whatever else fails.
    case.repaired()
    case.run("database-restore", "drop", case.name)
    told = case.run("database-restore", "swap", case.name, code=3 if "_replaced" in case.leftovers() else 1)
    assert ("start nothing, and restore again" in told) == ("_replaced" in case.leftovers())
    case.restore(case.copy)
    case.is_restored()


@pytest.mark.parametrize("table", ["epochs", "policies", "settings"])
def test_a_database_that_was_half_replaced_is_replaced_whole_and_no_epoch_is_lost(
    case: Case, table: str, mariadb: MariaDB
) -> None:
    """As a server leaves it that does not take a RENAME TABLE of many tables for one thing."""
    case.run("database-restore", "load", case.name, case.copy)
    case.cut_off("RENAME TABLE", "before")
    case.run("database-restore", "swap", case.name, code=-signal.SIGKILL)
    case.repaired()
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"RENAME TABLE {case.name}.{table} TO {case.name}_replaced.{table}")
    case.run("database-restore", "load", case.name, case.copy)
    case.cut_off("RENAME TABLE", "before")
    case.run("database-restore", "swap", case.name, code=-signal.SIGKILL)
    case.repaired()
    case.restore(case.copy)
    case.is_restored()


def test_a_swap_that_cannot_be_prepared_leaves_the_database_as_it_was(case: Case, mariadb: MariaDB) -> None:
    case.run("database-restore", "load", case.name, case.copy)
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {case.name}_restore.epochs")
    assert f"{case.name}, which is as it was" in case.run("database-restore", "swap", case.name, code=1)
    assert case.leftovers() == {"_restore"}
    case.is_untouched()


def test_a_swap_that_fails_says_that_nothing_may_be_started(case: Case, mariadb: MariaDB) -> None:
    case.run("database-restore", "load", case.name, case.copy)
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER {case.name}.t BEFORE INSERT ON {case.name}.settings FOR EACH ROW SET @a = 1")
        told = case.run("database-restore", "swap", case.name, code=3)
        assert "start nothing, and restore again" in told
        case.is_untouched()
        cursor.execute(f"DROP TRIGGER {case.name}.t")
    case.restore(case.copy)
    case.is_restored()


def test_a_database_of_somebody_else_is_not_dropped(case: Case, mariadb: MariaDB) -> None:
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {case.name}_replaced")
        cursor.execute(f"CREATE TABLE {case.name}_replaced.mine (i INT)")
        case.run("database-restore", "load", case.name, case.copy)
        assert "which no restore has made" in case.run("database-restore", "swap", case.name, code=1)
        cursor.execute(f"SELECT COUNT(*) FROM {case.name}_replaced.mine")
    case.is_untouched()


def test_an_older_copy_may_be_loaded_and_then_checked_beside_the_database(case: Case, mariadb: MariaDB) -> None:
    """As restore.yml does before anything is stopped."""
    case.run("database-restore", "load", case.name, case.copy)
    beside = Database(f"mysql+pymysql://root@localhost/{case.name}_restore?unix_socket={mariadb.socket}")
    migrate.upgrade(beside)
    assert check.check(beside, case.secret) == []
    beside.close()
    case.is_untouched()


def test_two_copies_are_not_loaded_at_once(case: Case) -> None:
    with subprocess.Popen(["flock", str(case.copy.parent), "sleep", "30"]) as other:
        time.sleep(0.3)
        assert "another copy is being loaded" in case.run("database-restore", "load", case.name, case.copy, code=1)
        other.terminate()


def test_it_says_how_it_is_used(run: Run) -> None:
    assert run("database-restore", code=2).startswith("usage: database-restore load DATABASE FILE.sql.gz ")


def test_a_backup_that_fails_leaves_no_file(run: Run, tmp_path: Path) -> None:
    assert "no_such_database" in run("database-backup", "no_such_database", tmp_path / "copy.sql.gz", code=2)
    assert not list(tmp_path.glob("copy*"))
