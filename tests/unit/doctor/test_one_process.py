"""The doctor of the all-in-one service: found by its data directory, wherever it listens."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from congressd.cli import daemon, datadir
from congressd.config.options import Settings
from congressd.doctor import ask_daemons, ask_database
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Place
from congressd.store import keys


def place(data_dir: Path) -> Place:
    settings = Settings()
    return Place(
        replace(settings, default=replace(settings.default, data_dir=str(data_dir), run_dir=str(data_dir / "none")))
    )


def test_the_service_is_asked_where_it_says_that_it_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    held = datadir.claim(tmp_path)
    datadir.announce(held, "0.0.0.0", port)
    assert [each.address for each in ask_daemons.ask_apis(place(tmp_path))] == [f"http://127.0.0.1:{port}"]
    os.close(held)
    with pytest.raises(Failed, match=f"no service has {tmp_path} now"):
        ask_daemons.ask_apis(place(tmp_path))
    (tmp_path / "lock").unlink()
    assert [each.address for each in ask_daemons.ask_apis(place(tmp_path))] == ["http://127.0.0.1:1789"]


def test_a_file_that_is_no_database_is_not_the_fault_of_mariadb(tmp_path: Path) -> None:
    (tmp_path / "congressd.db").write_bytes(b"no database at all, nor anything like it" * 100)
    with pytest.raises(Failed) as caught:
        ask_database.ask_database(place(tmp_path))
    assert "file is not a database" in str(caught.value)
    assert "mariadb" not in caught.value.finding.advice
    assert "backup" in caught.value.finding.advice


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match=f"there is no directory {tmp_path}/none"):
        ask_database.ask_database(place(tmp_path / "none"))
    with pytest.raises(Failed, match=f"{tmp_path}/none/secret.key"):
        ask_database.ask_key(place(tmp_path / "none"))


def test_the_key_is_in_the_data_directory(tmp_path: Path) -> None:
    keys.load(tmp_path / "secret.key", create=True)
    with pytest.raises(NotHere, match="there is no database"):
        ask_database.ask_key(place(tmp_path))


@pytest.mark.parametrize("verb", ["doctor", "bundle"])
def test_a_directory_that_was_named_must_be_there(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        daemon.main([verb, "--data-dir", "/nonexistent"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("congressd: there is no directory /nonexistent")
    assert list(tmp_path.iterdir()) == []
