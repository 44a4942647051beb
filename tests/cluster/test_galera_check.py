"""The check that HAProxy asks which database may be written to: who may ask, and what it says without a database."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.simulation import ROOT
from tests.ports import free_port

PROGRAM = ROOT / "ansible" / "roles" / "galera" / "files" / "galera-check"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    token = tmp_path / "token"
    token.write_text("open sesame\n", encoding="ascii")
    port = free_port()
    command = [sys.executable, str(PROGRAM), "--bind", f"127.0.0.1:{port}", "--token-file", str(token)]
    process = subprocess.Popen([*command, "--socket", str(tmp_path / "no.sock")])
    yield f"http://127.0.0.1:{port}/"
    process.kill()
    process.wait()


def _ask(url: str, token: str) -> tuple[int, str]:
    """Status and text, as soon as the check listens."""
    until = time.monotonic() + 20
    while True:
        try:
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            assert time.monotonic() < until, "the check does not listen"
            time.sleep(0.02)


@pytest.mark.parametrize("token", ["", "open sesam", "sésame"])
def test_who_has_no_token_learns_nothing(url: str, token: str) -> None:
    assert _ask(url, token.encode("ascii", "ignore").decode()) == (401, "a token is wanted\n")


def test_without_a_database_the_node_may_not_be_written_to(url: str) -> None:
    status, text = _ask(url, "open sesame")
    assert status == 503
    assert "the database does not answer" in text
