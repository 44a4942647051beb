"""The service as a process of its own, for tests: on a free port, in a temporary directory, stopped by its own id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.ports import free_port

T = TypeVar("T")

CHECKOUT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent


def wait_for(look: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """What ``look`` returns as soon as it is neither None nor False; AssertionError after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class ServiceProcess:
    """`congressd serve` of this checkout; its output is collected in ``output``."""

    def __init__(self, data_dir: Path, log: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._command = [str(SCRIPTS / "congressd"), "serve", *arguments]
        self._command += ["--data-dir", str(data_dir), "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell would have: the commands on the path, the endpoint told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CONGRESS")}
        return kept | {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "CONGRESS_ENDPOINT": self.endpoint}

    @property
    def output(self) -> str:
        """What the process has printed so far, in all its lives."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def process_id(self) -> int | None:
        """The id of the process that was started last."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start, and wait until the service may take calls."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=CHECKOUT, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        wait_for(self._ready, "the service is ready")

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the service ended:\n{self.output}"
        try:
            return self.http("GET", "/readyz")[0] == 200
        except OSError:
            return False

    @property
    def pid(self) -> int | None:
        """The id of the process that was started last; None if none was."""
        return None if self._process is None else self._process.pid

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 10.0) -> int:
        """End the process, and wait for it; the exit code. Nothing to do if it has ended."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(how)
        return self._process.wait(seconds)

    def http(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and decoded body of a request. Raises OSError if there is no answer."""
        request = urllib.request.Request(self.endpoint + path, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, _decoded(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _decoded(error.read())

    def congress(self, *arguments: str, text: str | None = None) -> tuple[int, str]:
        """Run the client; its exit code and all that it printed."""
        done = self._run(arguments, text)
        return done.returncode, done.stdout + done.stderr

    def answer(self, *arguments: str, text: str | None = None) -> Any:
        """The client's answer as decoded JSON; the command must succeed."""
        done = self._run(("-o", "json", *arguments), text)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _run(self, arguments: Sequence[str], text: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPTS / "congress"), *arguments],
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _decoded(text: bytes) -> Any:
    return json.loads(text) if text else None


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float = 30.0) -> tuple[int, str]:
    """Run a command to its end; its exit code and all that it printed."""
    done = subprocess.run(
        list(command), env=dict(environment), capture_output=True, text=True, timeout=seconds, check=False, cwd=CHECKOUT
    )
    return done.returncode, done.stdout + done.stderr
