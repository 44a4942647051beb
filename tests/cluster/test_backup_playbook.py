"""backup.yml and restore.yml, run on this machine: a real MariaDB, and what stands for Pacemaker and Galera."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from congressd.store import epochs, keys, migrate, policies
from congressd.store.changes import PolicyCreated, Snapshot
from congressd.store.database import Database
from tests.cluster.playbook import needs_ansible
from tests.cluster.simulation import ROOT
from tests.ports import free_port
from tests.service.mariadb import MariaDB, mariadb, mariadb_url
from tests.unit.store.fixtures import commit, policy

__all__ = ["mariadb", "mariadb_url"]

ANSIBLE = ROOT / "ansible"
SYNCED = "wsrep_cluster_status\tPrimary\nwsrep_local_state_comment\tSynced\n"
DONOR = "wsrep_cluster_status\tPrimary\nwsrep_local_state_comment\tDonor/Desynced\n"
MINORITY = "wsrep_cluster_status\tnon-Primary\nwsrep_local_state_comment\tInitialized\n"
PROGRAMS = ("congressd", "crm_node", "mariadb", "mariadb-dump", "pcs")

#: What is on the path before the real programs. It keeps a journal of its calls, and fails where they hold the text of
#: the file fail-PROGRAM.
FAKE = """#!/bin/bash
name=${{0##*/}}
echo "$name $(tr '\\n' ' ' <<< "$*")" >> '{folder}/calls'
if [ -e "{folder}/fail-$name" ] && [[ "$*" == *"$(< "{folder}/fail-$name")"* ]]; then
    echo "ERROR: $name did not want to" >&2
    exit 1
fi
case "$name $*" in
    "mariadb "*wsrep_*) cat '{folder}/wsrep' ;;
    "mariadb"*) exec "$(PATH=${{PATH#*:}} type -P "$name")" "$@" ;;
    "crm_node "*) cat '{folder}/quorum' ;;
    "congressd "*)
        export PYTHONPATH={root}
        exec {python} -c 'from congressd.cli.daemon import main; main()' "$1" "$2" --config '{folder}/congressd.conf'
        ;;
esac
"""

pytestmark = [pytest.mark.mariadb, needs_ansible]


@dataclass(frozen=True)
class Lab:
    """Three hosts that are this machine, or ``dead`` ones of them: nobody answers there."""

    folder: Path
    database: Database

    def hosts(self, *dead: str) -> None:
        local = {"ansible_connection": "local", "cluster_address": "127.0.0.1"}
        gone = {"ansible_host": "127.0.0.1", "ansible_port": free_port(), "cluster_address": "127.0.0.1"}
        hosts = {name: gone if name in dead else local for name in ("ctl1", "ctl2", "ctl3")}
        (self.folder / "mine" / "hosts.yml").write_text(yaml.safe_dump({"congressd": {"hosts": hosts}}))

    def play(self, playbook: str, *arguments: str, fails: bool = False) -> str:
        """What it tells; it must succeed unless it ``fails``."""
        variables = {
            "backup_node_dir": str(self.folder / "node"),
            "restore_node_dir": str(self.folder / "node"),
            "restore_congressd": "congressd",
            "restore_socket": self.database.url.query.get("unix_socket", ""),
            "database_name": self.database.url.database,
        }
        command = ["ansible-playbook", "-i", str(self.folder / "mine" / "hosts.yml"), "--diff", playbook, *arguments]
        command += [f"--extra-vars={yaml.safe_dump(variables, default_flow_style=True, width=10_000).strip()}"]
        environment = {
            "PATH": f"{self.folder}/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",  # Debian's ansible
            "HOME": str(self.folder),
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "local"),
            "LANG": "C.UTF-8",
        }
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ANSIBLE, env=environment, timeout=120, check=False, umask=0o022
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        assert "PRIVATE" not in done.stdout, "a difference shows what is in a copy or a key"
        return " ".join(done.stdout.split())

    def backups(self) -> dict[str, int]:
        """What is kept on the machine that runs the playbook, with its mode."""
        found = (self.folder / "mine" / "backups").glob("*")
        return {path.name: path.stat().st_mode & 0o777 for path in found}

    def copy(self) -> Path:
        (found,) = (self.folder / "mine" / "backups").glob("*.sql.gz")
        return found

    def calls(self, program: str) -> list[str]:
        """The arguments of a program's calls."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.removeprefix(f"{program} ").strip() for line in lines if line.startswith(f"{program} ")]

    def forget(self) -> None:
        (self.folder / "calls").write_text("")

    def fail(self, program: str, text: str) -> None:
        (self.folder / f"fail-{program}").write_text(text)

    def mend(self) -> None:
        for path in self.folder.glob("fail-*"):
            path.unlink()

    def policies(self) -> Snapshot:
        return self.database.read(policies.load)


