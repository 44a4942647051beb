"""Identity and PID file."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from congressd.config.options import Default, Settings
from congressd.daemon.pidfile import claim
from congressd.daemon.start import RUN_DIR, StartError, identify


def settings(node: str = "", run_dir: str = "") -> Settings:
    return replace(Settings(), default=replace(Default(), node=node, run_dir=run_dir))


def test_an_identity_names_files_and_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    identity = identify(settings(node="db7"), "pe", "2")
    assert identity.name == "db7.pe-2"
    assert (identity.socket, identity.pid_file) == (RUN_DIR / "pe-2.sock", RUN_DIR / "pe-2.pid")


def test_the_directory_is_the_configured_one_or_systemds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
    assert identify(settings(), "dsd", "1").run_dir == Path("/run/one")
    assert identify(settings(run_dir="/srv/run"), "dsd", "1").run_dir == Path("/srv/run")


@pytest.mark.parametrize("instance", ["", "../x", "a b", "é", "1.5"])
def test_an_instance_that_cannot_be_part_of_a_file_name_is_refused(instance: str) -> None:
    with pytest.raises(StartError, match="letters, digits and - are allowed"):
        identify(settings(), "pe", instance)


def test_a_pid_file_has_the_number_and_goes_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "run" / "pe-1.pid"
    held = claim(path)
    assert path.read_text() == f"{os.getpid()}\n"
    held.release()
    assert not path.exists()


def test_only_one_process_has_a_pid_file(tmp_path: Path) -> None:
    path = tmp_path / "pe-1.pid"
    held = claim(path)
    with pytest.raises(StartError, match=f"held by process {os.getpid()}"):
        claim(path, wait=0.0)
    held.release()
    claim(path, wait=0.0).release()


def test_the_file_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "pe-1.pid"
    code = "import os, sys; from pathlib import Path; from congressd.daemon.pidfile import claim\n"
    code += "held = claim(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=30).returncode == -9
    assert path.read_text() != f"{os.getpid()}\n"
    held = claim(path, wait=0.0)
    assert path.read_text() == f"{os.getpid()}\n"
    held.release()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"cannot be written: .*name another directory with \[DEFAULT\]/run_dir"):
        claim(tmp_path / "file" / "pe-1.pid")
