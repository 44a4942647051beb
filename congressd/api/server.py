"""The process that serves: gunicorn with one worker of many threads, started and stopped from Python.

The service is built and started in the worker, after the fork, so that no thread and no connection is shared with
the parent. The parent only watches: a worker that dies is started again, and a worker never outlives its parent.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from congressd.api.errors import error_body
from congressd.model.errors import CongressError

LOG = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LONGEST_LINE = 8190  # the most that gunicorn takes
_PIECE = 64 * 1024  # bytes of an answer that are sent at once

STOP_TIME = 1.0  #: seconds that the service has to stop after the last request
LINGER = 0.5  #: seconds in which requests on kept connections are still answered after SIGTERM
SAY_TIME = 0.2  #: seconds that a worker has to say where it hangs; TimeoutAbortSec of the unit is longer


class Running(Protocol):
    """What `serve` runs in the worker: a WSGI application with threads behind it."""

    @property
    def app(self) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
        """The WSGI application."""

    def start(self) -> None:
        """Start the threads. Returns at once; readiness is the application's to tell."""

    def drain(self) -> None:
        """Say "not ready" from now on; running and new requests are still answered. Must not block."""

    def reload(self) -> None:
        """SIGHUP came: read again what may change while the process runs."""

    def stop(self, timeout: float) -> None:
        """Stop the threads and close what is open, within ``timeout`` seconds."""


class _OneSend:
    """A connection on which an answer leaves in as few pieces as possible: head and body of most answers in one.

    gunicorn sends the head by itself. A process that is killed between the two leaves half an answer, which a load
    balancer must hand on, while an answer that never began is asked for elsewhere; and one piece is cheaper than two.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._held = bytearray()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def sendall(self, data: bytes) -> None:
        """Send, or keep for a larger piece."""
        self._held += data
        if len(self._held) >= _PIECE:
            self.flush()

    def flush(self) -> None:
        """Send what was kept. Raises OSError."""
        held, self._held = self._held, bytearray()
        if held:
            self._connection.sendall(held)


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's threaded worker, which waits for running requests only, and answers broken HTTP in the API's shape.

    gunicorn itself also waits for clients that are connected and say nothing.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running = 0
        self._count = threading.Lock()
        self._leaving = False

    def handle_request(self, req: Any, conn: Any) -> Any:
        with self._count:
            self._running += 1
        connection = conn.sock
        conn.sock = sending = _OneSend(connection)
        try:
            keep = super().handle_request(req, conn)
            sending.flush()
            return keep
        finally:
            conn.sock = connection
            with self._count:
                self._running -= 1

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGHUP, self.handle_hangup)
        # SIGABRT means that we hang, and then gunicorn's own handler, which is Python's, may never run. Enabled anew:
        # the parent's handlers are forgotten, so that the process dies of the signal once it has said where it hangs.
        faulthandler.disable()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        faulthandler.enable()

    def handle_hangup(self, _sig: int, _frame: Any) -> None:
        """SIGHUP, handed on by the parent."""
        threading.Thread(target=self.app.reload, name="reload", daemon=True).start()

    def handle_exit(self, _sig: int, _frame: Any) -> None:
        if not self._leaving:
            self._leaving = True
            self.app.drain()
            threading.Thread(target=self._leave, name="leave", daemon=True).start()

    def _leave(self) -> None:
        """Drain, then end the process when no request runs, after a moment for those that are on their way."""
        end = time.monotonic() + self.cfg.graceful_timeout - STOP_TIME
        pause = threading.Event()
        pause.wait(self.app.drain_time)
        super().handle_exit(signal.SIGTERM, None)
        pause.wait(min(LINGER, max(0.0, end - time.monotonic())))
        while self._running and time.monotonic() < end:
            pause.wait(0.01)
        self.app.leave()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what never became a request: 4xx for the client's faults (gunicorn says 501 to some)."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        status = {LimitRequestLine: "414 URI Too Long", LimitRequestHeaders: "431 Request Header Fields Too Large"}.get(
            type(exc), "400 Bad Request"
        )
        body = error_body(CongressError("bad_request", f"this is not HTTP that can be understood: {exc}"))
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        self.log.warning("refused a broken request from %s: %s", addr[0] if addr else "a local socket", exc)
        try:
            client.sendall(head.encode("latin-1") + b"\r\n\r\n" + body)
        except OSError:
            self.log.debug("the client was gone before the answer")


class _Parent(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's parent process without what does not fit one worker that holds a state.

    gunicorn itself answers SIGHUP by starting the worker anew, and other signals by starting more of them.
    """

    def handle_hup(self) -> None:
        self.kill_workers(signal.SIGHUP)

    def handle_ttin(self) -> None:
        """There is one worker."""

    handle_ttou = handle_usr2 = handle_winch = handle_ttin

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGABRT, self.handle_abort)

    def handle_abort(self, _sig: int, _frame: Any) -> None:
        """SIGABRT, by which systemd's watchdog ends the main process: the worker, which hangs, says where; both die.

        All within the handler, since gunicorn would start another worker in place of the one that dies.
        """
        self.kill_workers(signal.SIGABRT)
        time.sleep(SAY_TIME)
        os.abort()


