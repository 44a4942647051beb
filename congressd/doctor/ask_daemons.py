"""Probes of congressd's own processes: control sockets, the API, and the nodes that they hear."""

from __future__ import annotations

import fcntl
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from congressd.agent import control
from congressd.doctor.ask_haproxy import policy_engines
from congressd.doctor.ask_http import Api, ask_all
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import ANSWER, Place

LOCK: Final = "lock"  #: in data_dir: held by the service, with its process, host and port in a line each


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon by its control socket: what it says, or why it says nothing."""

    name: str  #: such as ``pe-1``
    said: Any
    silence: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """The release that a daemon was started from, and the one that is installed: directories' names."""

    daemon: str
    runs: str
    installed: str


def ask_daemons(place: Place) -> list[Daemon]:
    """What each daemon with a control socket on this node says. Raises NotHere, Failed."""
    return place.once("daemons", lambda: _ask_daemons(place))


def _ask_daemons(place: Place) -> list[Daemon]:
    return [_ask_daemon(each, "status") for each in _sockets(place)]


def _sockets(place: Place) -> list[Path]:
    """Raises NotHere, Failed."""
    place.need()
    try:
        sockets = sorted(each for each in place.run_dir.iterdir() if each.suffix == ".sock")
    except FileNotFoundError:
        sockets = []
    except OSError as error:
        raise Failed(f"{place.run_dir} cannot be read: {error.strerror}", "run the doctor as root") from None
    if not sockets:
        raise NotHere(f"no daemon has a control socket in {place.run_dir}; `congressd serve` needs none")
    return sockets


def ask_releases(place: Place) -> list[Release]:
    """Which release each daemon of this node runs. Raises NotHere, Failed."""
    if not place.paths.venv.is_symlink():
        raise NotHere(f"there is no link {place.paths.venv}: congressd was not installed by the playbook")
    installed = place.paths.venv.resolve()
    found = []
    for each in _sockets(place):
        venv = _venv_of(control.peer(str(each)))
        if venv is not None and venv != place.paths.venv:
            found.append(Release(each.stem, venv.parent.name, installed.parent.name))
    if not found:
        raise NotHere("no daemon of this node says what it was started from")
    return found


def _venv_of(pid: int | None) -> Path | None:
    """The virtual environment whose Python a process runs: its command begins with the interpreter of its script."""
    try:
        python = Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]))
    except OSError:
        return None
    return python.parent.parent if python.is_absolute() and python.parts[-3:-1] == ("venv", "bin") else None


def _ask_daemon(socket: Path, method: str) -> Daemon:
    try:
        answer = control.exchange(str(socket), method, ANSWER)
    except control.NoAnswerError as error:
        return Daemon(socket.stem, {}, str(error))
    if not answer.get("ok"):
        return Daemon(socket.stem, {}, str(answer.get("error", "it gave no reason")))
    return Daemon(socket.stem, answer.get(method) or {})


def ask_nodes(place: Place) -> list[dict[str, Any]]:
    """The nodes that a policy engine of this node hears, each as it tells of itself. Raises NotHere."""
    engines = [each for each in ask_daemons(place) if each.name.startswith("pe-") and not each.silence]
    for each in engines:
        told = _ask_daemon(place.run_dir / f"{each.name}.sock", "nodes")
        if not told.silence and isinstance(told.said, list):
            return told.said
    raise NotHere("no policy engine of this node can be asked whom it hears")


def ask_apis(place: Place) -> list[Api]:
    """The API of each policy engine of this node. Raises NotHere, Failed."""
    default = place.need().default
    try:
        engines = [each.name for each in ask_daemons(place) if each.name.startswith("pe-")]
        if not engines:
            raise NotHere("no policy engine runs on this node")
        numbers = [int(each.removeprefix("pe-")) for each in engines if each.removeprefix("pe-").isdecimal()]
    except NotHere:
        if not default.data_dir:
            raise
        address = _address(Path(default.data_dir)) or (default.bind_host, default.bind_port)
        return ask_all([_reachable(*address)])  # one process
    return ask_all([_reachable(default.bind_host, default.bind_port + number - 1) for number in numbers])


def _reachable(host: str, port: int) -> tuple[str, int]:
    """Where to ask for what listens on an address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host), port


def _address(data_dir: Path) -> tuple[str, int] | None:
    """Where the service that has a data directory says that it listens; None if it does not say, or none ever had it.

    Raises Failed if none has it now.
    """
    file = data_dir / LOCK
    try:
        with file.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                _, host, port = stream.read(1000).decode().split("\n")[:3]
                return host, int(port)
    except (OSError, ValueError):
        return None
    raise Failed(
        f"no service has {data_dir} now", f"start it: `congressd serve --data-dir {shlex.quote(str(data_dir))}`"
    )


def ask_peers(place: Place) -> list[Api]:
    """All policy engines that HAProxy knows. Raises NotHere."""
    return place.once("peers", lambda: _ask_peers(place))


def _ask_peers(place: Place) -> list[Api]:
    try:
        addresses = policy_engines(place)
    except Failed as error:
        raise NotHere(f"not asked: {error}") from None
    return ask_all(addresses)
