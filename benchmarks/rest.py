"""P9: point queries over REST, beside a bare WSGI callable under the same gunicorn in the same run.

python -m benchmarks.rest

Each server has one core, the load the other one. Rounds of the two alternate, and the best of each counts: other
processes on the machine only ever take time away.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.httpload import Load, get, load
from benchmarks.measure import human, machine, table
from congressd.api.server import serve
from tests.ports import free_port
from tests.service.process import CHECKOUT, ServiceProcess, wait_for

ROWS: Final = 10_000  #: of the source below the table that is asked
REPEATED: Final = 200  #: questions that are asked again and again
CONNECTIONS: Final = 16
SECONDS: Final = 3.0
ROUNDS: Final = 5
THREADS: Final = 8
SERVER_CORE, LOAD_CORE = 1, 0
BARE: Final = "a bare WSGI callable"
TICKS: Final = os.sysconf("SC_CLK_TCK")

#: An answer of the service to a point query, for the bare callable.
BODY: Final = b'{"results":[{"data":["vm-1234"]}],"columns":["id"]}'


class Bare:
    """What answers at once and always the same; see `congressd.api.server.Running`."""

    def app(self, _environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """A WSGI application."""
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
        return (BODY,)

    def start(self) -> None:
        """Nothing."""

    drain = reload = start

    def stop(self, timeout: float) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a core of its own."""

    port: int
    pids: tuple[int, ...]

    def seconds(self) -> float:
        """The CPU time that it has taken so far."""
        found = [Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in self.pids]
        return sum(int(each[11]) + int(each[12]) for each in found) / TICKS


@contextmanager
def bare() -> Iterator[Server]:
    """The bare callable in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.rest", str(port)], cwd=CHECKOUT)
    try:
        wait_for(lambda: _answers(port), "the bare callable answers")
        yield Server(port, pin(process.pid, SERVER_CORE))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        return load(port, [get("/")], 1, 0.01).failed == 0
    except OSError:
        return False


@contextmanager
def service() -> Iterator[Server]:
    """A policy engine node with its data, in one process."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        process = ServiceProcess(folder / "data", folder / "log")
        process.start()
        try:
            assert process.process_id is not None
            rows = [[f"vm-{number}", "off" if number % 2 else "on"] for number in range(ROWS)]
            config = {"tables": {"vms": ["id", "state"]}}
            for path, body in (
                (
                    "/v1/data-sources",
                    {"name": "nova", "driver": "push", "config": config},
                ),
                ("/v1/policies", {"name": "p", "rules": [{"rule": 'error(id) :- nova:vms(id, "off")'}]}),
            ):
                assert process.http("POST", path, body)[0] == 201
            assert process.http("PUT", "/v1/data-sources/nova/tables/vms/rows", rows)[0] == 200
            wait_for(
                lambda: len(process.http("GET", "/v1/policies/p/tables/error/rows")[1]["results"]) == ROWS // 2,
                "all rows are there",
            )
            yield Server(process.port, pin(process.process_id, SERVER_CORE))
        finally:
            process.stop()


def pin(pid: int, core: int) -> tuple[int, ...]:
    """Keep a process with all its children and threads on one core; their ids."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    everyone = (pid, *map(int, children))
    for each in everyone:
        for thread in Path(f"/proc/{each}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
    return everyone


def queries(number: int) -> list[bytes]:
    """Point queries for different rows, half of which are there."""
    step = ROWS // number
    texts = [f'error("vm-{each * step + each % 2}")' for each in range(number)]
    return [get(f"/v1/policies/p/query?q={quote(text)}") for text in texts]


def best(loads: Sequence[Load]) -> Load:
    """The round of the highest rate; all answers must have been good."""
    assert not any(each.failed for each in loads), "some answers were not 200"
    return max(loads, key=lambda each: each.rate)


def main() -> None:
    """Print the figures."""
    os.sched_setaffinity(0, {LOAD_CORE})
    works = {
        BARE: [get("/v1/policies/p/query?q=x")],
        f"{REPEATED} point queries, repeated": queries(REPEATED),
        f"{ROWS:,} point queries, each another": queries(ROWS),
        "/healthz": [get("/healthz")],
    }
    with bare() as bare_server, service() as service_server:
        loads: dict[str, list[Load]] = {name: [] for name in works}
        spent: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(ROUNDS):
            for name, requests in works.items():
                server = bare_server if name == BARE else service_server
                before = server.seconds()
                done = load(server.port, requests, CONNECTIONS, SECONDS)
                loads[name].append(done)
                spent[name].append((server.seconds() - before) / len(done.times.runs))
    ground, least = best(loads[BARE]).rate, min(spent[BARE])
    print(machine())
    print(
        table(
            ["one process on one core", "answers/s", "of the bare one", "CPU an answer", "ditto", "p50", "p99"],
            [
                [
                    name,
                    f"{(top := best(each)).rate:,.0f}",
                    f"{top.rate / ground:.0%}",
                    human(min(spent[name])),
                    f"{least / min(spent[name]):.0%}",
                    human(top.times.median),
                    human(top.times.quantile(0.99)),
                ]
                for name, each in loads.items()
            ],
        )
    )


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(Bare, port=int(sys.argv[1]), threads=THREADS)
    else:
        main()
