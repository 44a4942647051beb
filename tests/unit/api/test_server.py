"""The process that serves: start, broken HTTP, stop, sudden death."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rig import wait_until

PROGRAM = """
import os, signal, sys, threading
from congressd.api.server import serve

def dying():
    yield b"half"
    os.kill(os.getpid(), signal.SIGKILL)

class Service:
    def app(self, environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            threading.Event().wait(float(environ["QUERY_STRING"]))
        if environ["PATH_INFO"] == "/die":
            start_response("200 OK", [("Content-Length", "10")])
            return dying()
        body = str(os.getpid()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def start(self):
        if sys.argv[2] == "broken":
            raise RuntimeError("cannot start")

    def drain(self):
        print("drained", flush=True)

    def stop(self, timeout):
        print("stopped", flush=True)

serve(Service, "127.0.0.1", int(sys.argv[1]), threads=4, graceful=2.0, ready=lambda: print("ready", flush=True))
"""


class Server:
    """The program above as a process."""

    def __init__(self, log: Path, mode: str = "whole") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.log = log
        with log.open("w") as out:
            command = [sys.executable, "-c", PROGRAM, str(self.port), mode]
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send raw bytes; the status and the body."""
        with self.connect() as connection:
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def said(self, word: str) -> bool:
        return word in self.log.read_text()


def _length(answer: bytes) -> int:
    lower = answer.lower()
    start = lower.index(b"content-length:") + 15
    return int(answer[start : answer.index(b"\r\n", start)])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "log")
    wait_until(lambda: server.said("ready"), 20)
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait(10)


def test_broken_http_gets_a_4xx_in_the_apis_own_shape(server: Server) -> None:
    requests = [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    ]
    for request in requests:
        status, body = server.ask(request)
        assert 400 <= status < 500, request
        assert json.loads(body)["error"]["error_code"] == 400
    assert server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200


def test_sigterm_lets_a_request_finish_and_waits_for_nobody_else(server: Server) -> None:
    silent, half, kept, slow = (server.connect() for _ in range(4))
    half.sendall(b"GET /ha")
    kept.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in kept.recv(65536)
    slow.sendall(b"GET /slow?1 HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200)
    server.process.send_signal(signal.SIGTERM)
    assert b"200 OK" in slow.recv(65536)
    assert server.process.wait(10) == 0
    assert server.said("drained")
    assert server.said("stopped")
    for connection in (silent, half, kept, slow):
        connection.close()


def test_a_request_that_does_not_end_is_cut_off(server: Server) -> None:
    with server.connect() as slow:
        slow.sendall(b"GET /slow?600 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0


def test_a_process_that_is_killed_in_the_middle_of_an_answer_has_not_begun_it(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /die HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert connection.recv(1000) == b""
        except ConnectionResetError:
            """As good as nothing, too."""


def test_a_killed_parent_takes_its_worker_along(server: Server) -> None:
    worker = int(server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[1])
    server.process.kill()
    server.process.wait(10)
    wait_until(lambda: not _alive(worker))


def test_a_service_that_cannot_start_ends_with_an_error(tmp_path: Path) -> None:
    server = Server(tmp_path / "log", "broken")
    assert server.process.wait(20) not in (0, None)
    assert server.said("cannot start")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False
