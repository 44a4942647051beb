"""The figures of the lab: kept after each run, so that a run that was cut short goes on, and written as a table."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.lab.faults import FAULTS
from tests.cluster.lab.lab import DIRECTORY, ROOT

KEPT = DIRECTORY / "figures.json"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
BEGIN, END = "<!-- cluster: written by make cluster-test -->", "<!-- cluster: end -->"


class Run(NamedTuple):
    """One time one fault: figure, failed and all queries, failed and all pushes, and what was broken."""

    figure: float
    failed: int
    queries: int
    failed_pushes: int
    pushes: int
    broken: tuple[str, ...]


class Figures:
    """All runs by fault, in a file if there is a ``path``."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        kept: dict[str, list[list[Any]]] = {}
        if path is not None and path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
        self._runs = {name: [Run._make([*run[:5], tuple(run[5])]) for run in runs] for name, runs in kept.items()}

    def of(self, fault: str) -> list[Run]:
        """The runs of a fault so far."""
        return self._runs.get(fault, [])

    def add(self, fault: str, run: Run) -> None:
        """Keep one more run."""
        self._runs.setdefault(fault, []).append(run)
        if self._path is not None:
            self._path.write_text(json.dumps(self._runs), encoding="utf-8")

    def table(self) -> str:
        """Median and worst of each fault, as Markdown."""
        lines = [
            "| fault | figure | bar | median | worst | queries failed | pushes failed | audits broken | times |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for fault in FAULTS:
            runs = self.of(fault.name)
            if not runs:
                continue
            figures = [run.figure for run in runs]
            failed, queries = sum(run.failed for run in runs), sum(run.queries for run in runs)
            lost, pushes = sum(run.failed_pushes for run in runs), sum(run.pushes for run in runs)
            broken = sum(bool(run.broken) for run in runs)
            median, worst = statistics.median(figures), max(figures)
            lines.append(
                f"| {fault.name} | {fault.unit} | {fault.bar:g} | {median:.2f} | {worst:.2f} "
                f"| {failed} of {queries} | {lost} of {pushes} | {broken} | {len(runs)} |"
            )
        return "\n".join(lines)

    def publish(self, path: Path = RESULTS) -> None:
        """Put the table in place of the marked section, or after all else when there is none yet."""
        text = path.read_text(encoding="utf-8")
        if BEGIN not in text:
            text = f"{text.rstrip()}\n\n## cluster: faults on three nodes with Pacemaker\n\n{BEGIN}\n{END}\n"
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        path.write_text(f"{before}{BEGIN}\n\n{self.table()}\n\n{END}{after}", encoding="utf-8")
