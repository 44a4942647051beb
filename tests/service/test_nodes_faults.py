"""Processes that are killed and frozen, servers that go away: nothing accepted is lost, all nodes end up equal."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from congressd.store import epochs, keys, policies, pushes
from congressd.store.changes import RuleCreated
from congressd.store.database import Database
from congressd.store.pushfold import Upsert
from congressd.store.records import RuleRecord, new_id
from tests.service.mariadb import MariaDB
from tests.service.nodes import QUICK, Cluster, Daemon, PolicyNode, on_all
from tests.service.process import wait_for
from tests.service.rabbitmq import RabbitServer

#: The lease outlives every freeze and every outage of these tests, unless one says otherwise.
OPTIONS = {
    **QUICK,
    "dsd": {"lease": 60.0, "renew_period": 6.0, "lease_margin": 2.0, "sync_period": 1.0, "when_lost": "standby"},
}


@pytest.fixture(scope="module")
def database_url(mariadb: MariaDB) -> str:
    name = f"faults_{uuid.uuid4().hex[:12]}"
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return mariadb.url(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cluster(database_url: str, rabbitmq: RabbitServer) -> Iterator[Cluster]:
    with Cluster(database_url, rabbitmq.url, OPTIONS) as made:
        yield made


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> list[PolicyNode]:
    made = [cluster.pe(number) for number in (1, 2, 3)]
    for node in made:
        node.start()
    for node in made:
        node.wait_ready()
    return made


@pytest.fixture(scope="module")
def dsds(cluster: Cluster) -> list[Daemon]:
    made = [cluster.dsd(number, "--standby") for number in (1, 2)]
    for node in made:
        node.start()
    return made


@pytest.fixture
def active(dsds: list[Daemon]) -> tuple[Daemon, Daemon]:
    """The active datasource node, and one that stands by: as the test before left them, or made so."""
    for node in dsds:
        if not node.alive:
            node.start()
    for node in dsds:
        node.wait_until("active", "standby")
    if not [node for node in dsds if node.state() == "active"]:
        dsds[0].ask("activate")
    first, second = sorted(dsds, key=lambda node: node.ask()["epoch"] or 0, reverse=True)
    second.ask("standby")
    return first, second


class Watched:
    """A folder of one JSON file, a source that reads it, and a policy over it."""

    def __init__(self, folder: Path, node: PolicyNode, name: str) -> None:
        self.policy = f"{name}_policy"
        self._file = folder / "servers.json"
        self.write([1, 2])
        config = {"path": str(folder), "poll_time": 0.2}
        node.post("/v1/data-sources", {"name": name, "driver": "file", "config": config})
        node.post("/v1/policies", {"name": self.policy, "rules": [{"rule": f"seen(x) :- {name}:servers(id=x)"}]})

    def write(self, ids: list[int]) -> None:
        """The source has servers with these ids now, at once and never half of them."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps([{"id": each} for each in ids]))
        os.replace(fresh, self._file)

    def shows(self, node: PolicyNode, ids: list[int]) -> bool:
        """Whether a node has exactly these."""
        return node.has_rows(self.policy, "seen", [[each] for each in ids])


_numbers = count(1)


@pytest.fixture
def watched(tmp_path: Path, nodes: list[PolicyNode], active: tuple[Daemon, Daemon]) -> Watched:
    made = Watched(tmp_path, nodes[0], f"watched_{next(_numbers)}")
    on_all(nodes, lambda node: made.shows(node, [1, 2]), "the first rows")
    return made


@pytest.fixture
def pushed(nodes: list[PolicyNode], active: tuple[Daemon, Daemon]) -> str:
    """A source of pushes with the table ``t(id)``; its name. A policy of the same name and ``_policy`` reads it."""
    name = f"pushed_{next(_numbers)}"
    nodes[0].post("/v1/data-sources", {"name": name, "driver": "push", "config": {"tables": {"t": ["id"]}}})
    nodes[0].post("/v1/policies", {"name": f"{name}_policy", "rules": [{"rule": f"seen(x) :- {name}:t(x)"}]})
    on_all(nodes, lambda node: node.has_rows(f"{name}_policy", "seen", []), "the policy")
    return name


