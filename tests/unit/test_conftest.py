"""What the tests' own configuration does to tests that would be left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TESTS = """
import pytest

@pytest.mark.skipif(True, reason="brew (Debian package brew) is not installed")
def test_marked():
    pass

def test_of_its_own():
    pytest.skip("/usr/share/tea or brew is not installed")

@pytest.mark.skipif(True, reason="tea needs root")
def test_for_another_reason():
    pass

@pytest.mark.xfail(reason="brew is not installed")
def test_expected():
    raise ValueError
"""


@pytest.mark.parametrize(
    ("variable", "code", "said"),
    [
        ("true", 1, "1 failed, 1 skipped, 1 xfailed, 1 error"),
        ("", 0, "3 skipped, 1 xfailed"),
    ],
)
def test_what_is_not_installed_is_a_failure_where_everything_has_to_run(
    variable: str, code: int, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "test_tea.py"
    file.write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "/dev/null", "-p", "no:cacheprovider"]
    environment = {"PATH": "/usr/bin:/bin", "CI": variable}
    done = subprocess.run([*command, str(file)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr
    assert ("run tools/system-packages" in done.stdout) == bool(variable)
