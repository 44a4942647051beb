"""A bounded pool of threads and a heap of due times: does the work of hundreds of sources with few threads.

A piece of work returns the seconds until it is due again. Work that never comes back, such as a poll of a system that
hangs, is left to itself after a while: its thread no longer counts, so that it cannot starve the others.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Final

log = logging.getLogger(__name__)

#: However much work hangs, there are never more than so many times the usual threads.
MOST_THREADS: Final = 4

Work = Callable[[], float | None]


@dataclass(slots=True, eq=False)
class _Task:
    """``entry`` numbers the task's place in the heap (None: not in it); ``again``: woken while it ran."""

    work: Work
    entry: int | None = None
    started: float | None = None
    again: bool = False


class Scheduler:
    """Pieces of work by key. Thread-safe; one piece is never done by two threads at once."""

    def __init__(self, threads: int = 16, patience: float = 60.0) -> None:
        """``threads`` work at the same time, those left out that have worked for ``patience`` seconds."""
        self._limit = threads
        self._patience = patience
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Hashable]] = []
        self._entries = count()
        self._tasks: dict[Hashable, _Task] = {}
        self._running: list[_Task] = []
        self._idle = 0
        self._leading = False  # one idle thread waits for the first due time, the others for its word
        self._live = 0
        self._stopped = False

    def add(self, key: Hashable, work: Work, delay: float = 0.0) -> None:
        """Do ``work`` in ``delay`` seconds, and then whenever it says."""
        with self._changed:
            task = self._tasks[key] = _Task(work)
            self._enqueue(key, task, delay)

    def remove(self, key: Hashable) -> None:
        """Do no more of this work. What is under way is not waited for."""
        with self._changed:
            self._tasks.pop(key, None)

    def wake(self, key: Hashable) -> None:
        """Do this work now; if it is being done just now, once more after that."""
        with self._changed:
            task = self._tasks.get(key)
            if task is None:
                return
            if task.started is not None:
                task.again = True
            else:
                self._enqueue(key, task, 0.0)

    def tend(self) -> None:
        """Give threads to work that is due, if threads hang; to be called about once a second."""
        with self._changed:
            if self._heap and self._heap[0][0] <= time.monotonic():
                self._staff()

    def stop(self, timeout: float) -> bool:
        """End all threads that are idle, and wait for the others; False if some still work after ``timeout`` s."""
        end = time.monotonic() + timeout
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._live == 0, max(0.0, end - time.monotonic()))

    def _enqueue(self, key: Hashable, task: _Task, delay: float) -> None:
        task.entry = next(self._entries)
        heapq.heappush(self._heap, (time.monotonic() + delay, task.entry, key))
        if self._heap[0][1] == task.entry:
            self._changed.notify_all()  # whoever waits for the first due time waits for another one now
        self._staff()

    def _staff(self) -> None:
        """Start a thread if there is work, none is idle and there may be more."""
        if self._idle or self._stopped or not self._heap:
            return
        now = time.monotonic()
        hung = sum(1 for task in self._running if task.started is not None and now - task.started > self._patience)
        if self._live - hung < self._limit and self._live < self._limit * MOST_THREADS:
            self._live += 1
            self._idle += 1
            threading.Thread(target=self._run, name=f"dsd-worker-{self._live}", daemon=True).start()

    def _run(self) -> None:
        """One thread: waits idle, works, and so on. It is counted as idle from before it starts."""
        while True:
            with self._changed:
                taken = self._await_work()
                self._idle -= 1
                if taken is None:
                    self._live -= 1
                    self._changed.notify_all()
                    return
                key, task = taken
                task.started = time.monotonic()
                self._running.append(task)
                if self._heap and self._heap[0][0] <= task.started:
                    self._staff()
            delay = _do(key, task.work)
            with self._changed:
                self._running.remove(task)
                task.started = None
                self._idle += 1
                if task.again:
                    task.again, delay = False, 0.0
                if delay is not None and self._tasks.get(key) is task:
                    self._enqueue(key, task, delay)

    def _await_work(self) -> tuple[Hashable, _Task] | None:
        """The next piece of work when it is due; None when all is to stop."""
        while not self._stopped:
            self._drop_stale()
            wait = self._heap[0][0] - time.monotonic() if self._heap else None
            if wait is not None and wait <= 0:
                key = heapq.heappop(self._heap)[2]
                task = self._tasks[key]
                task.entry = None
                self._changed.notify()  # another idle thread looks after what is due next
                return key, task
            if self._leading:
                self._changed.wait()
                continue
            self._leading = True
            self._changed.wait(wait)
            self._leading = False
        return None

    def _drop_stale(self) -> None:
        """Forget entries of work that was removed, or woken before its time."""
        while self._heap:
            _, entry, key = self._heap[0]
            task = self._tasks.get(key)
            if task is not None and task.entry == entry:
                return
            heapq.heappop(self._heap)


def _do(key: Hashable, work: Work) -> float | None:
    try:
        return work()
    except Exception:  # work must not raise; if it does, it is out of turn until somebody wakes it
        log.exception("the work of %s failed", key)
        return None