class Pusher:
    """Pushes one row after the other through all nodes in turn, and keeps those that were accepted."""

    def __init__(self, nodes: list[PolicyNode], source: str) -> None:
        self.accepted: list[int] = []
        self.refused = 0
        self._nodes = nodes
        self._path = f"/v1/data-sources/{source}/tables/t/rows"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pusher")

    def _run(self) -> None:
        for number in count():
            if self._stop.is_set():
                return
            node = self._nodes[number % len(self._nodes)]
            try:
                reply = node.call("PATCH", self._path, {"upsert": [[number]]}, {"Idempotency-Key": f"k{number}"})
            except OSError:
                self.refused += 1
                continue
            if reply.status == 200:
                self.accepted.append(number)
            else:
                assert reply.status == 503, reply
                self.refused += 1

    def __enter__(self) -> Pusher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)


def test_rows_that_vanished_during_an_outage_vanish_everywhere(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], watched: Watched
) -> None:
    """Congress' nodes kept them as ghosts until they were restarted (COMPAT.md, H3)."""
    old, new = active
    epoch = old.ask()["epoch"]
    old.end(signal.SIGKILL)
    watched.write([2, 3])
    assert new.ask("activate")["epoch"] > epoch
    on_all(nodes, lambda node: watched.shows(node, [2, 3]), "the rows of the new datasource node")
    new.end(signal.SIGKILL)
    watched.write([])
    old.start()
    old.wait_until("standby")
    old.ask("activate")
    on_all(nodes, lambda node: watched.shows(node, []), "an empty table")


def test_lost_notices_are_made_up_for(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], pushed: str, database: Database
) -> None:
    """What is committed without a word to anybody is found by the slow looks (COMPAT.md, H7 and H8)."""
    snapshot = database.read(policies.load)
    policy = next(each for each in snapshot.policies.values() if each.name == f"{pushed}_policy")
    source = next(each for each in snapshot.sources.values() if each.name == pushed)
    rule = RuleRecord(new_id(), policy.id, "also(x) :- seen(x)")
    revision = database.run(
        lambda session: policies.commit(session, snapshot.revision, [RuleCreated(rule)], "silent", 1.0)
    )
    prepared = pushes.prepare([Upsert("t", [(7,)])])
    database.run(lambda session: pushes.append(session, source.id, prepared, 1.0))
    on_all(nodes, lambda node: node.has_rows(policy.name, "also", [[7]]), "the rule and the push that nobody told of")
    assert all(node.ask()["revision"] >= revision for node in nodes)


def test_of_two_active_datasource_nodes_the_older_is_refused(
    cluster: Cluster, nodes: list[PolicyNode], active: tuple[Daemon, Daemon], database: Database
) -> None:
    """Without fencing, and with a lease that lets the older one publish on (COMPAT.md, H11)."""
    new = active[0]
    old = cluster.dsd(5, "--standby", dsd={"renew_period": 28.0})
    old.start()
    old.wait_until("standby")
    config = {"rows": 5, "churn": 1, "poll_time": 0.1}
    nodes[0].post("/v1/data-sources", {"name": "busy", "driver": "fake", "config": config})
    nodes[0].post("/v1/policies", {"name": "busy_policy", "rules": [{"rule": "seen(x, y) :- busy:fake_table(x, y)"}]})
    on_all(nodes, lambda node: node.call("GET", "/v1/policies/busy_policy").status == 200, "the policy")
    # The older one knows as soon as it writes to the database, as to renew its lease: by chance that is at once.
    epoch, new_epoch = next(both for _ in range(5) if (both := overlap(old, new, nodes)))
    on_all(nodes, lambda node: held(node, "busy")[0] == new_epoch, "the rows are those of the newer one")
    with pytest.raises(epochs.StaleEpoch):
        database.run(lambda session: epochs.guard(session, epochs.DSD, epoch))
    old.wait_until("standby")  # as soon as it writes to the database, at the latest to renew its lease
    status = old.ask()
    assert status["refused"] >= 1
    assert f"epoch {epoch}" in status["reason"]
    assert new.state() == "active"
    assert old.end() == 0
    nodes[0].call("DELETE", "/v1/policies/busy_policy")
    nodes[0].call("DELETE", "/v1/data-sources/busy")


