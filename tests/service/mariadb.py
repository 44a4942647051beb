"""A private MariaDB server: its own data directory, a free port on 127.0.0.1, stopped by the id of its process."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from tests.ports import free_port

DEADLINE = 60.0  #: seconds for the server to start or stop
PASSWORD = "s3cret-pass"


class MariaDB:
    """One server on one folder. `start` and `stop` may be called again and again; the port stays."""

    def __init__(self, folder: Path, options: tuple[str, ...] = (), user: str = "root") -> None:
        """``user`` is whom the server runs as if the tests run as root (who they are otherwise)."""
        self.folder = folder
        self.options = options
        self._user = [f"--user={user}"] if os.getuid() == 0 else []
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data directory and the user congress; leaves the server running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        install = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db"]
        subprocess.run(
            [*install, "--auth-root-authentication-method=normal", *self._user],
            check=True,
            capture_output=True,
            timeout=DEADLINE * 2,
        )
        self.start()
        with self.root() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER congress@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            cursor.execute("GRANT ALL ON *.* TO congress@'127.0.0.1'")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [
            _program("mariadbd"),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--socket={self.socket}",
            f"--pid-file={self.folder}/pid",
            f"--log-error={self.folder}/error.log",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=32M",
            *self._user,
            *self.options,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.root().close()
                return
            except pymysql.err.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    log = (self.folder / "error.log").read_text(errors="replace")
                    raise RuntimeError(f"MariaDB did not start:\n{log[-4000:]}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Shut down in good order."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it as a power failure does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None

    def root(self) -> pymysql.connections.Connection:
        """A connection of the server's administrator, on its socket."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)

    @property
    def socket(self) -> Path:
        return self.folder / "sock"

    def url(self, name: str) -> str:
        """The URL of a database, over TCP."""
        return f"mysql+pymysql://congress:{PASSWORD}@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """One server for all tests of a run. A test that stops it starts it again."""
    server = MariaDB(tmp_path_factory.mktemp("m"))
    try:
        server.create()
        yield server
    finally:
        server.stop()


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """An empty database of its own for every test (made with another collation than ours, as a trap)."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET latin1")
    yield mariadb.url(name)
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        pytest.fail(f"{name} is not installed; as root: apt-get install mariadb-server")
    return found
