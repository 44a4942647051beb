"""A small process that stands where a policy engine, or a database with its check, would: by name, with a readiness.

Usage: backend.py NAME PORT. Answers GET /readyz with 200 or 503 (POST /ready/no and /ready/yes change it),
/slow/SECONDS after that time, /refused with 503, and anything else with its name; POST /posts counts.
"""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_POSTS = 0
_READY = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together, as those of a policy engine: of a half answer no other can be asked

    def do_GET(self) -> None:
        if self.path == "/refused" or (self.path == "/readyz" and not _READY):
            self._answer(503, "not ready")
            return
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.removeprefix("/slow/")))
        self._answer(200, str(_POSTS) if self.path == "/posts" else sys.argv[1])

    def do_POST(self) -> None:
        global _POSTS, _READY
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/ready/"):
            _READY = self.path == "/ready/yes"
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.removeprefix("/slow/")))
        _POSTS += 1
        self._answer(200, sys.argv[1])

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Seen", self.headers.get("X-Forwarded-Proto", ""))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
