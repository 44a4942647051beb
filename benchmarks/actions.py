"""From a row to a call at the target, and how many a second: ``python -m benchmarks.actions``.

A policy engine node and a datasource node as processes of their own, with a MariaDB and a RabbitMQ of their own, all
durable as in production; the target is an HTTP server in this process. ``--in-process`` leaves RabbitMQ and the
processes out: both nodes over the in-process bus, as `congressd serve` has them, with MariaDB.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Times, human, machine, table
from tests.service.mariadb import MariaDB
from tests.service.nodes import Cluster
from tests.service.process import ServiceProcess, wait_for
from tests.service.rabbitmq import RabbitServer
from tests.unit.actions.target import Target

SINGLE = 200  #: rows, one after another, each when the call of the one before has come
BURST = 3000  #: rows in one push, for the rate


class Api:
    """The API of a policy engine node."""

    def __init__(self, port: int) -> None:
        self._endpoint = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, body: object) -> Any:
        """The decoded answer of a request that must succeed."""
        request = urllib.request.Request(
            self._endpoint + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """The URL of an empty database on a server of our own."""
    server = MariaDB(folder)
    try:
        server.create()
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with server.root() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        yield server.url(name)
    finally:
        server.stop()


@contextmanager
def processes(folder: Path, url: str) -> Iterator[Api]:
    """Two nodes as processes, over RabbitMQ."""
    with ExitStack() as stack:
        (folder / "rabbit").mkdir()
        broker = RabbitServer(folder / "rabbit")
        broker.start()
        stack.callback(broker.stop)
        options: dict[str, dict[str, object]] = {
            "DEFAULT": {"log_level": "WARNING", "node": "here"},
            "actions": {"blast_radius_rows": 0},
        }
        cluster = stack.enter_context(Cluster(url, broker.url, options))
        engine, source = cluster.pe(1), cluster.dsd(1)
        engine.start()
        source.start()
        engine.wait_ready()
        wait_for(lambda: source.state() == "active", "the datasource node is active", 60)
        yield Api(engine.port)


@contextmanager
def in_process(folder: Path, url: str) -> Iterator[Api]:
    """Both nodes and the API in one process of its own, over the in-process bus."""
    config = folder / "congressd.conf"
    config.write_text(
        f"[DEFAULT]\nlog_level = WARNING\n[database]\nconnection = {url}\n[actions]\nblast_radius_rows = 0\n"
    )
    service = ServiceProcess(folder / "data", folder / "service.log", "--config", str(config))
    service.start()
    try:
        yield Api(service.port)
    finally:
        service.stop()


def measure(api: Api) -> list[str]:
    """One line of the table."""
    with Target() as target:
        api.call("POST", "/v1/data-sources", {"name": "inv", "driver": "push", "config": {"tables": {"bad": ["id"]}}})
        rule = f'execute[http:request("POST", url)] :- inv:bad(x), concat("{target.url}/", x, url)'
        api.call("POST", "/v1/policies", {"name": "p", "rules": [{"rule": rule}]})
        rows = "/v1/data-sources/inv/tables/bad/rows"
        warm = 20
        sent, answered = [], []
        for number in range(warm + SINGLE):
            begin = time.monotonic()
            api.call("PATCH", rows, {"upsert": [[f"s{number}"]]})
            end = time.monotonic()
            at = target.wait(number + 1, 30)[-1].at
            sent.append(at - begin)
            answered.append(at - end)
            threading.Event().wait(0.01)  # one row now and then
        done = len(target.calls)
        api.call("PATCH", rows, {"upsert": [[f"b{number}"] for number in range(BURST)]})
        calls = target.wait(done + BURST, 120)[done:]
        assert len({call.path for call in calls}) == BURST
        rate = BURST / (calls[-1].at - calls[0].at)
        whole, after = Times(tuple(sent[warm:])), Times(tuple(answered[warm:]))
        return [
            human(max(after.median, 0.0)),
            human(max(after.quantile(0.95), 0.0)),
            human(whole.median),
            human(whole.quantile(0.95)),
            f"{rate:,.0f} /s",
        ]


def main() -> None:
    """Print the table."""
    ways = {"one process, MariaDB": in_process, "two processes, RabbitMQ, MariaDB": processes}
    if "--in-process" in sys.argv:
        del ways["two processes, RabbitMQ, MariaDB"]
    lines = []
    for name, way in ways.items():
        with (
            tempfile.TemporaryDirectory(prefix="m") as folder,
            mariadb(Path(folder) / "db") as url,
            way(Path(folder), url) as api,
        ):
            lines.append([name, *measure(api)])
    print(machine())
    heads = ["nodes", "push answered -> call", "p95", "push sent -> call", "p95", f"{BURST:,} at once"]
    print(table(heads, lines))


if __name__ == "__main__":
    main()
