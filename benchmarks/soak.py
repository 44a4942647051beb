"""A day in minutes: many sources with fast polls, three policy engine nodes; is memory flat, is lag bounded?

python -m benchmarks.soak [MINUTES [SOURCES]]       (10 minutes and 500 sources unless told otherwise)

A day of 500 sources that are polled every five minutes is 144,000 polls, each of which changes a row. Here they are
polled as often as makes as many in ten minutes; a shorter run has the same pace. Clients read and write meanwhile.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import machine, table
from benchmarks.servers import servers
from tests.service.nodes import Daemon, PolicyNode
from tests.service.process import wait_for
from tests.service.stage import OPTIONS, Stage

MINUTES, SOURCES = 10.0, 500
POLL_TIME: Final = 300 * 10 / (24 * 60)  #: seconds; five minutes, if a day took ten
ROWS, CHURN = 20, 1
CLIENTS: Final = 3
PAUSE: Final = 0.2
SAMPLES: Final = 10
RESTARTS: Final = 3


def memory(node: Daemon) -> float:
    """MiB that a node's processes have resident."""
    total = 0
    for pid in node.everyone():
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return total / 1024


def figures(node: PolicyNode) -> tuple[int, float]:
    """Of a node: batches that it is behind, of all sources together, and for how long one was not heard of."""
    status = node.get("/v1/system/status")
    behind = sum(each["behind"] or 0 for each in status["sources"])
    return behind + status["backlog"], max(each["silent_seconds"] or 0.0 for each in status["sources"])


def sources(stage: Stage, number: int) -> None:
    """Make the sources, and one policy whose rules read them all."""
    config: dict[str, Any] = {"rows": ROWS, "churn": CHURN, "poll_time": POLL_TIME}
    for each in range(number):
        stage.pes[each % 3].post("/v1/data-sources", {"name": f"fake{each}", "driver": "fake", "config": config})
    rules = [{"rule": f"named(x, y) :- fake{each}:fake_table(x, y)"} for each in range(number)]
    stage.pes[0].post("/v1/policies", {"name": "all", "rules": rules})


def holds(node: PolicyNode, number: int) -> bool:
    """Whether a node has rows of so many sources and more."""
    states = node.call("GET", "/readyz").body["sources"].values()
    held: int = sum(state == "held" for state in states)
    return held > number


def published(node: PolicyNode) -> int:
    """How many batches the sources have published, as far as a node has heard."""
    positions = [each["published"] for each in node.get("/v1/system/status")["sources"]]
    return sum(int(position.partition(".")[2]) for position in positions if position)


def restarts(node: PolicyNode, number: int) -> None:
    """How long a node takes from its start to being ready, while everything else goes on."""
    times = []
    for _ in range(RESTARTS):
        node.end()
        began = time.monotonic()
        node.start()
        node.wait_ready()
        times.append(time.monotonic() - began)
        assert holds(node, number), "a node was ready without the rows of all sources"
    print(f"a node that starts is ready after {', '.join(f'{each:.1f} s' for each in times)}")


def lag(nodes: Sequence[PolicyNode]) -> tuple[int, float]:
    """The worst of all nodes."""
    found = [figures(node) for node in nodes]
    return max(each[0] for each in found), max(each[1] for each in found)


def main(minutes: float, number: int) -> None:
    """Print the figures as they come."""
    with servers() as at, Stage(at.database, at.broker, OPTIONS) as stage:
        sources(stage, number)
        began = time.monotonic()
        wait_for(lambda: all(holds(node, number) for node in stage.pes), "all sources on all nodes", 300)
        print(
            f"{machine()}; {number} sources polled every {POLL_TIME:.2f} s for {minutes:g} minutes; "
            f"first rows of all on all nodes after {time.monotonic() - began:.1f} s",
            flush=True,
        )
        soak(stage, minutes)
        restarts(stage.pes[-1], number)


def soak(stage: Stage, minutes: float) -> None:
    """Sample while clients are at work, then audit."""
    rows = []
    wake = threading.Event()
    began, before = time.monotonic(), published(stage.pes[0])
    with stage.crowd(CLIENTS, pause=PAUSE):
        for sample in range(SAMPLES + 1):
            wake.wait(max(0.0, began + sample * minutes * 60 / SAMPLES - time.monotonic()))
            behind, silent = lag(stage.pes)
            nodes: list[Daemon] = [*stage.pes, stage.dsds[0]]
            rows.append(
                [
                    f"{(time.monotonic() - began) / 60:.1f}",
                    *(f"{memory(node):.0f}" for node in nodes),
                    f"{behind:.0f}",
                    f"{silent:.1f} s",
                    str(len(stage.history)),
                ]
            )
            print(rows[-1], flush=True)
    batches, seconds = published(stage.pes[0]) - before, time.monotonic() - began
    stage.settle()
    heads = ["minute", *(f"PE {node.instance} MiB" for node in stage.pes), "DSD MiB"]
    print(table([*heads, "batches behind", "longest silence", "requests"], rows))
    print(f"{batches} batches were published, {batches / seconds:.0f} a second")
    print(f"{len(stage.audit())} problems found in the end")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(float(given[0]) if given else MINUTES, int(given[1]) if len(given) > 1 else SOURCES)
