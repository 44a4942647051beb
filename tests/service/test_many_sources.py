"""Hundreds of sources over real servers: a node that starts gets the rows of all, and knows how old they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from congressd.store import policies
from congressd.store.changes import SourceCreated
from congressd.store.database import Database
from congressd.store.records import SourceRecord, new_id
from tests.service.mariadb import MariaDB
from tests.service.nodes import Cluster, PolicyNode
from tests.service.process import wait_for
from tests.service.rabbitmq import RabbitServer
from tests.service.test_consistency import new_database

SOURCES = 300  # more than are asked for at once
CONFIG: dict[str, Any] = {"rows": 2, "churn": 0, "poll_time": 1.0}
AGE = 5.0  #: seconds


@pytest.fixture(scope="module")
def cluster(mariadb: MariaDB, rabbitmq: RabbitServer) -> Iterator[Cluster]:
    url = new_database(mariadb)
    with Cluster(url, rabbitmq.url) as made:
        database = Database(url)
        records = [SourceRecord(new_id(), f"fake{each}", "fake", CONFIG) for each in range(SOURCES)]
        changes = [SourceCreated(record) for record in records]
        revision = database.read(policies.current_revision)
        database.run(lambda session: policies.commit(session, revision, changes, "test", time.time()))
        database.close()
        dsd = made.dsd(1)
        dsd.start()
        dsd.wait_until("active")
        yield made


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> PolicyNode:
    node = cluster.pe(1)
    node.start()
    node.wait_ready()
    rules = [{"rule": f"p(x) :- fake{each}:fake_table(x, y)"} for each in range(SOURCES)]
    node.post("/v1/policies", {"name": "all", "rules": rules})
    wait_for(lambda: held(node) == SOURCES, "the rows of all sources")
    return node


def held(node: PolicyNode) -> int:
    """How many sources a node has rows of."""
    return sum(state == "held" for state in node.call("GET", "/readyz").body["sources"].values())


def state(node: PolicyNode, source: str) -> dict[str, Any]:
    """What a node says of a source."""
    (found,) = (each for each in node.get("/v1/system/status")["sources"] if each["source"] == source)
    return dict(found)


def test_a_node_that_starts_is_ready_with_the_rows_of_all(cluster: Cluster, node: PolicyNode) -> None:
    second = cluster.pe(2)
    second.start()
    second.wait_ready()
    assert held(second) == SOURCES
    assert sorted(second.rows("all", "p")) == [[0], [1]]


def test_rows_that_do_not_change_do_not_grow_old_while_they_are_polled(node: PolicyNode) -> None:
    before = state(node, "fake7")
    wait_for(lambda: state(node, "fake7")["fetched_at"] > before["fetched_at"], "another poll is heard of")
    assert state(node, "fake7")["held"] == before["held"]
    path = f"/v1/policies/all/tables/p/rows?max_staleness={AGE:g}"
    wait_for(lambda: node.call("GET", path).status == 200, "an answer that is not older than the last polls")
