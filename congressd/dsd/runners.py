"""Threads that run actions: at most so many at a time, and one that never comes back is left behind.

Unlike an executor of the standard library they never hold the process at its end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TypeAlias

log = logging.getLogger(__name__)

Job: TypeAlias = Callable[[], None]

#: However many actions hang, there are never more than so many times the usual threads.
MOST_THREADS: Final = 4


class Runners:
    """``count`` jobs run at the same time, those left behind not counted."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._left = 0
        self._stopped = False

    def free(self) -> int:
        """How many more jobs would begin at once."""
        with self._lock:
            return max(0, min(self._count, self._count * MOST_THREADS - self._left) - (self._busy - self._left))

    def submit(self, job: Job) -> None:
        """Run ``job``, which must not raise; at once, if there is a `free` thread."""
        with self._lock:
            if self._stopped:
                return
            self._busy += 1
            if self._threads < self._busy:
                self._threads += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._jobs.put(job)

    def leave(self) -> None:
        """One of the running jobs is not waited for any longer, though it may still come back."""
        with self._lock:
            self._left += 1

    def came_back(self) -> None:
        """A job that was left behind has ended after all; to be called by itself."""
        with self._lock:
            self._left -= 1

    def stop(self) -> None:
        """Begin no more; threads end after what they do now."""
        with self._lock:
            self._stopped = True
            for _ in range(self._threads):
                self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # a defect of ours: the activation is found to be overdue
                log.exception("a runner failed")
            with self._lock:
                self._busy -= 1
