"""A private MariaDB with one empty database and a private RabbitMQ, for the time of a benchmark."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.service.mariadb import MariaDB
from tests.service.rabbitmq import RabbitServer


@dataclass(frozen=True, slots=True)
class Servers:
    """Their addresses, and a directory for whatever else is needed."""

    database: str
    broker: str
    folder: Path


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both; stop them and remove their files in the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (folder / "r").mkdir()
        mariadb, rabbitmq = MariaDB(folder / "m"), RabbitServer(folder / "r")
        stack.callback(mariadb.stop)
        stack.callback(rabbitmq.stop)
        mariadb.create()
        with mariadb.root() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE bench")
        rabbitmq.start()
        yield Servers(mariadb.url("bench"), rabbitmq.url, folder)
