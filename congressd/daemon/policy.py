"""The process of a policy engine node: engine and API in one worker under gunicorn, beside a control socket.

The parent process holds the PID file and checks what can be checked before it forks; the rest is the worker's.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from congressd.api.app import Application, create_app
from congressd.api.server import serve
from congressd.api.service import Service
from congressd.config.options import Settings
from congressd.daemon import cluster, logs, wiring, wiring_pe
from congressd.daemon.control_socket import ControlSocket
from congressd.daemon.notify import Notifier, Pulse
from congressd.daemon.pidfile import claim
from congressd.daemon.presence import Presence
from congressd.daemon.start import Identity, StartError
from congressd.daemon.status import State, Status
from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.store.database import Database
from congressd.store.keys import Keys

LOG = logging.getLogger(__name__)

RETRY: Final = 1.0  #: seconds between tries while the database is away
BOOT_ERROR: Final = 3  #: the exit code by which gunicorn's parent knows that another worker would fail too


def run(settings: Settings, identity: Identity, *, reread: Callable[[], Settings]) -> None:
    """Be a policy engine node until SIGTERM or SIGINT; ends by SystemExit.

    ``reread`` reads the configuration again, for SIGHUP. Raises StartError and CongressError for what is known to
    fail before anything has started.
    """
    url, secret = wiring.shared_database(settings), wiring.shared_key(settings)
    cluster.brokers(settings)
    wiring.access(settings)
    held = claim(identity.pid_file)
    try:
        logs.begin(settings.default.log_level, identity.role)
        try:
            wiring.check_database(url, secret)
        except CongressError as error:
            LOG.warning("node=%s begins without its database: %s", identity.name, error)
        notifier = Notifier()
        serve(
            lambda: PolicyDaemon(settings, identity, secret, notifier, reread),
            settings.default.bind_host,
            settings.default.bind_port,
            threads=settings.api.threads,
            graceful=settings.api.graceful_timeout,
            drain=settings.pe.drain_time,
        )
    finally:
        held.release()


class PolicyDaemon:
    """One policy engine node with its API, its connections and its control socket; see `api.server.Running`."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        secret: Keys,
        notifier: Notifier,
        reread: Callable[[], Settings],
    ) -> None:
        self._identity = identity
        self._url = wiring.shared_database(settings)
        self._secret = secret
        self._notifier = notifier
        self._reread = reread
        self._pulse = Pulse(notifier, lambda: self.status().line())
        self._database = Database(self._url)
        self._subscriber = cluster.subscriber(settings, identity)
        self._control = cluster.control(settings, identity)
        self._node = wiring_pe.policy_engine_node(
            settings,
            self._database,
            self._subscriber,
            self._control,
            secret,
            turned=self._turned,
            name=identity.name,
        )
        self._presence = Presence(self._control, identity.name, self.status)
        self._access = wiring.access(settings)
        self._app = create_app(Service(self._node, self._access, {"node": identity.name}))
        self._socket = ControlSocket(
            identity.socket, self.status, {"drain": self.drain, "stop": self._end}, {"nodes": self.nodes}
        )
        self._reason = ""  # why it has not begun
        self._draining = False
        self._stopping = threading.Event()

    @property
    def app(self) -> Application:
        """The WSGI application."""
        return self._app

    def start(self) -> None:
        """Answer calls, for now with "not ready", and become ready as the database and the bus allow."""
        self._socket.open()
        LOG.info("node=%s begins, control socket %s", self._identity.name, self._identity.socket)
        threading.Thread(target=self._begin, name="begin", daemon=True).start()
        self._notifier.send("READY=1")

    def drain(self) -> None:
        """Be not ready from now on."""
        self._draining = True
        self._node.drain()

    def reload(self) -> None:
        """Read the configuration and the tokens again."""
        logs.reread(self._reread)
        self._access.reload()

    def stop(self, timeout: float) -> None:
        """Stop everything, within about ``timeout`` seconds."""
        self._notifier.send("STOPPING=1")
        self._stopping.set()
        self._presence.tell()
        self._socket.close()
        self._node.stop(timeout / 2)
        self._control.close(timeout / 4)
        self._subscriber.close(timeout / 4)
        self._database.close()

    def status(self) -> Status:
        """What this process does now. Never waits."""
        node = self._node
        readiness = node.readiness()
        applied_at = node.streams.applied_at
        return Status(
            role="pe",
            state=self._state(readiness.ready),
            epoch=None,
            revision=readiness.revision,
            bus=node.streams.connected,
            database=not self._reason and node.follower.last_error is None,
            last_batch_age=None if applied_at is None else time.monotonic() - applied_at,
            work_age=self._pulse.age(),
            sources=len(readiness.sources),
            reason=self._reason or "; ".join(readiness.missing),
            refused=node.streams.counters().get("dropped_old_epoch", 0),
        )

    def nodes(self) -> Any:
        """All nodes that were heard, each with what it says of itself, as JSON. Never waits."""
        # What came over control is made of values, which Python's own JSON does not know.
        return json.loads(jsontext.dumps([each.document() for each in self._node.roll.all()]))

    def _turned(self) -> None:
        """The work loop has turned."""
        self._pulse()
        self._presence()

    def _state(self, ready: bool) -> State:
        if self._stopping.is_set():
            return State.STOPPING
        if self._draining:
            return State.DRAINING
        return State.READY if ready else State.STARTING

    def _begin(self) -> None:
        """Start the node as soon as the database has shown that it belongs to our key."""
        while not self._stopping.is_set():
            self._turned()
            try:
                wiring.check_database(self._url, self._secret)
            except CongressError as error:
                if self._reason != error.detail:
                    LOG.warning("node=%s cannot begin yet: %s", self._identity.name, error)
                self._reason = error.detail
                self._stopping.wait(RETRY)
                continue
            except StartError as error:
                LOG.error("node=%s ends: %s", self._identity.name, error)
                self._socket.close()
                logging.shutdown()
                os._exit(BOOT_ERROR)
            self._reason = ""
            self._node.start()
            return

    def _end(self) -> None:
        """End both processes, in order."""
        os.kill(os.getppid(), signal.SIGTERM)
