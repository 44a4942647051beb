"""A node for each test, cleared away whatever the test did to it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ocf.rig import Rig

MakeRig = Callable[..., Rig]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeRig]:
    """Makes rigs, each in a directory of its own."""
    made: list[Rig] = []

    def new(role: str, **parameters: str) -> Rig:
        directory = tmp_path / f"{role}{len(made)}"
        directory.mkdir()
        made.append(Rig(directory, role, **parameters))
        return made[-1]

    yield new
    for rig in made:
        for file in (rig.directory / "run").glob("*.[pc][ih][di]*"):
            try:
                os.kill(int(file.read_text(encoding="ascii")), signal.SIGKILL)
            except (ValueError, ProcessLookupError):
                continue
        for pid in rig.processes():  # of those that have no such file
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def pe(make: MakeRig) -> Rig:
    """A node with a PE, not started."""
    return make("pe")


@pytest.fixture
def dsd(make: MakeRig) -> Rig:
    """A node with a DSD as a group's member, not started."""
    return make("dsd")
