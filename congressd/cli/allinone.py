"""The whole service as one process: SQLite, the in-process bus, a datasource node, a policy engine node, the API."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from congressd.api.app import create_app
from congressd.api.server import serve as serve_http
from congressd.api.service import Service
from congressd.bus.inprocess import InProcessBus
from congressd.cli import example as example_cloud
from congressd.cli import greeting, port
from congressd.cli.datadir import DATABASE, LOG_FILE, announce, claim
from congressd.config.options import Settings
from congressd.daemon import wiring, wiring_dsd, wiring_pe
from congressd.daemon.presence import Presence
from congressd.daemon.start import StartError
from congressd.daemon.status import State, Status
from congressd.store import keys, migrate
from congressd.store.database import Database

NAME: Final = "all-in-one"  #: of the one node


def serve(settings: Settings, *, example: bool) -> None:
    """Serve until SIGTERM or SIGINT, then end the process with code 0.

    Everything that can be known to fail is tried before anything starts. Raises StartError, CongressError.
    """
    directory = Path(settings.default.data_dir)
    held = claim(directory)
    directory = directory.resolve()
    _log(settings.default.log_level, directory / LOG_FILE)
    if example and settings.default.auth_strategy != "none":
        raise StartError("the example is set up without a token: leave out --example, or take auth_strategy = none")
    wiring.access(settings)
    port.check_free(settings.default.bind_host, settings.default.bind_port)
    announce(held, settings.default.bind_host, settings.default.bind_port)
    secret = keys.load(wiring.key_file(settings.default.encryption_key_path or str(directory)), create=True)
    url = settings.database.connection or f"sqlite:///{directory / DATABASE}"
    database = Database(url)
    migrate.upgrade(database)
    database.run(lambda session: keys.verify(session, secret))
    database.close()  # the worker is another process, and has connections of its own
    folder = example_cloud.prepare(directory) if example else None
    serve_http(
        lambda: AllInOne(settings, url, secret),
        settings.default.bind_host,
        settings.default.bind_port,
        threads=settings.api.threads,
        graceful=settings.api.graceful_timeout,
        ready=lambda: greeting.start(settings, directory, folder),
    )


class AllInOne:
    """Both nodes and the API over one in-process bus; what `congressd.api.server.serve` runs."""

    def __init__(self, settings: Settings, url: str, secret: keys.Keys) -> None:
        self._database = Database(url)
        self._bus = InProcessBus()
        self._publisher = self._bus.publisher()
        self._subscriber = self._bus.subscriber()
        self._controls = (self._bus.control(), self._bus.control())
        self._dsd = wiring_dsd.datasource_node(
            settings, NAME, self._database, self._publisher, self._controls[0], secret, reactivate=True
        )
        presence = Presence(self._controls[1], NAME, self.status)
        self._pe = wiring_pe.policy_engine_node(
            settings, self._database, self._subscriber, self._controls[1], secret, turned=presence
        )
        self._access = wiring.access(settings)
        self._app = create_app(Service(self._pe, self._access, {"node": NAME}))

    @property
    def app(self) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
        """The WSGI application."""
        return self._app

    def start(self) -> None:
        """Start both nodes; the datasource node is the active one, since there is no other."""
        self._pe.start()
        self._dsd.start()
        self._dsd.activate()

    def status(self) -> Status:
        """What this process does now, as one node. Never waits."""
        readiness = self._pe.readiness()
        published_at = self._dsd.published_at()
        return Status(
            role="all-in-one",
            state=State.READY if readiness.ready else State.STARTING,
            epoch=self._dsd.epoch,
            revision=readiness.revision,
            bus=self._pe.streams.connected,
            database=self._dsd.database_error is None and self._pe.follower.last_error is None,
            last_batch_age=None if published_at is None else time.monotonic() - published_at,
            work_age=0.0,  # the work loop itself tells it
            sources=self._dsd.sources,
            failing=tuple(self._dsd.failing()),
            reason="; ".join(readiness.missing),
            refused=self._dsd.refused,
        )

    def drain(self) -> None:
        """Be not ready from now on."""
        self._pe.drain()

    def reload(self) -> None:
        """Read the tokens again."""
        self._access.reload()

    def stop(self, timeout: float) -> None:
        """Stop both nodes within about ``timeout`` seconds."""
        self._dsd.stop(timeout / 2)
        self._pe.stop(timeout / 2)
        for control in self._controls:
            control.close(0.1)
        self._subscriber.close(0.1)
        self._publisher.close(0.1)
        self._database.close()


def _log(level: str, file: Path) -> None:
    """Everything from ``level`` on to the file; to the terminal only what somebody should look at."""
    lines = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    kept = RotatingFileHandler(file, maxBytes=10_000_000, backupCount=3, encoding="utf-8")
    kept.setLevel(level)
    shown = logging.StreamHandler(sys.stderr)
    shown.setLevel(logging.WARNING)
    for handler in (kept, shown):
        handler.setFormatter(lines)
    logging.basicConfig(level=level, handlers=[kept, shown], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