def overlap(old: Daemon, new: Daemon, nodes: list[PolicyNode]) -> tuple[int, int] | None:
    """Let both be active, of which the newer is heard; their epochs, None if the older one stopped unheard."""
    new.ask("standby")
    epoch = old.ask("activate")["epoch"]
    on_all(nodes, lambda node: held(node, "busy") > (epoch, 20), "the older one has published for a while")
    before = {node.instance: dropped(node) for node in nodes}

    def all_dropped() -> bool:
        return all(dropped(node) > before[node.instance] for node in nodes)

    new_epoch = new.ask("activate")["epoch"]
    assert new_epoch > epoch
    wait_for(lambda: all_dropped() or old.state() != "active", "the batches of the older one are dropped", 60)
    return (epoch, new_epoch) if all_dropped() else None


def dropped(node: PolicyNode) -> int:
    """How many batches and heartbeats of a replaced datasource node a node has refused."""
    return int(node.ask()["refused"])


def held(node: PolicyNode, source: str) -> tuple[int, int]:
    """Epoch and sequence of the rows that a node holds."""
    told = node.call("GET", f"/v1/data-sources/{source}/tables/fake_table/rows").headers.get("Congress-Revision", "")
    found = re.search(rf"\b{source}=(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def test_a_frozen_datasource_node_does_no_harm_when_it_thaws(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], watched: Watched
) -> None:
    old, new = active
    old.freeze()
    try:
        watched.write([5])
        new.ask("activate")
        on_all(nodes, lambda node: watched.shows(node, [5]), "the rows of the new datasource node")
    finally:
        old.thaw()
    watched.write([5, 6])
    on_all(nodes, lambda node: watched.shows(node, [5, 6]), "rows of after the thaw")
    old.wait_until("standby")
    assert new.state() == "active"


def test_a_lease_that_was_given_back_is_not_waited_for(
    cluster: Cluster, nodes: list[PolicyNode], active: tuple[Daemon, Daemon], watched: Watched
) -> None:
    """One that nobody commands waits for the lease of another to end, which here is a minute, or to be given back."""
    old, spare = active
    heir = cluster.dsd(3)
    heir.start()
    heir.wait_until("standby")
    wait_for(lambda: "waits for the lease of here.dsd" in heir.ask()["reason"], "the heir says what it waits for")
    assert old.end() == 0
    heir.wait_until("active", seconds=40)
    watched.write([9])
    on_all(nodes, lambda node: watched.shows(node, [9]), "the rows of the heir")
    assert heir.ask("standby")["state"] == "standby"
    assert spare.ask("activate")["state"] == "active"
    assert heir.end() == 0


def test_a_killed_datasource_node_is_followed_by_itself_at_once(
    cluster: Cluster, active: tuple[Daemon, Daemon]
) -> None:
    """Nobody else can hold its PID file, so its own old lease is not waited for."""
    for each in active:
        each.ask("standby")
    lone = cluster.dsd(4)
    lone.start()
    lone.wait_until("active")
    epoch = lone.ask()["epoch"]
    lone.end(signal.SIGKILL)
    lone.start()
    lone.wait_until("active", seconds=40)
    assert lone.ask()["epoch"] > epoch
    assert lone.end() == 0


def test_a_killed_policy_engine_node_is_ready_only_with_all_rows(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], watched: Watched
) -> None:
    node = nodes[1]
    node.end(signal.SIGKILL)
    active[0].freeze()
    try:
        node.start()
        wait_for(lambda: "no rows yet" in str(readiness(node)), "the node says that it waits for rows")
        assert readiness(node)["ready"] is False
        assert node.state() == "starting"
    finally:
        active[0].thaw()
    node.wait_ready()
    assert watched.shows(node, [1, 2])
    assert node.get("/v1/policies") == nodes[0].get("/v1/policies")


def readiness(node: PolicyNode) -> dict[str, Any]:
    """What /readyz says; nothing while nobody listens."""
    try:
        body: dict[str, Any] = node.call("GET", "/readyz").body
    except OSError:
        return {}
    return body


