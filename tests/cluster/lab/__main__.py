"""Run the faults: ``python -m tests.cluster.lab [--times N] [--only NAME[,NAME]]``, inside the lab's network namespace.

With N of 3 or more each fault is run until there are N figures of it. They are kept in the lab's directory, so a run
that was cut short goes on where it was, until ``--fresh`` forgets them, and the table is written into
benchmarks/RESULTS.md after each fault. Exit status 1 when a bar or an audit is broken.
"""

from __future__ import annotations

import argparse
import math
import os
import time

from tests.cluster.lab.audits import Auditor
from tests.cluster.lab.faults import FAULTS, Fault
from tests.cluster.lab.lab import NODES, ClusterError, State, nodes, on, wait_until
from tests.cluster.lab.load import Load, prepare
from tests.cluster.lab.results import KEPT, Figures, Run

PUBLISHED = 3  #: times from which on a table is worth keeping


def run(fault: Fault, auditor: Auditor) -> Run:
    """One time one fault: the figure, and what was broken."""
    on(NODES[0], "crm_resource --cleanup")  # each fault is the first: what failed before is not held against a node
    wait_until(lambda: State().whole(), "a whole cluster to begin with", 180, pause=1.0)
    with Load(fault.patience) as load:
        load.settle()
        since = time.monotonic()
        figure, broken = fault.do(load)
        load.settle(20, 60)
        if figure is None:
            figure = fault.measure(load, since)
        failed, lost = load.failures(), load.push_failures()
    found = [*broken, *auditor.audit(load)]
    if failed and fault.failing != "anything":
        found.append(f"{len(failed)} of {len(load.queries)} queries failed: {failed[0]}")
    if lost and fault.failing == "nothing":
        found.append(f"{len(lost)} of {len(load.pushes)} pushes failed: {lost[0]}")
    return Run(figure, len(failed), len(load.queries), len(lost), len(load.pushes), tuple(found))


def repair() -> None:
    """Undo what a fault that did not come to its end may have left."""
    for line in nodes("status").splitlines():
        node, _, state = line.split()
        if state == "RUNNING":
            nodes("join", node)
        else:
            nodes("start", node)


def repeat(fault: Fault, times: int, auditor: Auditor, figures: Figures) -> int:
    """Run a fault until there are so many figures; how many of the runs broke a bar or an audit."""
    bad = attempts = 0
    while len(figures.of(fault.name)) < times and attempts < 2 * times:
        attempts += 1
        try:
            done = run(fault, auditor)
        except (ClusterError, OSError) as error:
            print(f"{fault.name}: {error}", flush=True)
            bad += 1
            repair()
            continue
        figures.add(fault.name, done)
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"{fault.name}: {done.figure:.2f} {fault.unit}, {done.failed} of {done.queries} queries and "
              f"{done.failed_pushes} of {done.pushes} pushes failed, {load}", flush=True)  # fmt: skip
        for sentence in done.broken:
            print(f"    BROKEN: {sentence}", flush=True)
        bad += bool(done.broken) + (done.figure > fault.bar)
    return bad


def main() -> int:
    """All faults, each so many times."""
    parser = argparse.ArgumentParser(description="Faults in the lab's cluster, measured and audited.")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--audits-only", action="store_true", help="a bar that is missed is no failure")
    given = parser.parse_args()
    chosen = [fault for fault in FAULTS if not given.only or fault.name in given.only.split(",")]
    if given.fresh:
        KEPT.unlink(missing_ok=True)
    auditor, figures, bad = Auditor(), Figures(KEPT if given.times >= PUBLISHED else None), 0
    prepare()
    for fault in chosen:
        bad += repeat(fault._replace(bar=math.inf) if given.audits_only else fault, given.times, auditor, figures)
        if given.times >= PUBLISHED:
            figures.publish()
    print(f"\n{figures.table()}")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
