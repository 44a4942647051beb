"""A real RabbitMQ of our own: started in a temporary directory on free ports of 127.0.0.1, stopped by its own pid.

Nothing of the machine's RabbitMQ is touched: node name, cookie, data, logs and the port mapper (epmd) are private.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.ports import free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{port}
disk_free_limit.absolute = 50MB
log.file.level = warning
raft.wal_max_size_bytes = 16777216
"""


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Return once ``condition()`` is true; fail the test, naming ``what`` was waited for, if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.005)


class RabbitServer:
    """One RabbitMQ node, and the port mapper that it needs. ``url`` is what clients connect to."""

    def __init__(self, directory: Path, mapper_port: int | None = None, configuration: str = "") -> None:
        """``mapper_port``: use a port mapper that runs already, as the nodes of one cluster do.

        ``configuration``: further lines of rabbitmq.conf.
        """
        self.directory = directory
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.name = f"congressd-test-{uuid4().hex[:8]}@localhost"
        self._mapper_port = mapper_port or free_port()
        self._own_mapper = mapper_port is None
        self._mapper: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
            "RUNNING_UNDER_SYSTEMD": "true",  # so that the script becomes the server, and its pid the server's
        }
        self.configure(configuration)
        (directory / "plugins").write_text("[].\n")

    def configure(self, more: str) -> None:
        """Write the configuration, with these lines more; read at the next start."""
        (self.directory / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port) + more)

    def start(self) -> None:
        """Start, and return once it takes connections."""
        if self._mapper is None and self._own_mapper:
            self._mapper = self._run(["/usr/bin/epmd", "-port", str(self._mapper_port), "-address", "127.0.0.1"])
            wait_for(lambda: _listens(self._mapper_port), "the port mapper to listen")
        self._server = self._run([str(SERVER)])
        wait_for(self._ready, f"RabbitMQ to listen; its output is in {self.directory / 'output'}", 90)

    def kill(self) -> None:
        """The machine's power is cut."""
        self._end(self._server, signal.SIGKILL)
        self._server = None

    def pause(self) -> None:
        """It hangs, with its connections open."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on after `pause`."""
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop what `start` started. What was not yet on disk may be lost."""
        self._end(self._server, signal.SIGTERM)
        self._end(self._mapper, signal.SIGTERM)
        self._server = self._mapper = None

    def control(self, *arguments: str) -> str:
        """The output of ``rabbitmqctl``, which is slow to start: about two seconds."""
        command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", "--node", self.name, *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    @property
    def control_command(self) -> tuple[str, ...]:
        """The beginning of a command that is `rabbitmqctl` for this node."""
        given = (f"{name}={value}" for name, value in self._environment.items())
        return ("env", *given, "/usr/lib/rabbitmq/bin/rabbitmqctl", "--node", self.name)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.directory / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _ready(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            pytest.fail(f"RabbitMQ did not start:\n{(self.directory / 'output').read_text()[-2000:]}")
        return _listens(self.port)

    @staticmethod
    def _end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A running RabbitMQ for all tests of the run. Who kills it starts it again."""
    if not SERVER.exists():
        pytest.fail("these tests need RabbitMQ: install the Debian package rabbitmq-server (tools/system-packages)")
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def exchange() -> str:
    """A name that no other test uses, to keep the traffic of tests apart."""
    return f"congressd-test-{uuid4().hex[:12]}"
