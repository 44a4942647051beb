"""Health and figures of a datasource node over HTTP: ``/healthz``, ``/readyz`` and ``/metrics``, and nothing else.

It may listen on an address that another machine has at the moment, so that a virtual address leads to the node that
is active. Few ask, and rarely: the standard library's server does.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from congressd.api.access import Access
from congressd.daemon import dsd_metrics
from congressd.daemon.dsd_metrics import Look
from congressd.daemon.start import StartError
from congressd.daemon.status import State
from congressd.model.errors import CongressError

LOG = logging.getLogger(__name__)

_IP_FREEBIND: Final = 15  # linux/in.h
_PATIENCE: Final = 5.0  # seconds for a client to send its request, and to take the answer

_JSON: Final = "application/json"


class Listener:
    """Answers on ``host`` and ``port`` until it is closed. ``look`` must never wait."""

    def __init__(self, host: str, port: int, access: Access, look: Callable[[], Look]) -> None:
        """Raises StartError if the port cannot be had."""
        try:
            self._server = _Server(host, port, access, look)
        except OSError as error:
            raise StartError(
                f"[dsd]/bind_host and bind_port: {host} port {port} cannot be listened on: {error.strerror or error}"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="listener", daemon=True)
        self._thread.start()
        LOG.info("health and metrics host=%s port=%d", host, self.port)

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, access: Access, look: Callable[[], Look]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.access = access
        self.look = look
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug("a client of the listener was gone before its answer", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version = "congressd"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        answer = {"/healthz": self._health, "/readyz": self._ready, "/metrics": self._metrics}.get(path)
        if answer is None:
            self._refuse(404, f"there is no {path[:100]!r} here; there are /healthz, /readyz and /metrics")
        else:
            answer()

    do_HEAD = do_GET  # noqa: N815  # the name is the standard library's

    def _health(self) -> None:
        self._tell(200, {"status": "ok"})

    def _ready(self) -> None:
        """200 from the node that is active: a virtual address leads to the right one."""
        status = self.server.look().status
        told = {"ready": status.state is State.ACTIVE, "state": status.state.value, "epoch": status.epoch}
        self._tell(200 if told["ready"] else 503, told | ({"reason": status.reason} if status.reason else {}))

    def _metrics(self) -> None:
        headers = self.headers
        try:
            caller = self.server.access.identify(headers.get("Authorization"), headers.get("X-Auth-Token"), "reader")
        except CongressError as error:
            self._refuse(error.code.status, error.detail)
            return
        if caller.may("reader"):
            self._send(200, CONTENT_TYPE_LATEST, dsd_metrics.text(self.server.look()))
        else:
            self._refuse(403, f"the role {caller.role!r} of {caller.name!r} is not enough; `reader` is needed")

    def _tell(self, status: int, said: dict[str, Any]) -> None:
        self._send(status, _JSON, json.dumps(said).encode())

    def _refuse(self, status: int, sentence: str) -> None:
        self._tell(status, {"error": {"error_code": status, "message": sentence}})

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the standard library's
        LOG.debug(format, *args)
