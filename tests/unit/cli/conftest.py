"""`congress` in the test's process, talking HTTP to a whole service."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from congressd.cli import client
from tests.unit.rig import Rig


class Shell:
    """Runs `congress`; ``err`` is what the last command printed on standard error."""

    def __init__(self, endpoint: str, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.endpoint = endpoint
        self.err = ""
        self._capsys = capsys
        self._patch = patch

    def run(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> str:
        """What the command prints on standard output; it must end with ``code``."""
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            client.main(["--endpoint", self.endpoint, *arguments])
        printed = self._capsys.readouterr()
        self.err = printed.err
        assert int(ended.value.code or 0) == code, printed.out + printed.err
        return printed.out

    def fails(self, *arguments: str, code: int, stdin: bytes = b"") -> str:
        """What a command that ends with ``code`` says on standard error: a sentence, and nothing on standard output."""
        assert self.run(*arguments, code=code, stdin=stdin) == ""
        return self.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run("-o", "json", *arguments))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        rig.push_source("inv", {"bad": ["id"]})
        yield rig


@pytest.fixture
def shell(rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    server = make_server("127.0.0.1", 0, rig.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Shell(f"http://127.0.0.1:{server.server_port}", capsys, monkeypatch)
    server.shutdown()
    thread.join(5)
