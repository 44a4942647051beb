"""Backup and restore, by the very programs that backup.yml and restore.yml run on the nodes, on a real MariaDB."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from congressd.model.values import FALSE, TRUE, Row
from congressd.store import check, epochs, keys, policies, pushes, schema
from congressd.store.changes import PolicyCreated, RuleCreated, Snapshot
from congressd.store.database import Database
from congressd.store.pushfold import Replace, Upsert
from tests.service.mariadb import MariaDB
from tests.unit.store.fixtures import Connect, commit, new_source, policy, rule

pytestmark = pytest.mark.mariadb

ANSIBLE = Path(__file__).resolve().parents[2] / "ansible"
ROWS: list[Row] = [("", "ä\U0001f6a8\x00", "'\"\\%s\n"), (TRUE, FALSE, None), (2**64, -0.0, "1"), (1, 1.5, "\\0")]
TEXT = 'error(x) :- cloud:servers(x, "\'\\\\ \U0001f6a8")'

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(mariadb: MariaDB, tmp_path: Path) -> Run:
    """Runs a program of ansible/files as MariaDB's administrator on this machine; it must succeed unless told."""
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={mariadb.socket}\nuser=root\n")

    def run(program: str, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [str(ANSIBLE / "files" / program), *map(str, arguments)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert done.returncode == code, done.stderr
        return done

    return run


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
    database: Database, connect: Connect, run: Run, name: str, tmp_path: Path, mariadb: MariaDB
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
    run("database-restore", name, copy)

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


def test_a_database_that_is_lost_as_a_whole_comes_back(
    database: Database, connect: Connect, run: Run, name: str, tmp_path: Path, mariadb: MariaDB
) -> None:
    secret = keys.load(tmp_path / "key", create=True)
    _, before = _fill(database, secret)
    handed_out = database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl1", 1_000))
    run("database-backup", name, tmp_path / "copy.sql.gz")
    database.close()
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")

    told = run("database-restore", name, tmp_path / "copy.sql.gz")

    assert "no epochs that can be kept" in told.stderr
    restored = connect()
    assert restored.read(policies.load) == before
    assert check.check(restored, secret) == []
    assert restored.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl2", 500)) > handed_out


def test_a_damaged_copy_changes_nothing(
    database: Database, connect: Connect, run: Run, name: str, tmp_path: Path
) -> None:
    _, before = _fill(database, keys.load(tmp_path / "key", create=True))
    copy = tmp_path / "copy.sql.gz"
    run("database-backup", name, copy)
    copy.write_bytes(copy.read_bytes()[:-100])
    run("database-restore", name, copy, code=1)
    assert connect().read(policies.load) == before


def test_a_backup_that_fails_leaves_no_file(run: Run, tmp_path: Path) -> None:
    assert "no_such_database" in run("database-backup", "no_such_database", tmp_path / "copy.sql.gz", code=2).stderr
    assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize("playbook", ["backup", "restore"])
def test_the_playbooks_run_these_programs(playbook: str) -> None:
    (play,) = yaml.safe_load((ANSIBLE / f"{playbook}.yml").read_text(encoding="utf-8"))
    (block,) = [task["block"] for task in play["tasks"] if "block" in task]
    scripts = [task["ansible.builtin.script"]["cmd"] for task in block if "ansible.builtin.script" in task]
    assert [script.split()[0] for script in scripts] == [f"database-{playbook}"]
