"""Jobs that may hang hold neither their caller nor the process."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from congressd.bus.workers import Workers


def test_jobs_run_and_their_errors_reach_who_waits() -> None:
    workers = Workers("test", 2)
    assert [future.result(10) for future in [workers.submit(lambda: 7) for _ in range(20)]] == [7] * 20
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 / 0).result(10)
    workers.close()


def test_no_more_threads_and_waiting_jobs_than_allowed() -> None:
    workers, go_on, running = Workers("test", 2, waiting=3), threading.Event(), threading.Semaphore(0)

    def job() -> bool:
        running.release()
        return go_on.wait(30)

    first = [workers.submit(job) for _ in range(2)]
    assert all(running.acquire(timeout=30) for _ in first)
    futures = [workers.submit(job) for _ in range(4)]
    assert [future.cancelled() for future in futures] == [False, False, False, True]
    assert not running.acquire(timeout=0.01)
    go_on.set()
    assert all(future.result(30) for future in [*first, *futures[:3]])
    workers.close()
    assert workers.submit(job).cancelled()


def test_a_job_that_hangs_does_not_hold_the_process() -> None:
    script = """
import threading
from congressd.bus.workers import Workers
Workers("test", 1).submit(threading.Event().wait)
"""
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)
