"""The control socket of a daemon: one line of JSON in, one line out, for the machine's administrator only.

``{"method": "status"}`` is answered by ``{"ok": true, "status": {...}}`` or ``{"ok": false, "error": "..."}``; a daemon
may have reports besides, such as ``{"method": "nodes"}``, answered by ``{"ok": true, "nodes": [...]}``. Each
conversation has a thread of its own, few at a time, and a deadline, so that nobody who connects can hold up the
daemon, or keep another one from asking.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from congressd.daemon.start import StartError
from congressd.daemon.status import Status
from congressd.model.errors import CongressError

LOG = logging.getLogger(__name__)

LONGEST_LINE: Final = 4096  #: bytes of a question
MOST: Final = 16  #: conversations at a time
QUEUE: Final = 128  #: connections that the kernel keeps until they are taken
PATIENCE: Final = 2.0  #: seconds for the question to come, and for the answer to be taken

#: What a method does; the answer is always the status after it. Raises CongressError for a refusal.
Methods = Mapping[str, Callable[[], object]]


class ControlSocket:
    """Answers on a UNIX socket that only its owner (and root) may connect to."""

    def __init__(
        self, path: Path, status: Callable[[], Status], methods: Methods, reports: Methods | None = None
    ) -> None:
        """``status`` must never wait; ``methods`` (besides ``status``) may, each call on its own thread.

        What a method of ``reports`` returns is the answer, under the method's own name: it must be JSON.
        """
        self._path = path
        self._status = status
        self._methods: Methods = {"status": lambda: None, **methods}
        self._reports = reports or {}
        self._room = threading.BoundedSemaphore(MOST)
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Begin to answer. A socket file that a process left behind is replaced. Raises StartError."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            os.fchmod(listener.fileno(), 0o600)  # before bind: there is no moment at which others may connect
            self._path.unlink(missing_ok=True)  # whoever made it has ended: this process holds the PID file
            listener.bind(os.fspath(self._path))
            listener.listen(QUEUE)
        except OSError as error:
            listener.close()
            raise StartError(f"the control socket {self._path} cannot be made: {error.strerror or error}") from None
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="control-socket", daemon=True).start()

    def close(self) -> None:
        """Answer no more, and remove the file."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._path.unlink(missing_ok=True)
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # ends the wait for the next conversation
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                conversation, _ = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return
                LOG.warning("the control socket cannot be listened on: %s", error)
                time.sleep(0.1)  # such as too many open files: it may pass
                continue
            if self._room.acquire(blocking=False):
                threading.Thread(target=self._talk, args=(conversation,), name="control-call", daemon=True).start()
            else:
                conversation.close()

    def _talk(self, conversation: socket.socket) -> None:
        try:
            with conversation:
                line = _read_line(conversation)
                if line:
                    answer = json.dumps(self._answer(line)).encode() + b"\n"
                    conversation.settimeout(PATIENCE)
                    conversation.sendall(answer)
        except OSError:
            pass  # who asked is gone
        finally:
            self._room.release()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            question = json.loads(line)
        except ValueError:
            question = None
        method = question.get("method") if isinstance(question, dict) else None
        if not isinstance(method, str) or method not in {*self._methods, *self._reports}:
            known = ", ".join(sorted({*self._methods, *self._reports}))
            asked = f"the method {method!r:.80}" if isinstance(question, dict) else f"{line[:80]!r}"
            return _refusal(f'{asked} is not known; ask one of {known}, such as {{"method": "status"}}')
        if method != "status" and method not in self._reports:
            LOG.info("method=%s: asked over the control socket", method)
        try:
            if method in self._reports:
                return {"ok": True, method: self._reports[method]()}
            self._methods[method]()
            return {"ok": True, "status": self._status().document()}
        except CongressError as error:
            return _refusal(error.detail)
        except Exception as error:
            LOG.exception("method=%s: failed", method)
            return _refusal(f"{method} failed with {type(error).__name__}: {error}")


def _refusal(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _read_line(conversation: socket.socket) -> bytes:
    """The first line, or what there is of it at the end; nothing if it does not come in time or is too long."""
    deadline = time.monotonic() + PATIENCE
    received = b""
    while b"\n" not in received:
        left = deadline - time.monotonic()
        if left <= 0 or len(received) > LONGEST_LINE:
            return b""
        conversation.settimeout(left)
        part = conversation.recv(LONGEST_LINE)
        if not part:
            break
        received += part
    return received.partition(b"\n")[0]
