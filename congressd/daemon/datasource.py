"""The process of a datasource node: stands by, is active when it may be or is told to, gives its lease back at the end.

The main thread only waits for the end. Becoming warm has a thread of its own, since it needs the database, and what
the control socket is asked to do has another, so that the status is told whatever happens.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from congressd.api.access import Access
from congressd.config.options import Settings
from congressd.daemon import cluster, logs, wiring, wiring_dsd
from congressd.daemon.control_socket import ControlSocket
from congressd.daemon.dsd_metrics import Look
from congressd.daemon.listener import Listener
from congressd.daemon.notify import Notifier, Pulse
from congressd.daemon.pidfile import claim
from congressd.daemon.presence import Presence
from congressd.daemon.start import Identity, StartError
from congressd.daemon.status import State, Status
from congressd.daemon.succession import Succession
from congressd.dsd.pushed import ROLE
from congressd.model.errors import CongressError
from congressd.store import epochs
from congressd.store.database import Database
from congressd.store.keys import Keys

LOG = logging.getLogger(__name__)

STOP_TIME: Final = 5.0  #: seconds for polls and connections to end
RETRY: Final = 1.0  #: seconds between tries while the database is away
LOOK: Final = 0.25  #: seconds between looks at the lease of a predecessor


def run(settings: Settings, identity: Identity, *, standby: bool, reread: Callable[[], Settings]) -> int:
    """Be a datasource node until SIGTERM or SIGINT; the exit code: 0, or 1 if the node ended by itself.

    ``standby``: wait to be told to become active. ``reread`` reads the configuration again, for SIGHUP.
    Raises StartError and CongressError for what is known to fail before anything has started.
    """
    url, secret = wiring.shared_database(settings), wiring.shared_key(settings)
    cluster.brokers(settings)
    held = claim(identity.pid_file)
    logs.begin(settings.default.log_level, identity.role)
    daemon = DatasourceDaemon(settings, identity, Database(url), secret, standby=standby)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: daemon.end())
    signal.signal(signal.SIGHUP, lambda _number, _frame: daemon.reload(reread))
    code = daemon.run()
    held.release()
    logging.shutdown()
    os._exit(code)  # libraries have threads that Python would wait for


class DatasourceDaemon:
    """One datasource node with its connections and its control socket."""

    def __init__(
        self, settings: Settings, identity: Identity, database: Database, secret: Keys, *, standby: bool
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._database = database
        self._secret = secret
        self._autonomous = not standby  # nobody has commanded us to be what we are
        self._notifier = Notifier()
        self._pulse = Pulse(self._notifier, lambda: self.status().line())
        self._publisher = cluster.publisher(settings)
        self._control = cluster.control(settings, identity)
        self._node = wiring_dsd.datasource_node(
            settings,
            identity.name,
            database,
            self._publisher,
            self._control,
            secret,
            on_lost=self._lost,
            turned=self._turned,
        )
        self._presence = Presence(self._control, identity.name, self.status)
        self._socket = ControlSocket(
            identity.socket,
            self.status,
            {"activate": self.activate, "standby": self.stand_by, "drain": self.stand_by, "stop": self.end},
        )
        self._listener: Listener | None = None
        self._access: Access | None = None  # of the listener
        self._switching = threading.Lock()  # one becomes active or stands by at a time
        self._warm = False
        self._reason = "has not begun yet"
        self._database_away = False  # at the start, before the node can say
        self._ending = threading.Event()
        self._code = 0

    def run(self) -> int:
        """Run until the end; the exit code."""
        try:
            self._socket.open()
        except StartError as error:
            LOG.error("node=%s cannot start: %s", self._identity.name, error)
            return 1
        if not self._listen():
            return 1
        LOG.info("node=%s begins, control socket %s", self._identity.name, self._identity.socket)
        threading.Thread(target=self._begin, name="begin", daemon=True).start()
        self._notifier.send("READY=1")
        self._ending.wait()
        self._notifier.send("STOPPING=1")
        self._stop()
        return self._code

    def _listen(self) -> bool:
        """Begin to answer over HTTP, if that is wanted."""
        dsd = self._settings.dsd
        if not dsd.bind_port:
            return True
        try:
            self._access = wiring.access(self._settings)
            self._listener = Listener(dsd.bind_host, dsd.bind_port, self._access, self._look)
        except StartError as error:
            LOG.error("node=%s cannot start: %s", self._identity.name, error)
            return False
        return True

    def _look(self) -> Look:
        return Look(self.status(), tuple(self._node.figures()))

    def status(self) -> Status:
        """What this process does now. Never waits."""
        node = self._node
        published_at = node.published_at()
        epoch = node.epoch
        return Status(
            role="dsd",
            state=self._state(epoch),
            epoch=epoch,
            revision=node.revision,
            bus=self._publisher.connected,
            database=node.database_error is None and not self._database_away,
            last_batch_age=None if published_at is None else time.monotonic() - published_at,
            work_age=self._pulse.age(),
            sources=node.sources,
            failing=tuple(node.failing()),
            reason=self._reason,
            refused=node.refused,
        )

    def _turned(self) -> None:
        """The work loop has turned."""
        self._pulse()
        self._presence()

    def _state(self, epoch: int | None) -> State:
        if self._ending.is_set():
            return State.STOPPING
        if epoch is not None:
            return State.ACTIVE
        return State.STANDBY if self._warm else State.STARTING

    # -- what may be asked for ----------------------------------------------------------------------------------

    def activate(self) -> None:
        """Take over at once, whoever was active. Raises CongressError ``unavailable``."""
        with self._switching:
            self._activate()
            self._autonomous = False  # not before: one that could not be made active goes on trying by itself

    def stand_by(self) -> None:
        """Be active no longer, and give the lease back."""
        with self._switching:
            self._autonomous = False
            self._node.deactivate()
            if self._warm:
                self._reason = "was told to stand by"

    def reload(self, reread: Callable[[], Settings]) -> None:
        """Follow what may change while the process runs: the level of the log, tokens, and how to act."""
        settings = logs.reread(reread)
        if self._access is not None:
            self._access.reload()
        if settings is not None:
            self._node.reconfigure(wiring_dsd.executor_settings(settings), wiring_dsd.service_settings(settings))

    def end(self) -> None:
        """End the process, in order."""
        self._ending.set()

    def _activate(self) -> None:
        if not self._warm:
            raise CongressError("unavailable", f"the node is not warm yet: {self._reason}")
        if self._ending.is_set():
            raise CongressError("unavailable", "the node is about to stop")
        if not self._node.active:
            self._node.activate()
        self._reason = ""

    # -- from start to standby to active ------------------------------------------------------------------------

    def _begin(self) -> None:
        """Become warm as soon as the database can be read; then active, unless somebody is to command that."""
        try:
            while not self._ending.is_set() and not self._warm:
                self._turned()
                self._try_to_begin()
            succession = Succession(self._identity.name, self._settings.dsd.lease)
            while self._autonomous and not self._ending.is_set() and not self._node.active:
                self._try_to_succeed(succession)
        except StartError as error:
            self._fail(str(error))
        except Exception as error:
            LOG.exception("node=%s cannot begin", self._identity.name)
            self._fail(f"{type(error).__name__}: {error}")

    def _try_to_begin(self) -> None:
        try:
            wiring.check_database(wiring.shared_database(self._settings), self._secret)
            self._node.start()
        except CongressError as error:
            if self._reason != error.detail:
                LOG.warning("node=%s cannot begin yet: %s", self._identity.name, error)
            self._reason, self._database_away = error.detail, True
            self._ending.wait(RETRY)
            return
        self._database_away = False
        self._reason = "" if self._autonomous else "waits to be told to be active"
        self._warm = True
        LOG.info("node=%s stands by sources=%d", self._identity.name, self._node.sources)

    def _try_to_succeed(self, succession: Succession) -> None:
        try:
            record = self._database.read(lambda session: epochs.holder(session, ROLE), causal=True)
            left = succession.wait_for(record, time.monotonic())
            if left == 0.0:
                with self._switching:
                    if self._autonomous:
                        self._activate()
                return
            reason = f"waits for the lease of {record.node if record else 'nobody'} to end"
            if self._reason != reason:
                LOG.info("node=%s %s, at most %.1f s", self._identity.name, reason, left)
            self._reason = reason
            self._ending.wait(min(left, LOOK))
        except CongressError as error:
            self._reason = error.detail
            LOG.warning("node=%s cannot become active yet: %s", self._identity.name, error)
            self._ending.wait(RETRY)

    # -- the end ------------------------------------------------------------------------------------------------

    def _lost(self, reason: str) -> None:
        """The node stopped publishing by itself."""
        self._reason = reason
        if self._settings.dsd.when_lost == "exit":
            self._fail(reason)

    def _fail(self, reason: str) -> None:
        LOG.error("node=%s ends: %s", self._identity.name, reason)
        self._reason, self._code = reason, 1
        self.end()

    def _stop(self) -> None:
        """Stop publishing, give the lease back, close what is open; within about `STOP_TIME` seconds."""
        self._presence.tell()
        stopping = threading.Thread(target=self._stop_parts, name="stop", daemon=True)
        stopping.start()
        stopping.join(STOP_TIME)
        self._socket.close()
        if self._listener is not None:
            self._listener.close()
        LOG.info("node=%s has stopped", self._identity.name)

    def _stop_parts(self) -> None:
        self._node.stop(STOP_TIME / 2)
        self._control.close(STOP_TIME / 4)
        self._publisher.close(STOP_TIME / 4)
        self._database.close()
