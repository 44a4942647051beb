"""Load by HTTP from one process: kept connections, each of which sends its next request when it has its answer.

Sends bytes that were made before and looks at nothing but the status and the length of an answer, so that one core is
enough to keep a server busy that has another.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from benchmarks.measure import Times


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: requests a second, answers that were not 200, and the time of each answer in seconds."""

    rate: float
    failed: int
    times: Times


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    requests: Iterator[bytes]
    sent_at: float = 0.0
    got: bytearray = field(default_factory=bytearray)

    def send(self) -> None:
        self.got.clear()
        self.sent_at = time.perf_counter()
        self.socket.sendall(next(self.requests))

    def receive(self) -> bool:
        """Whether the answer is whole."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed a connection that was in use")
        self.got += chunk
        head = self.got.find(b"\r\n\r\n")
        if head < 0:
            return False
        at = self.got.lower().find(b"content-length:", 0, head)
        length = int(self.got[at + 15 : self.got.index(b"\r\n", at)])
        return len(self.got) >= head + 4 + length


def get(path: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode("ascii")


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Keep ``connections`` busy for some time with ``requests``, each connection from another place of the list on."""
    times: list[float] = []
    failed = 0
    with selectors.DefaultSelector() as selector:
        made = []
        for number in range(connections):
            start = number * len(requests) // connections
            each = _Connection(
                socket.create_connection(("127.0.0.1", port), 10), cycle([*requests[start:], *requests[:start]])
            )
            each.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(each.socket, selectors.EVENT_READ, each)
            made.append(each)
        began = time.perf_counter()
        for each in made:
            each.send()
        now = began
        while now < began + seconds:
            for key, _ in selector.select(1.0):
                each = key.data
                if each.receive():
                    now = time.perf_counter()
                    times.append(now - each.sent_at)
                    failed += each.got[9:12] != b"200"
                    each.send()
            now = time.perf_counter()
        for each in made:
            each.socket.close()
    return Load(len(times) / (now - began), failed, Times(tuple(times)))
