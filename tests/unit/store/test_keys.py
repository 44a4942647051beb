"""The key for secrets: its file, the secrets, and the check value. The last part runs on every database."""

from __future__ import annotations

import stat
from pathlib import Path
from threading import Thread

import pytest
from cryptography.fernet import Fernet

from congressd.model.errors import CongressError
from congressd.store import check, keys, sources
from congressd.store.changes import SourceCreated
from congressd.store.database import Database
from tests.unit.store.fixtures import commit, source


@pytest.fixture
def ring() -> keys.Keys:
    return keys.Keys([Fernet.generate_key()], "the test")


def test_a_missing_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    made = keys.load(file, create=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys"]
    assert keys.load(file, create=True).decrypt(made.encrypt("x")) == "x"


def test_a_missing_file_is_not_made_when_nodes_must_share_one(tmp_path: Path) -> None:
    with pytest.raises(CongressError, match="copy it from another node") as caught:
        keys.load(tmp_path / "keys", create=False)
    assert caught.value.code.name == "secrets_key"
    assert list(tmp_path.iterdir()) == []


def test_processes_that_make_the_file_at_once_agree(tmp_path: Path) -> None:
    loaded: list[keys.Keys] = []
    threads = [Thread(target=lambda: loaded.append(keys.load(tmp_path / "keys", create=True))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    token = loaded[0].encrypt("x")
    assert [each.decrypt(token) for each in loaded] == ["x"] * 8


@pytest.mark.parametrize("content", [b"", b"\n", b"not a key\n", b"\xff\xfe", Fernet.generate_key()[:-4]])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(CongressError, match="32 bytes"):
        keys.load(tmp_path / "keys", create=True)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CongressError, match="nowhere/keys cannot be made"):
        keys.load(tmp_path / "nowhere" / "keys", create=True)


def test_a_new_key_on_top_leaves_old_secrets_readable(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    old = keys.load(file, create=True)
    token = old.encrypt({"a": [1]})
    file.write_bytes(Fernet.generate_key() + b"\n" + file.read_bytes())
    new = keys.load(file, create=False)
    assert new.decrypt(token) == {"a": [1]}
    with pytest.raises(CongressError):
        old.decrypt(new.encrypt("x"))


def test_secrets_are_sealed_and_only_they(ring: keys.Keys) -> None:
    config = {"url": "http://x", "password": "pä\U0001f6a8", "token": {"a": 1}, "unset": None, "n": 5}
    public, secrets = sources.seal(config, ["password", "token", "unset", "absent"], ring)
    assert public == {"url": "http://x", "unset": None, "n": 5}
    assert set(secrets) == {"password", "token"}
    assert "pä" not in str(secrets)
    assert sources.unseal(source("s", config=public, secrets=secrets), ring) == config


def test_a_key_never_prints_itself(ring: keys.Keys) -> None:
    assert repr(ring) == "Keys(the test)"


def test_a_node_with_another_key_is_refused(database: Database, ring: keys.Keys) -> None:
    for _ in range(2):
        database.run(lambda session: keys.verify(session, ring))
    stranger = keys.Keys([Fernet.generate_key()], "/etc/other")
    with pytest.raises(CongressError, match="/etc/other") as caught:
        database.run(lambda session: keys.verify(session, stranger))
    assert caught.value.code.name == "secrets_key"


def test_check_names_what_a_key_does_not_open(database: Database, ring: keys.Keys) -> None:
    database.run(lambda session: keys.verify(session, ring))
    _, secrets = sources.seal({"password": "x"}, ["password"], ring)
    commit(database, SourceCreated(source("s", secrets=secrets)))
    assert check.check(database, ring) == []
    findings = check.check(database, keys.Keys([Fernet.generate_key()], "/etc/other"))
    assert [finding.name for finding in findings] == ["secrets_key", "secrets_key"]
    assert "'password' of source 's'" in findings[1].detail
