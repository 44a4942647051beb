"""An HTTP server that records every call, for tests of actions: the world."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request; ``at`` in monotonic seconds."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    at: float

    @property
    def activation(self) -> str:
        return self.headers.get("Idempotency-Key", "")


class Target:
    """``calls`` in the order in which they came. A path ``/status/503`` answers 503, ``/hang`` does not answer."""

    def __init__(self, delay: float = 0.0) -> None:
        """``delay``: seconds that each answer takes."""
        self.calls: list[HttpCall] = []
        self.changed = threading.Condition()
        self.release = threading.Event()  # lets hanging calls end
        target = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target.note(HttpCall(self.command, self.path, body, dict(self.headers.items()), time.monotonic()))
                if delay:
                    time.sleep(delay)  # the time that the world needs
                if self.path.startswith("/hang"):
                    target.release.wait(60)
                status = int(self.path.split("/")[2]) if self.path.startswith("/status/") else 200
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(b"ok")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815  # names of the library

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that has gone is no failure of the target."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def note(self, call: HttpCall) -> None:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()

    def wait(self, count: int, timeout: float = 15.0) -> list[HttpCall]:
        """The calls, once there are ``count`` of them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.calls) >= count, timeout), f"only {self.paths()}"
            return list(self.calls)

    def paths(self) -> Counter[str]:
        """How often each path was called."""
        return Counter(call.path for call in self.calls)

    def __enter__(self) -> Target:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
