"""What systemd is told: ready, status, alive, stopping. Nothing happens where systemd does not ask for it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping


class Notifier:
    """Sends to systemd's notification socket (sd_notify). Never raises and never waits."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        """Takes the socket's name out of ``environment``: gunicorn would say "ready" long before it is true."""
        address = environment.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        limit = environment.pop("WATCHDOG_USEC", "") if address else ""
        #: Seconds within which systemd wants a sign of life; None if it wants none.
        self.watchdog: float | None = int(limit) / 1e6 if limit.isdigit() else None

    def send(self, *lines: str) -> None:
        """Send assignments, such as ``READY=1``."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.setblocking(False)
                door.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # systemd will see for itself; a daemon does not end for that


class Pulse:
    """Turned by the work loop, and by nothing else: if that hangs, age grows and systemd's watchdog bites."""

    def __init__(self, notifier: Notifier, describe: Callable[[], str]) -> None:
        """``describe`` is the line that `systemctl status` shows; it is asked at every turn, and must be quick."""
        self._notifier = notifier
        self._describe = describe
        self._at = time.monotonic()
        self._said = ""

    def __call__(self) -> None:
        """The work loop has turned."""
        self._at = time.monotonic()
        line = self._describe()
        if line != self._said:
            self._said = line
            self._notifier.send("WATCHDOG=1", f"STATUS={line}")
        elif self._notifier.watchdog is not None:
            self._notifier.send("WATCHDOG=1")

    def age(self) -> float:
        """Seconds since the last turn."""
        return time.monotonic() - self._at
