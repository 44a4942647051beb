"""Asking a daemon over its control socket: one JSON line there, one JSON line back, by a deadline."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, NamedTuple

_LONGEST_ANSWER = 1_000_000  # bytes


class Status(NamedTuple):
    """What a daemon says of itself; the names are those of its control protocol. Times are in seconds."""

    role: str
    state: str  # starting, standby, active, ready, draining or stopping
    epoch: int | None
    bus: bool
    database: bool
    work_age: float  # since the work loop last turned
    failing: tuple[str, ...]  # sources
    reason: str


class NoAnswerError(Exception):
    """The daemon did not answer; the sentence says how far it came."""


class Hung(NoAnswerError):  # noqa: N818 (a state of the daemon)
    """It took the connection, or its socket is full, and no answer came in time."""


class Refused(Exception):  # noqa: N818 (an answer, not a failure to answer)
    """It answered that it will not."""


def ask(path: str, method: str, deadline: float) -> Status:
    """Call ``method`` on the daemon that listens at ``path``; ``deadline`` is in seconds from now.

    Raises `NoAnswerError` when nothing listens or what comes is no answer, `Hung` when time runs out, `Refused` when
    the daemon says no.
    """
    return _status(path, _converse(path, method, deadline))


def exchange(path: str, method: str, deadline: float) -> dict[str, Any]:
    """The whole answer to ``method``: ``ok``, and more by the method. Raises as `ask` does, but not `Refused`."""
    line = _converse(path, method, deadline)
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NoAnswerError(f"what answers at {path} is not a congressd daemon: {line[:80]!r}")
    return answer


def _converse(path: str, method: str, deadline: float) -> bytes:
    until = time.monotonic() + deadline
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation:
            conversation.settimeout(deadline)
            conversation.connect(path)
            conversation.sendall(json.dumps({"method": method}).encode() + b"\n")
            return first_line(conversation, until)
    except (TimeoutError, BlockingIOError):
        raise Hung(f"the daemon does not answer at {path} within {deadline:.1f} s") from None
    except OSError as error:
        raise NoAnswerError(f"nothing answers at {path}: {error.strerror or error}") from None


def peer(path: str) -> int | None:
    """The process that listens at ``path``, as the kernel knows it, or None."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conversation:
            conversation.settimeout(0.2)
            conversation.connect(path)
            return struct.unpack("3i", conversation.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] or None
    except OSError:
        return None


def first_line(conversation: socket.socket, until: float) -> bytes:
    """What comes up to the first newline, or the end; `TimeoutError` when ``until`` (monotonic) has passed."""
    received = b""
    while b"\n" not in received and len(received) < _LONGEST_ANSWER:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        conversation.settimeout(left)
        part = conversation.recv(65536)
        if not part:
            break
        received += part
    return received.partition(b"\n")[0]


def _status(path: str, line: bytes) -> Status:
    try:
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(str(answer.get("error", "no reason given")))
        told: dict[str, Any] = answer.get("status") or {}
        return Status(
            role=str(told.get("role", "")),
            state=str(told.get("state", "")),
            epoch=told.get("epoch"),
            bus=bool(told.get("bus", True)),
            database=bool(told.get("database", True)),
            work_age=float(told.get("work_age") or 0.0),
            failing=tuple(str(name) for name in told.get("failing") or ()),
            reason=str(told.get("reason") or ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoAnswerError(f"what answers at {path} is not a congressd daemon: {line[:80]!r}") from None
