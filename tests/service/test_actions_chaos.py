"""Executions on a cluster of real processes whose nodes are killed and frozen at random: a checker reads the history.

`CHAOS_SECONDS` and `CHAOS_ROWS` in the environment make it longer; `CHAOS_SEED` repeats a sequence of faults.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.service.actions_history import FINAL, History, violations
from tests.service.nodes import Cluster, Daemon, PolicyNode
from tests.service.process import wait_for
from tests.service.rabbitmq import RabbitServer
from tests.unit.actions.target import Target

pytestmark = [pytest.mark.mariadb, pytest.mark.rabbitmq, pytest.mark.timeout(1200)]

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
ROWS = int(os.environ.get("CHAOS_ROWS", "300"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
IDEMPOTENT = frozenset({"request_idempotent"})
PATIENCE = 90.0  #: seconds in which everything must come to rest once nothing is killed any more


class Load:
    """Pushes rows through whichever node answers, and takes some of them back; remembers what came and what holds."""

    def __init__(self, nodes: list[PolicyNode], chance: random.Random) -> None:
        self._nodes = nodes
        self._chance = chance
        self._numbers = itertools.count()
        self.appeared: Counter[str] = Counter()
        self.held: set[str] = set()

    def run(self) -> None:
        """Push all rows, spread over the time of the chaos."""
        size = 5
        pause = threading.Event()
        for first in range(0, ROWS, size):
            rows = [f"r{number}" for number in range(first, min(first + size, ROWS))]
            self.push(upsert=[[row] for row in rows])
            self.appeared.update(rows)
            self.held.update(rows)
            if self._chance.random() < 0.2:
                back = self._chance.choice(sorted(self.held))
                self.push(delete=[[back]])
                self.held.discard(back)
            pause.wait(SECONDS * size / ROWS)

    def push(self, **changes: Any) -> None:
        """One push, which is durable when it returns; the same push is tried on all nodes until one takes it."""
        key = f"push-{next(self._numbers)}"
        for node in itertools.cycle(self._nodes):
            try:
                reply = node.call("PATCH", "/v1/data-sources/inv/tables/bad/rows", changes, {"Idempotency-Key": key})
            except OSError:
                time.sleep(0.1)  # the node is dead or frozen just now
                continue
            if reply.status == 200:
                return
            assert reply.status in (404, 409, 503), reply  # 404: it has just begun, and HAProxy would not ask it
            time.sleep(0.1)


class Chaos:
    """Kills and freezes nodes until it is told to stop, and heals all of them at the end."""

    def __init__(self, engines: list[PolicyNode], sources: list[Daemon], chance: random.Random) -> None:
        self._engines = engines
        self._sources = sources
        self._chance = chance
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(120)

    def _run(self) -> None:
        while not self._stop.wait(self._chance.uniform(1.0, 4.0)):
            kind = self._chance.choice(["kill pe", "freeze pe", "kill dsd", "freeze dsd", "both dsd"])
            self.faults.append(kind)
            self.raise_dead()
            if kind.endswith("pe"):
                self._hit(self._chance.choice(self._engines), kind, self._chance.uniform(0.5, 3.0))
            else:
                active = next((each for each in self._sources if each.state() == "active"), self._sources[0])
                if kind == "both dsd":
                    self._usurp(active)
                else:
                    self._hit(active, kind, self._chance.uniform(0.5, 8.0))

    def raise_dead(self) -> None:
        """Start what has ended by itself, as the cluster manager would: a node that lost its lease does."""
        for daemon in (*self._engines, *self._sources):
            if not daemon.alive:
                daemon.start()

    def _hit(self, node: Daemon, kind: str, seconds: float) -> None:
        if kind.startswith("kill"):
            for pid in node.everyone():
                with suppress(ProcessLookupError):  # a child that has just ended
                    os.kill(pid, signal.SIGKILL)
            node.end(signal.SIGKILL)
            self._stop.wait(seconds)
            node.start()
        else:
            node.freeze()
            self._stop.wait(seconds)
            node.thaw()

    def _usurp(self, active: Daemon) -> None:
        """The other node becomes active while this one believes that it still is."""
        other = next(each for each in self._sources if each is not active)
        try:
            other.ask("activate")
        except Exception as error:  # it may be dead, frozen or not warm: then there is no usurper
            self.faults.append(f"no usurper: {error}")


@pytest.fixture
def cluster(mariadb_url: str, rabbitmq: RabbitServer) -> Iterator[Cluster]:
    with Cluster(mariadb_url, rabbitmq.url) as cluster:
        yield cluster


def whole_log(node: PolicyNode) -> list[dict[str, Any]]:
    """Every activation, from the pages of the API."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = node.get(f"/v1/actions?limit=1000{after}")
        found += page["results"]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def test_no_action_runs_twice_and_none_is_lost_while_nodes_are_killed(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    print(f"CHAOS_SEED={SEED}")
    with Target(delay=0.03) as target:
        engines = [cluster.pe(1), cluster.pe(2)]
        sources = [cluster.dsd(1), cluster.dsd(2)]
        for daemon in (*engines, *sources):
            daemon.start()
        for engine in engines:
            engine.wait_ready()
        wait_for(lambda: any(each.state() == "active" for each in sources), "a datasource node is active", 60)
        first = engines[0]
        first.post("/v1/data-sources", {"name": "inv", "driver": "push", "config": {"tables": TABLES}})
        rules = [
            f'execute[http:request("POST", url)] :- inv:bad(x), concat("{target.url}/once/", x, url)',
            f'execute[http:request_idempotent("PUT", url)] :- inv:bad(x), concat("{target.url}/again/", x, url)',
        ]
        first.post("/v1/policies", {"name": "p", "rules": [{"rule": rule} for rule in rules]})
        load, chaos = Load(engines, chance), Chaos(engines, sources, chance)
        chaos.start()
        try:
            load.run()
        finally:
            chaos.stop()
        chaos.raise_dead()
        for engine in engines:
            engine.wait_ready()
        history = History({}, frozenset(), [], {}, [], IDEMPOTENT)

        def at_rest() -> bool:
            nonlocal history
            history = recorded(engines[0], target, load)
            late = [each for each in history.log if each["state"] not in FINAL | {"unknown"}]
            return not late and not violations(history)

        try:
            wait_for(at_rest, "everything has come to rest", PATIENCE)
        except AssertionError:
            assert violations(history) == [], chaos.faults
        states = Counter(each["state"] for each in history.log)
        print(f"faults={Counter(chaos.faults)} states={states} calls={len(history.calls)}")
        assert violations(history) == []


TABLES = {"bad": {"columns": ["id"], "key": ["id"]}}


def recorded(node: PolicyNode, target: Target, load: Load) -> History:
    """What was wanted, what the log says, and what the world saw; rows are told apart by rule."""
    log = whole_log(node)
    row_of = {each["id"]: each["args"][1].removeprefix(target.url) for each in log}
    appeared = {f"/{kind}/{row}": number for row, number in load.appeared.items() for kind in ("once", "again")}
    held = frozenset(f"/{kind}/{row}" for row in load.held for kind in ("once", "again"))
    return History(appeared, held, log, row_of, [call.activation for call in list(target.calls)], IDEMPOTENT)
