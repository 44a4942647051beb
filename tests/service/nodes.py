"""A cluster on this machine: real processes of `congressd pe` and `congressd dsd` over a real RabbitMQ and MariaDB.

Each process is ended by its own id. Runtime files are in a short path of their own, since the names of UNIX sockets
may not be long.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from congressd.store import keys, migrate
from congressd.store.database import Database
from tests.ports import free_port
from tests.service.process import CHECKOUT, SCRIPTS, wait_for

#: Options of a cluster that wants to see things happen soon. Periods are short, so that lost notices show quickly.
QUICK: Mapping[str, Mapping[str, object]] = {
    "DEFAULT": {"log_level": "INFO", "node": "here"},
    "api": {"threads": 8},
    "pe": {"sync_period": 1.0, "drain_time": 0.5},
    "dsd": {"lease": 4.0, "renew_period": 1.0, "lease_margin": 1.0, "sync_period": 1.0},
}


class Reply(NamedTuple):
    """An answer of the API."""

    status: int
    body: Any
    headers: Mapping[str, str]


class RefusedError(Exception):
    """A daemon answered on its control socket that it will not."""


@dataclass
class Daemon:
    """One process of a cluster; ``start`` may be called again after it has ended."""

    role: str
    instance: str
    arguments: tuple[str, ...]
    directory: Path
    config: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Its control socket."""
        return self.directory / f"{self.role}-{self.instance}.sock"

    @property
    def pid_file(self) -> Path:
        """Its PID file."""
        return self.directory / f"{self.role}-{self.instance}.pid"

    @property
    def log(self) -> Path:
        """What it has printed so far, in all its lives."""
        return self.directory / f"{self.role}-{self.instance}.log"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process; returns at once."""
        command = [str(SCRIPTS / "congressd"), self.role, "--config-file", str(self.config)]
        command += ["--instance", self.instance, *self.arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=CHECKOUT, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started."""
        assert self.process is not None
        self.process.send_signal(number)

    def everyone(self) -> list[int]:
        """The process and its children."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid, *map(int, children.read_text().split())] if children.exists() else []

    def freeze(self) -> None:
        """Stop the process and its children as a hung machine does, until `thaw`."""
        for pid in self.everyone():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self.everyone():
            os.kill(pid, signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 15.0) -> int:
        """End the process and wait for it; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def ask(self, method: str = "status", seconds: float = 20.0) -> dict[str, Any]:
        """The status that the control socket answers. Raises OSError, RefusedError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(seconds)
            door.connect(os.fspath(self.socket))
            door.sendall(json.dumps({"method": method}).encode() + b"\n")
            line = door.makefile("rb").readline()
        answer = json.loads(line)
        if not answer["ok"]:
            raise RefusedError(answer["error"])
        status: dict[str, Any] = answer["status"]
        return status

    def state(self) -> str:
        """What the process does; ``gone`` if nobody answers."""
        try:
            return str(self.ask(seconds=2.0)["state"])
        except OSError:
            return "gone"

    def wait_until(self, *states: str, seconds: float = 90.0) -> None:
        """Wait for one of these states."""

        def there() -> bool:
            assert self.alive, f"{self.role}-{self.instance} ended:\n{self.log.read_text()[-3000:]}"
            return self.state() in states

        wait_for(there, f"{self.role}-{self.instance} is {' or '.join(states)}", seconds)

    def count(self, text: str) -> int:
        """How often the log has a text."""
        return self.log.read_text(encoding="utf-8", errors="replace").count(text)


class PolicyNode(Daemon):
    """A process of `congressd pe` and its API."""

    port: int

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """A request to its API. Raises OSError if there is no answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json", **(headers or {})}
        )
        request.method = method
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(answer.status, json.loads(answer.read() or b"null"), dict(answer.headers))
        except urllib.error.HTTPError as refused:
            with refused:
                return Reply(refused.code, json.loads(refused.read() or b"null"), dict(refused.headers))

    def get(self, path: str) -> Any:
        """The body of a GET that must succeed."""
        reply = self.call("GET", path)
        assert reply.status == 200, reply
        return reply.body

    def post(self, path: str, body: object) -> Any:
        """The body of a POST that must succeed."""
        reply = self.call("POST", path, body)
        assert reply.status in (200, 201), reply
        return reply.body

    def rows(self, policy: str, table: str) -> list[list[Any]]:
        """The rows of a table, sorted."""
        found = self.get(f"/v1/policies/{policy}/tables/{table}/rows")
        return sorted(each["data"] for each in found["results"])

    def has_rows(self, policy: str, table: str, rows: Iterable[Iterable[Any]]) -> bool:
        """Whether a table has exactly these rows; false also if it is not known (yet)."""
        try:
            reply = self.call("GET", f"/v1/policies/{policy}/tables/{table}/rows")
        except OSError:
            return False
        wanted = sorted(map(list, rows))
        return reply.status == 200 and sorted(each["data"] for each in reply.body["results"]) == wanted

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return self.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def wait_ready(self, seconds: float = 90.0) -> None:
        """Wait for /readyz."""

        def there() -> bool:
            assert self.alive, f"pe-{self.instance} ended:\n{self.log.read_text()[-3000:]}"
            return self.ready()

        wait_for(there, f"pe-{self.instance} is ready", seconds)


