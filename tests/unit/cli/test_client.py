"""The options before the verb, and output that cannot be written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from congressd.cli import client
from tests.unit.cli.conftest import Shell

CHECKOUT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--endpoint", "http://127.0.0.1:1/\u00e9"), "its path would be written /%C3%A9"),
        (("--endpoint", "http://a..b"), "not of the form http://HOST:PORT"),
        (("--endpoint", "http://[::1"), "not of the form http://HOST:PORT"),
        (("--timeout", "0"), "--timeout is 0; it must be a number of seconds above 0, 86400 at most"),
        (("--timeout", "-1"), "--timeout is -1"),
        (("--timeout", "nan"), "--timeout is nan"),
        (("--timeout", "1e30"), "--timeout is 1e+30"),
        (("--token", "abc\rdef"), "has a character that no token has"),
        (("--token", "s\u00e9cret"), "has a character that no token has"),
    ],
)
def test_options_at_fault_are_told(options: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        client.main([*options, "policy", "list"])
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith("congress: ")
    assert sentence in printed.err
    assert "cret" not in printed.err
    assert "def" not in printed.err


def test_white_space_at_the_end_of_a_token_is_of_its_file(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGRESS_TOKEN", "abc\r")
    assert "classification" in shell.run("policy", "list")


@pytest.mark.parametrize("verb", [("completion", "bash"), ("fmt", "examples/cloud/policies/2-volume-encryption.yaml")])
def test_output_that_cannot_be_written_is_told(verb: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from congressd.cli.client import main; main()", *verb]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=CHECKOUT, check=False)
    assert done.stderr == b"congress: the output cannot be written: No space left on device\n"
    assert done.returncode == 2
