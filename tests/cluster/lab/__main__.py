"""Run the faults: ``python -m tests.cluster.lab [--times N] [--only NAME[,NAME]]``, inside the lab's network namespace.

Prints a line a run and, at the end, the table that docs/operate.md begins with. Exit status 1 when a bar or an audit
is broken.
"""

from __future__ import annotations

import argparse
import statistics
import time

from tests.cluster.lab.audits import Auditor
from tests.cluster.lab.faults import FAULTS, Fault
from tests.cluster.lab.lab import ClusterError, State, wait_until
from tests.cluster.lab.load import Load, prepare


def run(fault: Fault, auditor: Auditor) -> tuple[float, list[str]]:
    """One time one fault: the figure, and what was broken."""
    wait_until(lambda: State().whole(), "a whole cluster to begin with", 180, pause=1.0)
    with Load() as load:
        load.settle()
        since = time.monotonic()
        fault.do()
        load.settle(20, 60)
        figure = fault.measure(load, since)
        failed = load.failures()
    broken = auditor.audit(load)
    if failed and fault.queries_must_not_fail:
        broken.append(f"{len(failed)} of {len(load.queries)} queries failed: {failed[0]}")
    print(f"{fault.name}: {figure:.2f} {fault.unit}, {len(failed)} of {len(load.queries)} queries failed", flush=True)
    for sentence in broken:
        print(f"    BROKEN: {sentence}", flush=True)
    return figure, broken


def main() -> int:
    """All faults, each so many times."""
    parser = argparse.ArgumentParser(description="Faults in the lab's cluster, measured and audited.")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    chosen = [fault for fault in FAULTS if not given.only or fault.name in given.only.split(",")]
    auditor, table, bad = Auditor(), [], 0
    prepare()
    for fault in chosen:
        figures: list[float] = []
        for _ in range(given.times):
            try:
                figure, broken = run(fault, auditor)
            except ClusterError as error:
                print(f"{fault.name}: {error}", flush=True)
                bad += 1
                continue
            figures.append(figure)
            bad += bool(broken) + (figure > fault.bar)
        if figures:
            median, worst = statistics.median(figures), max(figures)
            table.append(
                f"| {fault.name} | {fault.unit} | {fault.bar:g} | {median:.2f} | {worst:.2f} | {len(figures)} |"
            )
    print("\n| fault | figure | bar | median | worst | times |\n| --- | --- | --- | --- | --- | --- |")
    print("\n".join(table))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
