"""P10 and what else a cluster is measured by: how soon every node shows a change, and how soon another node takes over.

python -m benchmarks.nodes              (needs the Debian packages mariadb-server and rabbitmq-server)

Three policy engine nodes and two datasource nodes, each a process of its own, over one MariaDB and one RabbitMQ. What
is waited for is asked for with ``Congress-At-Least``: the node answers the moment it has it, so nothing is polled.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from benchmarks.measure import Times, human, machine, table
from benchmarks.servers import servers
from congressd.model.errors import CongressError
from congressd.pe.token import parse_token
from tests.service.nodes import QUICK, Cluster, Daemon, PolicyNode
from tests.service.process import wait_for

ROUNDS: Final = 200
TAKEOVERS: Final = 20
RESTARTS: Final = 5
ROWS: Final = 1000  #: of the polled source
OPTIONS: Final = {**QUICK, "DEFAULT": {"log_level": "WARNING", "node": "here"}, "pe": {"sync_period": 60.0}}


class Answer(NamedTuple):
    """An answer, and when it had come (monotonic seconds)."""

    status: int
    body: Any
    token: str
    at: float


class Client:
    """A kept connection to one node."""

    def __init__(self, node: PolicyNode) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)

    def call(self, method: str, path: str, body: object = None, at_least: str = "") -> Answer:
        headers = {"Content-Type": "application/json"} | ({"Congress-At-Least": at_least} if at_least else {})
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        reply = self._connection.getresponse()
        content = json.loads(reply.read() or b"null")
        return Answer(reply.status, content, reply.headers.get("Congress-Revision", ""), time.monotonic())

    def metric(self, name: str) -> float:
        """A figure of /metrics."""
        self._connection.request("GET", "/metrics")
        lines = self._connection.getresponse().read().decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def wait(self, path: str, at_least: str) -> Answer:
        """Ask until the node has come as far as ``at_least``: it waits a little itself, and then says 503."""
        deadline = time.monotonic() + 30
        while (answer := self.call("GET", path, at_least=at_least)).status != 200:
            if time.monotonic() > deadline:
                raise CongressError("unavailable", f"{path} at {at_least}: {answer.body}")
        return answer


class Bench:
    """A running cluster, and a connection to each of its nodes."""

    def __init__(self, cluster: Cluster) -> None:
        self.dsds = [cluster.dsd(number, "--standby") for number in (1, 2)]
        nodes = [cluster.pe(number) for number in (1, 2, 3)]
        for node in (*self.dsds, *nodes):
            node.start()
        for node in nodes:
            node.wait_ready()
        for dsd in self.dsds:
            dsd.wait_until("standby")
        self.dsds[0].ask("activate")
        self.clients = [Client(node) for node in nodes]
        self._pool = ThreadPoolExecutor(len(nodes))

    def everywhere(self, clients: Sequence[Client], path: str, at_least: str) -> list[Answer]:
        """What each of the nodes answers once it has come so far."""
        return list(self._pool.map(lambda client: client.wait(path, at_least), clients))

    def latest(self, clients: Sequence[Client], path: str, at_least: str) -> float:
        """When the last of the nodes had answered."""
        return max(answer.at for answer in self.everywhere(clients, path, at_least))

    def prepare(self) -> None:
        """Two sources, and policies that read them."""
        first = self.clients[0]
        config: dict[str, object] = {"rows": ROWS, "churn": 1, "poll_time": 0.1}
        sources = [
            {"name": "polled", "driver": "fake", "config": config},
            {"name": "pushed", "driver": "push", "config": {"tables": {"t": {"columns": ["id", "n"], "key": ["id"]}}}},
        ]
        rules = ["error(x, y) :- polled:fake_table(x, y)", "error_too(x, n) :- pushed:t(x, n)"]
        for source in sources:
            assert first.call("POST", "/v1/data-sources", source).status == 201
        made = first.call("POST", "/v1/policies", {"name": "p", "rules": [{"rule": rule} for rule in rules]})
        assert made.status == 201, made
        for client in self.clients:
            wait_for(
                lambda client=client: len(rows(client)) == ROWS,  # type: ignore[misc]
                "the first rows",
            )
            client.wait("/v1/policies/p/tables/error_too/rows", made.token)


def rows(client: Client) -> list[Any]:
    """The rows that the polled source leads to."""
    body = client.call("GET", "/v1/policies/p/tables/error/rows").body
    return list(body.get("results", ()))


def notices(bench: Bench) -> tuple[Times, Times]:
    """From the answer to a write until the two other nodes have it, and the write itself."""
    latencies, writes = [], []
    for number in range(ROUNDS):
        writer = bench.clients[number % 3]
        others = [client for client in bench.clients if client is not writer]
        began = time.monotonic()
        written = writer.call("POST", "/v1/policies/p/rules", {"rule": f"fact_{number}({number})"})
        assert written.status == 201, written
        revision = f"policy={parse_token(written.token).revision}"
        latencies.append(bench.latest(others, f"/v1/policies/p/tables/fact_{number}/rows", revision) - written.at)
        writes.append(written.at - began)
    return Times(tuple(latencies)), Times(tuple(writes))


def pushes(bench: Bench) -> tuple[Times, Times]:
    """From sending a push (before it is durable) until every node shows it, and until it is answered."""
    shown, answered = [], []
    for number in range(ROUNDS):
        began = time.monotonic()
        path = "/v1/data-sources/pushed/tables/t/rows"
        pushed = bench.clients[number % 3].call("PATCH", path, {"upsert": [[number % 10, number]]})
        assert pushed.status == 200, pushed
        shown.append(bench.latest(bench.clients, "/v1/policies/p/tables/error_too/rows", pushed.token) - began)
        answered.append(pushed.at - began)
    return Times(tuple(shown)), Times(tuple(answered))


def polls(bench: Bench) -> Times:
    """P10: from reading a changed row at the source until the violation is shown by every node."""
    latencies = []
    path = f"/v1/policies/p/query?q={quote('error(1, y)')}"
    for _ in range(ROUNDS):
        held = parse_token(bench.clients[0].call("GET", path).token).sources["polled"]
        answers = bench.everywhere(bench.clients, path, f"polled={held.epoch}.{held.sequence + 1}")
        shown_at = time.time() - time.monotonic() + max(answer.at for answer in answers)
        read_at = bench.clients[0].metric('congressd_source_fetched_seconds{source="polled"}')
        if read_at < shown_at:  # else another poll came between
            latencies.append(shown_at - read_at)
    return Times(tuple(latencies))


def takeovers(bench: Bench) -> tuple[Times, Times]:
    """From telling a standby to take over until it has the epoch, and until every node shows rows of that epoch."""
    active, shown = [], []
    for number in range(TAKEOVERS):
        old, new = bench.dsds[number % 2], bench.dsds[(number + 1) % 2]
        old.ask("standby")
        wait_for(lambda old=old: old.state() == "standby", "the former one stands by")  # type: ignore[misc]
        began = time.monotonic()
        epoch = new.ask("activate")["epoch"]
        active.append(time.monotonic() - began)
        path = f"/v1/policies/p/query?q={quote('error(1, y)')}"
        shown.append(bench.latest(bench.clients, path, f"polled={epoch}.1") - began)
    return Times(tuple(active)), Times(tuple(shown))


def restarts(cluster: Cluster, bench: Bench) -> Times:
    """From starting the process of a datasource node, after it was killed, until it is active."""
    for dsd in bench.dsds:
        dsd.ask("standby")
    lone: Daemon = cluster.dsd(3)
    lone.start()
    lone.wait_until("active")
    times = []
    for _ in range(RESTARTS):
        lone.end(signal.SIGKILL)
        began = time.monotonic()
        lone.start()
        lone.wait_until("active")
        times.append(time.monotonic() - began)
    return Times(tuple(times))


def line(what: str, times: Times) -> list[str]:
    return [what, *(human(times.quantile(fraction)) for fraction in (0.5, 0.9, 0.99)), str(len(times.runs))]


def main() -> None:
    """Print the table."""
    with servers() as at, Cluster(at.database, at.broker, OPTIONS) as cluster:
        bench = Bench(cluster)
        bench.prepare()
        told, written = notices(bench)
        shown, answered = pushes(bench)
        polled = polls(bench)
        active, taken = takeovers(bench)
        again = restarts(cluster, bench)
    lines = [
        line("a rule is written: answered", written),
        line("answered -> on both other nodes, by the notice", told),
        line("a push is sent: answered, durable and applied", answered),
        line("sent -> violation shown by every node", shown),
        line(f"P10: row of {ROWS:,} read at the source -> violation shown by every node", polled),
        line("a standby is told to take over: active", active),
        line("told -> first batch shown by every node", taken),
        line("process of a killed datasource node started -> active", again),
    ]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{machine()}; {os.cpu_count()} cores, load average {load} (the cluster itself makes about 2)\n")
    print(table(["what", "p50", "p90", "p99", "times"], lines))


if __name__ == "__main__":
    main()
