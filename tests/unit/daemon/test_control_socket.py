"""The control socket: bounded, private, and never in anybody's way."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from congressd.daemon import control_socket
from congressd.daemon.control_socket import ControlSocket
from congressd.daemon.start import StartError
from congressd.daemon.status import State, Status
from congressd.model.errors import CongressError

STATUS = Status("dsd", State.ACTIVE, 7, 3, bus=True, database=True, last_batch_age=0.5, work_age=0.25, sources=2)


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cg-") as name:  # names of sockets must be short
        yield Path(name)


class Calls:
    """What a daemon's methods do here."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Event()

    def wait(self) -> None:
        self.begun.set()
        self.go_on.wait(10)

    def refuse(self) -> None:
        raise CongressError("unavailable", "the database is away")

    def fail(self) -> None:
        raise ValueError("a defect")


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def path(directory: Path, calls: Calls) -> Iterator[Path]:
    file = directory / "dsd-1.sock"
    door = ControlSocket(file, lambda: STATUS, {"wait": calls.wait, "refuse": calls.refuse, "fail": calls.fail})
    door.open()
    yield file
    calls.go_on.set()
    door.close()
    assert not file.exists()


def connect(path: Path) -> socket.socket:
    conversation = socket.socket(socket.AF_UNIX)
    conversation.settimeout(10)
    conversation.connect(str(path))
    return conversation


def said(path: Path, line: bytes) -> Any:
    with connect(path) as conversation:
        conversation.sendall(line)
        return json.loads(conversation.makefile("rb").readline())


def asked(path: Path, method: str) -> Any:
    return said(path, json.dumps({"method": method}).encode() + b"\n")


def test_the_status_has_every_field_of_the_agents(path: Path) -> None:
    answer = asked(path, "status")
    assert answer["ok"] is True
    fields = "role state epoch revision bus database last_batch_age work_age sources failing reason version"
    assert set(fields.split()) <= set(answer["status"])
    assert (answer["status"]["state"], answer["status"]["epoch"], answer["status"]["failing"]) == ("active", 7, [])


def test_a_line_without_an_end_counts_when_the_asker_has_said_all(path: Path) -> None:
    with connect(path) as conversation:
        conversation.sendall(b'{"method": "status"}')
        conversation.shutdown(socket.SHUT_WR)
        assert json.loads(conversation.makefile("rb").readline())["ok"] is True


@pytest.mark.parametrize(
    "line", [b"status\n", b"[]\n", b'{"method": 7}\n', b'{"method": "dance"}\n', b"{}\n", b"\xff\n"]
)
def test_what_is_no_question_is_answered_with_what_is_one(path: Path, line: bytes) -> None:
    answer = said(path, line)
    assert answer["ok"] is False
    assert "ask one of fail, refuse, status, wait" in answer["error"]


def test_a_refusal_is_a_sentence(path: Path) -> None:
    assert asked(path, "refuse") == {"ok": False, "error": "the database is away"}


def test_a_defect_is_told_and_ends_nothing(path: Path) -> None:
    assert asked(path, "fail") == {"ok": False, "error": "fail failed with ValueError: a defect"}
    assert asked(path, "status")["ok"] is True


def test_the_status_is_told_while_a_method_works(path: Path, calls: Calls) -> None:
    with connect(path) as slow:
        slow.sendall(b'{"method": "wait"}\n')
        assert calls.begun.wait(10)
        assert asked(path, "status")["ok"] is True
        calls.go_on.set()
        assert json.loads(slow.makefile("rb").readline())["ok"] is True


def test_who_says_nothing_is_sent_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "PATIENCE", 0.05)
    silent = [connect(path) for _ in range(2 * control_socket.MOST)]
    for conversation in silent:
        assert conversation.recv(1) == b""
        conversation.close()
    assert asked(path, "status")["ok"] is True


def test_a_line_that_does_not_end_is_not_read_on(path: Path) -> None:
    with connect(path) as conversation, pytest.raises(OSError, match=r"Broken pipe|reset by peer"):
        conversation.sendall(b"x" * 10_000_000)


def test_only_the_owner_may_connect(path: Path) -> None:
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_socket_that_was_left_behind_is_replaced(directory: Path) -> None:
    file = directory / "pe-1.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(file))
    door = ControlSocket(file, lambda: STATUS, {})
    door.open()
    assert asked(file, "status")["ok"] is True
    door.close()


def test_a_name_that_is_too_long_is_told(directory: Path) -> None:
    with pytest.raises(StartError, match="cannot be made: AF_UNIX path too long"):
        ControlSocket(directory / ("x" * 120), lambda: STATUS, {}).open()


def test_a_status_is_one_line_for_people() -> None:
    assert STATUS.line() == "active, epoch 7, revision 3"
    cut = Status(
        "pe", State.STARTING, None, 0, bus=False, database=False, last_batch_age=None, work_age=0.0, sources=3,
        failing=("a", "b"), reason="policies: not read yet",
    )  # fmt: skip
    assert cut.line() == "starting, revision 0, no bus, no database, 2 of 3 sources fail, policies: not read yet"
