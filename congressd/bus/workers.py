"""A few daemon threads that run what may hang: the caller waits no longer than it wants to.

Unlike `concurrent.futures.ThreadPoolExecutor` they never hold the process at its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias

_Job: TypeAlias = tuple[Callable[[], Any], Future[Any]]


class Workers:
    """At most ``count`` threads, started when they are needed, and a queue of at most ``waiting`` jobs."""

    def __init__(self, name: str, count: int, waiting: int = 1000) -> None:
        self._name = name
        self._count = count
        self._waiting = waiting
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Run ``job`` when a thread is free; a future that is cancelled before is not run.

        The future is cancelled at once if too many jobs wait already.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._jobs.qsize() >= self._waiting:
                future.cancel()
                return future
            if self._idle <= self._jobs.qsize() and self._threads < self._count:
                self._threads += 1
                threading.Thread(target=self._run, name=f"{self._name}-{self._threads}", daemon=True).start()
            self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """Let the threads end after what they do now. Later jobs wait for ever."""
        with self._lock:
            self._waiting = 0
            for _ in range(self._threads):
                self._jobs.put(None)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            item = self._jobs.get()
            with self._lock:
                self._idle -= 1
            if item is None:
                return
            job, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # whatever it is, it belongs to who waits for the result
                future.set_exception(error)
