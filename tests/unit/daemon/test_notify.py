"""What systemd is told, and by whom."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.daemon.notify import Notifier, Pulse


@pytest.fixture
def systemd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind("")  # an abstract name of the kernel's choice
        door.settimeout(5)
        yield door


def environment(systemd: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": "@" + systemd.getsockname()[1:].decode(), **more}


def test_lines_arrive_as_one_message(systemd: socket.socket) -> None:
    Notifier(environment(systemd)).send("READY=1", "STATUS=fine")
    assert systemd.recv(1024) == b"READY=1\nSTATUS=fine"


def test_nobody_else_in_the_process_finds_the_socket(systemd: socket.socket) -> None:
    given = environment(systemd, WATCHDOG_USEC="5000000")
    assert Notifier(given).watchdog == 5.0
    assert given == {}


def test_a_socket_in_the_file_system_is_found(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "notify"))
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}).send("READY=1")
        assert door.recv(1024) == b"READY=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).send("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nowhere")}).send("READY=1")


def test_a_pulse_feeds_the_watchdog_and_says_what_changed(systemd: socket.socket) -> None:
    lines = iter(["starting", "ready", "ready"])
    pulse = Pulse(Notifier(environment(systemd, WATCHDOG_USEC="5000000")), lambda: next(lines))
    for _ in range(3):
        pulse()
    heard = [systemd.recv(1024) for _ in range(3)]
    assert heard == [b"WATCHDOG=1\nSTATUS=starting", b"WATCHDOG=1\nSTATUS=ready", b"WATCHDOG=1"]
    assert 0 <= pulse.age() < 60
