"""Which release a daemon runs, by real processes that were started as a release's scripts are."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from congressd.config.options import Settings
from congressd.doctor import ask_daemons
from congressd.doctor.ask_daemons import Release
from congressd.doctor.finding import NotHere
from congressd.doctor.place import Paths, Place

LISTENS = "import socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind({!r})\ns.listen()\ntime.sleep(60)\n"


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cg-") as name:  # names of sockets and interpreters must be short
        (Path(name) / "run").mkdir()
        yield Path(name)


@contextmanager
def daemon(directory: Path, name: str, release: str) -> Iterator[None]:
    """A process that listens at the control socket ``name``, of a script with its release's Python."""
    scripts = directory / "releases" / release / "venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "python3").symlink_to(sys.executable)
    socket = directory / "run" / f"{name}.sock"
    (scripts / "congressd").write_text(f"#!{scripts}/python3\n{LISTENS.format(str(socket))}", encoding="utf-8")
    (scripts / "congressd").chmod(0o755)
    process = subprocess.Popen([scripts / "congressd", "pe"])
    try:
        until = time.monotonic() + 20
        while not socket.exists() and time.monotonic() < until:
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def test_a_daemon_that_was_not_restarted_runs_another_release_than_is_installed(directory: Path) -> None:
    settings = replace(Settings(), default=replace(Settings().default, run_dir=str(directory / "run")))
    place = Place(settings, paths=Paths(venv=directory / "venv"))
    with pytest.raises(NotHere, match="not installed by the playbook"):
        ask_daemons.ask_releases(place)
    with daemon(directory, "dsd-1", "1.0-b"), daemon(directory, "pe-1", "1.0-a"):
        (directory / "venv").symlink_to(directory / "releases" / "1.0-b" / "venv")
        expected = [Release("dsd-1", "1.0-b", "1.0-b"), Release("pe-1", "1.0-a", "1.0-b")]
        assert ask_daemons.ask_releases(place) == expected
    with pytest.raises(NotHere, match="started from"):
        ask_daemons.ask_releases(place)
