"""`congressd pe` and `congressd dsd` where only the libraries of one machine are installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = "import sys; sys.modules['oslo_messaging'] = None; from congressd.cli.daemon import main; main(sys.argv[1:])"


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_a_node_without_its_libraries_says_how_to_get_them(role: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, role], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("congressd: the Python package oslo_messaging is not installed")
    assert "pip install 'congressd[cluster]'" in done.stderr


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_a_configuration_that_is_not_there_is_told_first(role: str) -> None:
    command = [sys.executable, "-c", WITHOUT, role, "--config-file", "/nowhere/congressd.conf"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "/nowhere/congressd.conf" in done.stderr
    assert "Traceback" not in done.stderr
