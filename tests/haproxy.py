"""A real HAProxy from our template, in a directory of its own, on free ports of 127.0.0.1."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import yaml

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = ROOT / "ansible" / "roles" / "haproxy" / "defaults" / "main.yml"


class Server(NamedTuple):
    """A line of a backend; ``check_port`` is that of a database's check."""

    name: str
    port: int
    check_port: int = 0
    address: str = "127.0.0.1"


def render(**variables: Any) -> str:
    """The template's text, with the role's defaults and ``variables`` over them, as Ansible renders it."""
    values = {**yaml.safe_load(DEFAULTS.read_text(encoding="utf-8")), **variables}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "haproxy"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    return environment.get_template("haproxy.cfg.j2").render(values)


class HAProxy:
    """A running HAProxy with one frontend for the API and one for the database. Stop it with `stop`."""

    def __init__(self, directory: Path, variables: Mapping[str, Any]) -> None:
        self._directory = directory
        self._file = directory / "haproxy.cfg"
        self._variables = dict(variables)
        self.url = f"http://{variables['haproxy_api_bind']}"
        self.port = int(str(variables["haproxy_api_bind"]).rpartition(":")[2])
        self.db_port = int(str(variables["haproxy_db_bind"]).rpartition(":")[2])
        self.figures = f"http://{variables['haproxy_figures_bind']}"
        self._write()
        self._log = (directory / "haproxy.log").open("wb")
        command = [program(), "-W", "-db", "-f", str(self._file)]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, start_new_session=True)

    def _write(self) -> None:
        self._file.write_text(render(**self._variables), encoding="utf-8")
        checked = subprocess.run([program(), "-c", "-f", str(self._file)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert "[WARNING]" not in checked.stderr, checked.stderr

    def reload(self, **variables: Any) -> None:
        """Render again with ``variables`` changed, and let the master replace its worker without losing a call."""
        self._variables.update(variables)
        self._write()
        before = self._workers()
        self.process.send_signal(signal.SIGUSR2)
        self._wait(lambda: bool(self._workers() - before), "a new worker")

    def _workers(self) -> set[str]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(children.read_text(encoding="ascii").split())

    def states(self) -> dict[str, str]:
        """What HAProxy thinks of each server: ``UP``, ``DOWN``, ..., by ``backend/server``."""
        return {name: row["status"] for name, row in self._servers().items()}

    def busy(self) -> str:
        """The one server that has a call now, as ``backend/server``; waits for the call."""
        self._wait(lambda: any(row["scur"] != "0" for row in self._servers().values()), "a call that runs")
        return next(name for name, row in self._servers().items() if row["scur"] != "0")

    def _servers(self) -> dict[str, dict[str, str]]:
        """The lines of HAProxy's statistics, by ``backend/server``."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation:
            conversation.settimeout(5)
            conversation.connect(str(self._variables["haproxy_admin_socket"]))
            conversation.sendall(b"show stat -1 4 -1\n")
            text = b"".join(iter(lambda: conversation.recv(65536), b"")).decode()
        lines = [line.split(",") for line in text.lstrip("# ").splitlines() if line]
        rows = [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
        return {f"{row['pxname']}/{row['svname']}": row for row in rows}

    def wait_up(self, *servers: str, seconds: float = 15) -> None:
        """Wait until the named servers (``pe/one``), or all that are checked, are up; ``UP 1/2`` is not yet."""

        def up() -> bool:
            states = self.states()
            return all(
                states[name] == "UP" or (not servers and states[name] == "no check") for name in servers or states
            )

        self._wait(up, f"servers {servers or 'all'} up", seconds)

    def wait_down(self, server: str, seconds: float = 15) -> None:
        """Wait until the named server gets no more calls."""
        self._wait(lambda: not self.states()[server].startswith("UP"), f"{server} down", seconds)

    def wait_logged(self, pattern: str, seconds: float = 15) -> None:
        """Wait until a line of the log matches as a whole."""
        self._wait(lambda: re.search(f"^{pattern}$", self.log(), re.MULTILINE), f"{pattern!r} in the log", seconds)

    def _wait(self, condition: Any, what: str, seconds: float = 15) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except (OSError, IndexError):
                pass
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until, f"not within {seconds} s: {what}\n{self.log()}"
            time.sleep(0.02)

    def log(self) -> str:
        """What HAProxy has said."""
        return (self._directory / "haproxy.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End it and all its workers."""
        self._log.close()
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(5)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


def program() -> str:
    """The path of HAProxy; it may not be on a user's PATH."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    assert found, "haproxy (Debian package haproxy) is not installed"
    return found


def render_and_start(
    directory: Path, pes: Sequence[Server], databases: Sequence[Server] = (), **variables: Any
) -> HAProxy:
    """Start HAProxy before ``pes`` and ``databases``, with its files in ``directory``; wait until it listens.

    ``variables`` are those of the role's defaults. The caller stops it.
    """
    chosen = {
        "haproxy_user": "",
        "haproxy_chroot": "",
        "haproxy_admin_socket": str(directory / "admin.sock"),
        "haproxy_api_bind": f"127.0.0.1:{free_port()}",
        "haproxy_db_bind": f"127.0.0.1:{free_port()}",
        "haproxy_figures_bind": f"127.0.0.1:{free_port()}",
        "haproxy_pe_servers": [server._asdict() for server in pes],
        "haproxy_db_servers": [server._asdict() for server in databases],
        **variables,
    }
    haproxy = HAProxy(directory, chosen)
    try:
        haproxy._wait(lambda: bool(haproxy.states()) or not (pes or databases), "an HAProxy that answers")
    except BaseException:
        haproxy.stop()
        raise
    return haproxy
