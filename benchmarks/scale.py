"""P12: queries a second through HAProxy, as policy engine nodes are added.

python -m benchmarks.scale

What it can show is bounded by the cores: servers, HAProxy and the load share them. So besides the rate it tells the
CPU time that an answer takes on the policy engine nodes: while that stays the same as nodes are added, each node adds
what a core can give.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.httpload import get, load
from benchmarks.measure import human, machine, table
from benchmarks.servers import servers
from tests.haproxy import Server, render_and_start
from tests.service.nodes import PolicyNode
from tests.service.stage import Stage

NODES: Final = 3
CONNECTIONS: Final = 16
SECONDS: Final = 4.0
ROUNDS: Final = 3
TICKS: Final = os.sysconf("SC_CLK_TCK")


def spent(nodes: list[PolicyNode]) -> float:
    """CPU seconds that nodes have taken so far."""
    total = 0
    for pid in (pid for node in nodes for pid in node.everyone()):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def through_haproxy(stage: Stage, number: int, folder: Path) -> tuple[float, float, float]:
    """With so many nodes: the best rate of answers, the least CPU time of an answer, the median time of the best."""
    nodes = stage.pes[:number]
    folder.mkdir()
    haproxy = render_and_start(folder, [Server(f"pe{node.instance}", node.port) for node in nodes])
    try:
        haproxy.wait_up()
        requests = [get(f"/v1/policies/p/query?q=error({each})") for each in range(200)]
        work = partial(load, haproxy.port, requests, CONNECTIONS)
        work(0.5)
        rounds = []
        for _ in range(ROUNDS):
            before = spent(nodes)
            done = work(SECONDS)
            assert done.failed == 0, f"{done.failed} answers were not 200"
            rounds.append((done.rate, (spent(nodes) - before) / len(done.times.runs), done.times.median))
        return max(each[0] for each in rounds), min(each[1] for each in rounds), min(each[2] for each in rounds)
    finally:
        haproxy.stop()


def main() -> None:
    """Print the figures."""
    rows = []
    with servers() as at, Stage(at.database, at.broker, pes=NODES) as stage:
        rules = [{"rule": f"error({each})"} for each in range(0, 200, 2)]
        stage.pes[0].post("/v1/policies", {"name": "p", "rules": rules})
        stage.settle()
        for number in range(1, NODES + 1):
            rate, cpu, median = through_haproxy(stage, number, at.folder / f"haproxy{number}")
            rows.append([str(number), f"{rate:,.0f}", human(cpu), human(median)])
    print(f"{machine()}, {os.cpu_count()} cores")
    print(table(["policy engine nodes", "answers/s", "CPU of the nodes an answer", "p50"], rows))


if __name__ == "__main__":
    main()
