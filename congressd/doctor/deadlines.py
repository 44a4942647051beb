"""Runs tasks at the same time, each with a deadline; nobody waits for one that hangs."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """``work`` must not raise; after ``deadline`` seconds it is given up."""

    work: Callable[[], T]
    deadline: float


def run_all(
    tasks: Mapping[str, Task[T]],
    longest: float,
    told: Callable[[int, int, Sequence[str]], object] = lambda done, of, waiting: None,
) -> dict[str, T | None]:
    """What each task returned, in the order of ``tasks``; None for one that took too long.

    No longer than ``longest`` seconds in all. ``told`` hears how many are done, of how many, and which are not.
    """
    answers: queue.SimpleQueue[tuple[str, T]] = queue.SimpleQueue()
    begin = time.monotonic()
    for name, task in tasks.items():
        # Daemon threads: one that hangs in the kernel must not keep the program from ending.
        threading.Thread(target=_run, args=(name, task, answers), name=name, daemon=True).start()
    waiting = {name: begin + min(task.deadline, longest) for name, task in tasks.items()}
    results: dict[str, T] = {}
    while waiting:
        told(len(tasks) - len(waiting), len(tasks), sorted(waiting))
        try:
            name, result = answers.get(timeout=max(min(waiting.values()) - time.monotonic(), 0.001))
        except queue.Empty:
            waiting = {name: end for name, end in waiting.items() if end > time.monotonic()}
            continue
        if waiting.pop(name, None) is not None:
            results[name] = result
    told(len(tasks), len(tasks), ())
    return {name: results.get(name) for name in tasks}


def _run(name: str, task: Task[T], answers: queue.SimpleQueue[tuple[str, T]]) -> None:
    answers.put((name, task.work()))
