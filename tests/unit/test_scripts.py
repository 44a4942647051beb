"""The shell scripts of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path
    for folder in (".ci", "ansible/files", "systemd", "tools")
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and re.match(rb"#!.*\b(sh|bash)\n", path.read_bytes()[:80])
)


def test_there_are_scripts() -> None:
    assert {"run", "database-restore", "tell-pacemaker", "wheels"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_clean_and_may_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck (Debian package shellcheck) is not installed")
    command = ["shellcheck", "--severity=warning", "--external-sources", "--source-path=SCRIPTDIR", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab is root's")
@pytest.mark.parametrize("name", ["cluster", "nodes", "vagrant", "vagrant-power"])
def test_a_script_that_is_asked_for_nothing_says_how_it_is_used(name: str) -> None:
    """By a relative path, as it is typed: the scripts change their directory."""
    done = subprocess.run([f"tools/cluster/{name}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="the lab is root's")
@pytest.mark.parametrize("action", ["start", "kill", "lose", "ssh"])
def test_a_node_of_the_lab_that_does_not_exist_is_named(action: str) -> None:
    done = subprocess.run(
        ["tools/cluster/nodes", action, "ctl9"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "nodes: there is no node 'ctl9'; there are: ctl1 ctl2 ctl3\n")