@pytest.fixture
def lab(tmp_path: Path, mariadb: MariaDB, mariadb_url: str) -> Iterator[Lab]:
    """With a database that holds a policy and an epoch."""
    for folder in ("bin", "mine/secrets"):
        (tmp_path / folder).mkdir(parents=True)
    for program in PROGRAMS:
        path = tmp_path / "bin" / program
        path.write_text(FAKE.format(folder=tmp_path, root=ROOT, python=sys.executable))
        path.chmod(0o755)
    (tmp_path / ".my.cnf").write_text(f"[client]\nsocket={mariadb.socket}\nuser=root\n")
    (tmp_path / "wsrep").write_text(SYNCED)
    (tmp_path / "quorum").write_text("1\n")
    key = tmp_path / "mine" / "secrets" / "encryption.key"
    secret = keys.load(key, create=True)
    (tmp_path / "congressd.conf").write_text(f"[DEFAULT]\nencryption_key_path = {key}\n")

    name = make_url(mariadb_url).database
    database = Database(f"mysql+pymysql://root@localhost/{name}?unix_socket={mariadb.socket}")
    migrate.upgrade(database)
    database.run(lambda session: keys.verify(session, secret))
    commit(database, PolicyCreated(policy("one", description="PRIVATE")))
    database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl1", 1_000))
    made = Lab(tmp_path, database)
    made.hosts()
    yield made
    database.close()
    with mariadb.root() as connection, connection.cursor() as cursor:
        for rest in ("_restore", "_replaced"):
            cursor.execute(f"DROP DATABASE IF EXISTS {name}{rest}")


def test_a_backup_is_for_nobody_else_to_read(lab: Lab) -> None:
    (lab.folder / "mine" / "backups").mkdir(mode=0o755)
    assert "copied from ctl3" in lab.play("backup.yml")
    assert (lab.folder / "mine" / "backups").stat().st_mode & 0o777 == 0o700
    assert lab.backups() == {lab.copy().name: 0o600, lab.copy().name.replace(".sql.gz", ".key"): 0o600}
    assert b"PRIVATE" in gzip.decompress(lab.copy().read_bytes())
    assert list((lab.folder / "node").iterdir()) == []


def test_a_backup_is_made_of_a_node_that_is_there(lab: Lab) -> None:
    lab.hosts("ctl3", "ctl1")
    assert "copied from ctl2" in lab.play("backup.yml")
    assert len(lab.backups()) == 2


@pytest.mark.parametrize("limit", ["ctl1", "ctl1,ctl3"])
def test_a_backup_is_made_of_a_node_that_it_is_limited_to(lab: Lab, limit: str) -> None:
    lab.hosts("ctl3")
    assert "copied from ctl1" in lab.play("backup.yml", "--limit", limit)
    assert len(lab.backups()) == 2


@pytest.mark.parametrize("playbook", ["backup.yml", "restore.yml"])
def test_without_a_node_that_can_do_it_nothing_is_done(lab: Lab, playbook: str) -> None:
    (lab.folder / "copy.sql.gz").write_bytes(gzip.compress(b""))
    start = [playbook, "--extra-vars", f"restore_from={lab.folder}/copy.sql.gz"]
    lab.hosts("ctl3")
    assert "a database that is up to date: ctl3 cannot be reached" in lab.play(*start, "--limit", "ctl3", fails=True)
    for state, word in ((DONOR, "Donor/Desynced"), (MINORITY, "Initialized"), ("", "nothing")):
        (lab.folder / "wsrep").write_text(state)
        told = lab.play(*start, "--limit", "ctl2,ctl3", fails=True)
        assert f"{word}; ctl3 cannot be reached" in told
    assert not lab.backups()
    assert not lab.calls("pcs")


def test_a_backup_that_fails_says_so_and_leaves_nothing(lab: Lab) -> None:
    lab.fail("mariadb-dump", "")
    lab.play("backup.yml", fails=True)
    assert not lab.backups()
    lab.mend()
    (lab.folder / "mine" / "secrets" / "encryption.key").unlink()
    lab.play("backup.yml", fails=True)
    assert list((lab.folder / "node").iterdir()) == []


Restore = Callable[..., str]


@pytest.fixture
def restore(lab: Lab) -> Restore:
    """Restores a copy to which the policy "two" was added since."""
    lab.play("backup.yml")
    commit(lab.database, PolicyCreated(policy("two")))
    lab.database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "ctl2", 2_000))
    lab.forget()

    def restore(*arguments: str, fails: bool = False) -> str:
        lab.database.close()
        lab.forget()
        try:
            return lab.play("restore.yml", f"--extra-vars=restore_from={lab.copy()}", *arguments, fails=fails)
        finally:
            lab.database.close()
            assert list((lab.folder / "node").iterdir()) == []

    return restore


def _names(lab: Lab) -> set[str]:
    return {each.name for each in lab.policies().policies.values()}


def _verbs(lab: Lab) -> list[str]:
    """What Pacemaker was told."""
    return [call.split()[1] for call in lab.calls("pcs")]


