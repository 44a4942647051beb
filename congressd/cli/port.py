"""Whether the port is free, and who has it if not: told before the service starts, not by a traceback from below."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from congressd.cli.datadir import StartError


def check_free(host: str, port: int) -> None:
    """Raises StartError that says what is in the way and what to do."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise StartError(f"{host} is not an address of this machine: {error.strerror}; give one with --host") from None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise StartError(_reason(host, port, error)) from None


def _reason(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            owner = _listener(port)
            who = f" by {owner}" if owner else ""
            return (
                f"port {port} of {host} is taken{who}. Stop that, or give another port with --port, such as {port + 1}"
            )
        case errno.EACCES:
            return f"port {port} is for root only; give one above 1023 with --port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine; give one with --host"
        case _:
            return f"cannot listen on {host}:{port}: {error.strerror}"


def _listener(port: int) -> str:
    """The process that listens on ``port``, as far as this user may see it; empty if unknown."""
    inodes = {
        fields[9]
        for name in ("tcp", "tcp6")
        for fields in _lines(Path("/proc/net") / name)
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"process {process.name} ({name})"
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return ""


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return []
