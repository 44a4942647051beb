"""The log of a daemon in systemd's journal, with fields that can be searched for: ``journalctl CONGRESSD_SOURCE=nova``.

What a line of the log says as ``source=nova epoch=7`` becomes the fields ``CONGRESSD_SOURCE`` and ``CONGRESSD_EPOCH``.
Only what our own code names so counts, never the text of an error that came from elsewhere.

The protocol is that of https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

SOCKET: Final = Path("/run/systemd/journal/socket")
LONGEST: Final = 32 * 1024  #: bytes of a field: a datagram must fit into the socket's buffer

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG: Final = 7
_PLACE: Final = re.compile(r"(?:\b([a-z_]+)=)?%(%|[-#0 +]*\d*(?:\.\d+)?[a-zA-Z])")


def is_listening(environment: Mapping[str, str]) -> bool:
    """Whether this process' standard error goes to the journal."""
    told = environment.get("JOURNAL_STREAM", "")
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return told == f"{there.st_dev}:{there.st_ino}" and SOCKET.exists()


class JournalHandler(logging.Handler):
    """Sends records to the journal; what cannot be sent is lost, as the daemon must not wait for its log."""

    def __init__(self, identifier: str, path: Path = SOCKET) -> None:
        super().__init__()
        self._identifier = identifier
        self._path = os.fspath(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            self._socket.sendto(b"".join(self._fields(record)), self._path)
        except (OSError, ValueError, TypeError):
            self.handleError(record)

    def close(self) -> None:
        """Send no more."""
        self._socket.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> Iterator[bytes]:
        text = self.format(record)
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)
        yield from (
            _field("MESSAGE", text),
            _field("PRIORITY", str(priority)),
            _field("SYSLOG_IDENTIFIER", self._identifier),
            _field("LOGGER", record.name),
            _field("THREAD_NAME", record.threadName or ""),
            _field("CODE_FILE", record.pathname),
            _field("CODE_LINE", str(record.lineno)),
            _field("CODE_FUNC", record.funcName),
        )
        for name, value in named(record).items():
            yield _field(f"CONGRESSD_{name.upper()}", value)


def named(record: logging.LogRecord) -> dict[str, str]:
    """What a record says in the form ``name=%s``, by name."""
    args = record.args if isinstance(record.args, tuple) else ()
    places = [match for match in _PLACE.finditer(str(record.msg)) if match[2] != "%"]
    if len(places) != len(args):
        return {}
    return {place[1]: str(arg) for place, arg in zip(places, args, strict=True) if place[1]}


def _field(name: str, value: str) -> bytes:
    """A field as the protocol has it; one of several lines is told with its length."""
    data = value.encode("utf-8", "replace")[:LONGEST]
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