def test_a_copy_is_loaded_and_checked_before_anything_is_stopped(lab: Lab, restore: Restore) -> None:
    lab.hosts("ctl3")
    restore()
    assert _names(lab) == {"one"}
    held = lab.database.read(lambda session: epochs.holder(session, epochs.DSD))
    assert held is not None
    assert held.epoch == 2_000
    assert lab.calls("pcs") == [f"resource {verb} dsd pe-1-clone --wait=120" for verb in ("disable", "enable")]
    programs = [line.split()[0] for line in (lab.folder / "calls").read_text().splitlines()]
    assert programs.index("congressd") < programs.index("pcs")
    assert [call.split()[1] for call in lab.calls("congressd")] == ["upgrade", "check"]


@pytest.mark.parametrize(
    ("program", "text", "sentence"),
    [
        ("mariadb", "--one-database", "could not be loaded"),
        ("congressd", "db upgrade", "congressd did not want to"),
        ("congressd", "db check", "-e restore_unchecked=true takes it all the same"),
    ],
)
def test_a_copy_that_cannot_be_used_stops_nothing(
    lab: Lab, restore: Restore, program: str, text: str, sentence: str
) -> None:
    lab.fail(program, text)
    told = restore(fails=True)
    assert "The copy cannot be used, and nothing was changed:" in told
    assert sentence in told
    assert not lab.calls("pcs")
    assert _names(lab) == {"one", "two"}


def test_a_copy_of_another_key_is_refused_unless_it_is_wanted_all_the_same(lab: Lab, restore: Restore) -> None:
    key = lab.folder / "mine" / "secrets" / "encryption.key"
    key.unlink()
    keys.load(key, create=True)
    assert "opens a secret of the database" in restore(fails=True)
    assert not lab.calls("pcs")
    restore("--extra-vars=restore_unchecked=true")
    assert _names(lab) == {"one"}


def test_a_failure_before_the_swap_starts_everything_again(lab: Lab, restore: Restore) -> None:
    lab.fail("mariadb", "epochs_kept (")
    told = restore(fails=True)
    assert "The database is as it was. Policy engines and DSD were started again." in told
    assert "mariadb did not want to" in told
    assert _verbs(lab) == ["disable", "enable"]
    assert _names(lab) == {"one", "two"}
    lab.mend()
    lab.fail("pcs", "disable")
    assert "The database is as it was. Policy engines and DSD were started again." in restore(fails=True)
    assert _verbs(lab) == ["disable", "enable"]
    assert _names(lab) == {"one", "two"}


def test_a_failure_in_the_swap_leaves_everything_stopped_until_another_restore(lab: Lab, restore: Restore) -> None:
    lab.fail("mariadb", "RENAME TABLE")
    for _ in range(2):
        told = restore(fails=True)
        assert "Policy engines and DSD are stopped, and the database may be neither what it was nor the copy." in told
        assert "run restore.yml again, which ends what was begun" in told
        assert _verbs(lab) == ["disable"]
    lab.mend()
    # Whatever fails then, nothing is started that was not running.
    lab.fail("pcs", "disable")
    assert "run restore.yml again" in restore(fails=True)
    lab.mend()
    lab.fail("congressd", "db check")
    restore(fails=True)
    assert not lab.calls("pcs")
    lab.mend()
    restore()
    assert _verbs(lab) == ["disable", "enable"]
    assert _names(lab) == {"one"}


def test_what_does_not_start_on_the_copy_is_told(lab: Lab, restore: Restore) -> None:
    lab.fail("pcs", "enable")
    told = restore(fails=True)
    assert "The database is the copy. Policy engines and DSD are stopped, or not all of them run" in told
    assert "start them by `pcs resource enable dsd pe-1-clone --wait=120`" in told
    assert _names(lab) == {"one"}


def test_where_nothing_can_be_stopped_nothing_is_restored(lab: Lab, restore: Restore) -> None:
    (lab.folder / "quorum").write_text("0\n")
    assert "Pacemaker does not run on ctl3, or has no quorum there" in restore(fails=True)
    assert _names(lab) == {"one", "two"}


@pytest.mark.parametrize("playbook", ["backup.yml", "restore.yml"])
def test_it_can_be_rehearsed(lab: Lab, restore: Restore, playbook: str) -> None:
    lab.play(playbook, "--check", f"--extra-vars=restore_from={lab.copy()}")
    assert not lab.calls("pcs")
    assert _names(lab) == {"one", "two"}
    assert len(lab.backups()) == 2


@pytest.mark.parametrize("folder", ["secrets", "backups"])
@pytest.mark.parametrize("inventory", ["mine", "."])
def test_git_knows_nothing_of_secrets_and_backups_beside_an_inventory(folder: str, inventory: str) -> None:
    path = ANSIBLE / "inventory" / inventory / folder / "file"
    done = subprocess.run(["git", "check-ignore", path], cwd=ROOT, capture_output=True, text=True, check=False)
    if "not a git repository" in done.stderr:
        pytest.skip("this is no checkout")
    assert done.returncode == 0
