"""Processes as the agents see them, on a node that has nothing left to look with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ocf.rig import ROOT


@pytest.mark.parametrize("look", ["pid_in(sys.argv[2])", "members(1)", "find(1, ())", "started_as(1, ['init'])"])
def test_what_cannot_be_looked_at_is_not_taken_for_gone(look: str, tmp_path: Path) -> None:
    file = tmp_path / "dsd-1.pid"
    file.write_text("1\n", encoding="ascii")
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1])\n"
        "from congressd.agent import process\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        f"try: print(process.{look})\n"
        "except OSError as error: print(error.strerror)"
    )
    command = [sys.executable, "-SE", "-c", code, str(ROOT), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "Too many open files\n"