class Cluster:
    """Any number of nodes over one database and one RabbitMQ. Use as a context: all processes end with it."""

    def __init__(self, database_url: str, broker_url: str, options: Mapping[str, Mapping[str, object]] = QUICK) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="congressd-"))
        self.database_url = database_url
        self.broker_url = broker_url
        self.options = options
        self.key = self.directory / "secret.key"
        keys.load(self.key, create=True)
        database = Database(database_url)
        migrate.upgrade(database)
        database.close()
        self.daemons: list[Daemon] = []

    def pe(self, instance: int, *arguments: str, **changes: Mapping[str, object]) -> PolicyNode:
        """A policy engine node, not started; ``changes`` are options of its own, by group."""
        node = PolicyNode(*self._daemon("pe", instance, arguments, changes))
        node.port = free_port()
        node.arguments = ("--port", str(node.port), *arguments)
        self.daemons.append(node)
        return node

    def dsd(self, instance: int, *arguments: str, **changes: Mapping[str, object]) -> Daemon:
        """A datasource node, not started."""
        node = Daemon(*self._daemon("dsd", instance, arguments, changes))
        self.daemons.append(node)
        return node

    def _daemon(
        self, role: str, instance: int, arguments: tuple[str, ...], changes: Mapping[str, Mapping[str, object]]
    ) -> tuple[str, str, tuple[str, ...], Path, Path, Mapping[str, str]]:
        config = self.directory / f"{role}-{instance}.conf"
        config.write_text(self.configuration(changes))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONGRESS", "NOTIFY_"))}
        return role, str(instance), arguments, self.directory, config, kept

    def configuration(self, changes: Mapping[str, Mapping[str, object]] | None = None) -> str:
        """The text of a node's configuration file."""
        groups: dict[str, dict[str, object]] = {name: dict(values) for name, values in self.options.items()}
        groups.setdefault("DEFAULT", {}).update(run_dir=self.directory, encryption_key_path=self.key)
        groups["database"] = {"connection": self.database_url}
        groups["bus"] = {"url": self.broker_url}
        for group, values in (changes or {}).items():
            groups.setdefault(group, {}).update(values)
        return "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
            for group, values in groups.items()
        )

    def close(self) -> None:
        """End every process, and forget its files."""
        for daemon in self.daemons:
            if daemon.alive:
                daemon.thaw()
                daemon.send(signal.SIGTERM)
        end = time.monotonic() + 15
        for daemon in self.daemons:
            if daemon.process is not None:
                try:
                    daemon.process.wait(max(0.1, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    daemon.end(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def on_all(
    nodes: Iterable[PolicyNode], condition: Callable[[PolicyNode], bool], what: str, seconds: float = 60.0
) -> None:
    """Wait until ``condition`` holds on every node."""
    for node in nodes:
        wait_for(lambda node=node: condition(node), f"{what} on pe-{node.instance}", seconds)  # type: ignore[misc]