def test_nodes_that_are_cut_off_from_the_bus_say_so_and_catch_up(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], watched: Watched, pushed: str, rabbitmq: RabbitServer
) -> None:
    path = f"/v1/policies/{watched.policy}/tables/seen/rows"
    assert "Congress-Stale" not in nodes[0].call("GET", path).headers
    rabbitmq.stop()
    try:
        on_all(nodes, lambda node: readiness(node)["bus"].startswith("cut off for"), "/readyz says so")
        for node in nodes:
            reply = node.call("GET", path)
            assert (reply.status, "Congress-Stale" in reply.headers) == (200, True)
            assert node.ask()["bus"] is False
        wait_for(lambda: active[0].ask()["bus"] is False, "the datasource node says so")
        watched.write([4])
        written = nodes[0].call("PUT", f"/v1/data-sources/{pushed}/tables/t/rows", [[1]])
        assert written.status == 200
        nodes[1].post("/v1/policies", {"name": f"{pushed}_during", "rules": [{"rule": "p(1)"}]})
        on_all(nodes, lambda node: node.has_rows(f"{pushed}_during", "p", [[1]]), "a policy, without the bus")
    finally:
        rabbitmq.start()
    on_all(nodes, lambda node: watched.shows(node, [4]), "rows of during the outage", 60)
    on_all(nodes, lambda node: node.has_rows(f"{pushed}_policy", "seen", [[1]]), "the push of during the outage", 60)
    on_all(nodes, lambda node: "Congress-Stale" not in node.call("GET", path).headers, "nothing is stale")
    assert all(readiness(node)["bus"] == "connected" for node in nodes)


def test_nothing_accepted_is_lost_when_the_database_dies(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], pushed: str, mariadb: MariaDB
) -> None:
    with Pusher(nodes, pushed) as pusher:
        wait_for(lambda: len(pusher.accepted) > 20, "some pushes")
        mariadb.kill()
        at_death = len(pusher.accepted)
        mariadb.start()
        wait_for(lambda: len(pusher.accepted) > at_death + 20, "pushes are accepted again", 60)
    nodes[0].post("/v1/policies", {"name": f"{pushed}_after"})
    accepted = set(pusher.accepted)

    def has_all(node: PolicyNode) -> bool:
        return accepted <= {row[0] for row in node.rows(f"{pushed}_policy", "seen")}

    on_all(nodes, has_all, "every accepted push", 30)
    same = [node.rows(f"{pushed}_policy", "seen") for node in nodes]
    assert same[0] == same[1] == same[2]
    assert active[0].ask()["database"] is True


def test_nodes_that_start_without_their_database_wait_for_it(
    cluster: Cluster, nodes: list[PolicyNode], active: tuple[Daemon, Daemon], mariadb: MariaDB
) -> None:
    """Also their key is checked only then: one that is wrong ends the node, whenever that shows."""
    key = cluster.directory / "late.key"
    keys.load(key, create=True)
    policy, wrong, source = cluster.pe(6), cluster.pe(7, DEFAULT={"encryption_key_path": key}), cluster.dsd(6)
    mariadb.kill()
    try:
        for node in (policy, wrong, source):
            node.start()
        for node in (policy, wrong, source):
            wait_for(lambda node=node: node.alive and node.state() == "starting", "the node says that it starts")  # type: ignore[misc]
            wait_for(lambda node=node: node.ask()["database"] is False, "and that the database is away")  # type: ignore[misc]
        assert policy.call("GET", "/readyz").status == 503
    finally:
        mariadb.start()
    policy.wait_ready()
    source.wait_until("standby")  # another one is active
    assert wrong.process is not None
    assert wrong.process.wait(60) == 3
    assert f"no key of {key} opens a secret of the database" in wrong.log.read_text()
    assert (policy.end(), source.end()) == (0, 0)
    for node in (*active, *nodes):
        wait_for(lambda node=node: node.ask()["database"], "all others are back")  # type: ignore[misc]


def test_pushes_are_accepted_without_a_datasource_node_and_published_when_there_is_one(
    nodes: list[PolicyNode], active: tuple[Daemon, Daemon], pushed: str
) -> None:
    for each in active:
        each.ask("standby")
    with Pusher(nodes, pushed) as pusher:
        wait_for(lambda: len(pusher.accepted) >= 5, "pushes are accepted", 60)
        began = time.monotonic()
        active[1].ask("activate")
        wait_for(lambda: len(pusher.accepted) >= 30, "pushes are accepted on", 60)
    assert pusher.refused == 0, time.monotonic() - began
    rows = [[number] for number in pusher.accepted]
    on_all(nodes, lambda node: node.has_rows(f"{pushed}_policy", "seen", rows), "every push, once")