class _Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, build: Callable[[], Running], drain_time: float, options: dict[str, Any]) -> None:
        self.drain_time = drain_time
        self._build = build
        self._options = options
        self._running: Running | None = None
        self._once = threading.Lock()
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        self._running = self._build()
        self._running.start()
        return self._running.app

    def run(self) -> None:
        _Parent(self).run()

    def drain(self) -> None:
        if self._running is not None:
            self._running.drain()

    def reload(self) -> None:
        if self._running is not None:
            self._running.reload()

    def leave(self) -> None:
        """Stop the service and end the process; does not return. Otherwise Python would wait for idle threads."""
        with self._once:
            running, self._running = self._running, None
            if running is not None:
                stopper = threading.Thread(target=running.stop, args=(STOP_TIME,), name="stop", daemon=True)
                stopper.start()
                stopper.join(STOP_TIME)
            logging.shutdown()
            os._exit(0)


def serve(
    build: Callable[[], Running],
    host: str = "127.0.0.1",
    port: int = 1789,
    *,
    threads: int = 8,
    graceful: float = 3.0,
    drain: float = 0.0,
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; ends by SystemExit with 0, or not 0 if the service could not be started.

    ``build`` is called in the worker process. After SIGTERM the service says for ``drain`` seconds that it is not
    ready, and still takes calls, so that a load balancer sees it; then running requests have ``graceful`` seconds to
    finish, after which their connections are cut; the whole stop takes at most `STOP_TIME` (and up to a second of
    rounding) longer. ``ready`` is called in the worker once the port is listened on and the service was started.
    """
    application: _Application

    def post_fork(_arbiter: Any, worker: Any) -> None:
        # Without this a parent that was killed leaves a worker behind that holds the port and the database.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker.ppid:
            os._exit(1)

    def post_worker_init(_worker: Any) -> None:
        if ready is not None:
            ready()

    def worker_exit(_arbiter: Any, worker: Any) -> None:
        if worker.booted:
            application.leave()

    options: dict[str, Any] = {
        "bind": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"],
        "workers": 1,
        "worker_class": Worker,
        "threads": threads,
        "worker_connections": 1000 + threads,
        "graceful_timeout": math.ceil(drain + graceful + STOP_TIME),  # gunicorn takes whole seconds only
        "keepalive": 75,
        "timeout": 60,
        "limit_request_line": _LONGEST_LINE,
        "limit_request_field_size": 0,
        "sendfile": False,  # it would pass by `_OneSend`
        "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,
        "loglevel": "warning",
        "control_socket_disable": True,  # it could start and stop workers behind our back
        "post_fork": post_fork,
        "post_worker_init": post_worker_init,
        "worker_exit": worker_exit,
    }
    application = _Application(build, drain, options)
    application.run()
