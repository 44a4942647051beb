"""The whole service as one process: SQLite, the in-process bus, a datasource node, a policy engine node, the API."""

from __future__ import annotations

import logging
from pathlib import Path

from congressd.api.server import serve as serve_http
from congressd.cli import example as example_cloud
from congressd.cli import greeting
from congressd.cli.datadir import DATABASE, KEY, claim
from congressd.config.options import Settings
from congressd.store import keys, migrate
from congressd.store.database import Database

LOG = logging.getLogger(__name__)


def serve(settings: Settings, *, example: bool) -> None:
    """Serve until SIGTERM or SIGINT, then end the process with code 0.

    Everything that can be known to fail is tried before anything starts. Raises StartError, CongressError.
    """
    _log_to_stderr(settings.default.log_level)
    directory = Path(settings.default.data_dir)
    claim(directory)
    directory = directory.resolve()
    url = settings.database.connection or f"sqlite:///{directory / DATABASE}"
    _free_port(settings.default.bind_host, settings.default.bind_port)
    key_path = Path(settings.default.encryption_key_path or directory / KEY)
    secret = keys.load(key_path, create=True)
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
