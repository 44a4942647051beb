"""Ports for servers of tests."""

from __future__ import annotations

import itertools
import os
import socket

#: Below the kernel's range for outgoing connections (32768 on), any of which could take a port between its choice and
#: the server's start, or while a server that is to come back is away.
FIRST, LAST = 12_000, 32_000

# Several runs of the tests at the same time begin at different places.
_candidates = itertools.cycle(range(FIRST, LAST))
for _ in range(os.getpid() * 97 % (LAST - FIRST)):
    next(_candidates)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that was not given out in this process before."""
    for port in itertools.islice(_candidates, LAST - FIRST):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no port from {FIRST} to {LAST} is free")
