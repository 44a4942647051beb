"""Many clients at three policy engine nodes without sticky sessions: no answer goes back in time, no write is lost.

``CONGRESSD_OPERATIONS`` is the number of reads and writes, such as 10000.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.service.history import backwards, unanswered, unseen
from tests.service.mariadb import MariaDB
from tests.service.mariadb_galera import Galera, galera
from tests.service.rabbitmq import RabbitServer
from tests.service.stage import Stage

__all__ = ["galera"]

OPERATIONS = int(os.environ.get("CONGRESSD_OPERATIONS", "2000"))
CLIENTS = 8


@pytest.fixture
def stage(mariadb: MariaDB, rabbitmq: RabbitServer) -> Iterator[Stage]:
    with Stage(new_database(mariadb), rabbitmq.url) as made:
        yield made


def new_database(server: MariaDB) -> str:
    """The URL of a new database."""
    name = f"consistency_{uuid.uuid4().hex[:12]}"
    with server.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return server.url(name)


def work(stage: Stage, operations: int) -> None:
    """Let clients carry out operations to their end."""
    clients = stage.clients(CLIENTS)
    for each in clients:
        each.start(operations // CLIENTS)
    for each in clients:
        each.join(240)


def test_no_answer_goes_back_in_time_at_any_node(stage: Stage) -> None:
    work(stage, OPERATIONS)
    operations = stage.history.operations
    assert len(operations) == OPERATIONS // CLIENTS * CLIENTS
    assert unanswered(operations) == []
    assert backwards(operations) == []
    assert unseen(operations) == []
    stage.settle()
    assert stage.audit() == []


def test_writers_on_two_galera_nodes_lose_and_duplicate_nothing(galera: Galera, rabbitmq: RabbitServer) -> None:
    """Each policy engine node writes to another database server, so certification conflicts are the rule."""
    url = new_database(galera.one)
    name = url.rpartition("/")[2]
    with Stage(url, rabbitmq.url, databases=[url, galera.two.url(name), url]) as stage:
        work(stage, 600)
        operations = stage.history.operations
        assert unanswered(operations) == []
        assert backwards(operations) == []
        assert unseen(operations) == []
        stage.settle()
        assert stage.audit() == []
