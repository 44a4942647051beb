"""The scheduler: every piece of work gets its turn, none twice at once, and what hangs starves nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from congressd.dsd.scheduler import Scheduler

PATIENCE = 20.0


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(threads=2, patience=0.0)
    yield scheduler
    scheduler.stop(PATIENCE)


class Counter:
    """Work that counts how often it was done, and can be waited for."""

    def __init__(self, delay: float | None = None) -> None:
        self.delay = delay
        self.times = 0
        self._changed = threading.Condition()

    def __call__(self) -> float | None:
        with self._changed:
            self.times += 1
            self._changed.notify_all()
        return self.delay

    def wait(self, times: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.times >= times, PATIENCE), f"done {self.times} times only"


def test_work_is_done_at_once_and_again_when_it_says(scheduler: Scheduler) -> None:
    work = Counter(delay=0.001)
    scheduler.add("a", work)
    work.wait(5)


def test_work_that_says_none_is_done_again_when_it_is_woken(scheduler: Scheduler) -> None:
    work = Counter()
    scheduler.add("a", work)
    work.wait(1)
    scheduler.wake("a")
    work.wait(2)


def test_waking_comes_before_the_due_time(scheduler: Scheduler) -> None:
    work = Counter(delay=3600.0)
    scheduler.add("a", work, delay=3600.0)
    scheduler.wake("a")
    work.wait(1)


def test_a_wake_while_the_work_runs_runs_it_once_more() -> None:
    scheduler = Scheduler(threads=2)
    begun, go_on, done = threading.Event(), threading.Event(), Counter()
    at_once: list[int] = []
    running = 0

    def work() -> None:
        nonlocal running
        running += 1
        at_once.append(running)
        begun.set()
        go_on.wait(PATIENCE)
        running -= 1
        done()

    scheduler.add("a", work)
    assert begun.wait(PATIENCE)
    for _ in range(3):
        scheduler.wake("a")
    go_on.set()
    done.wait(2)
    assert scheduler.stop(PATIENCE)
    assert at_once == [1, 1]


def test_removed_work_is_not_done_again(scheduler: Scheduler) -> None:
    work, other = Counter(delay=0.0), Counter()
    scheduler.add("a", work)
    work.wait(1)
    scheduler.remove("a")
    scheduler.wake("a")
    scheduler.add("b", other)
    other.wait(1)
    before = work.times
    scheduler.wake("b")
    other.wait(2)
    assert work.times <= before + 1


def test_much_work_is_done_by_few_threads() -> None:
    before = set(threading.enumerate())
    scheduler = Scheduler(threads=3)
    works = [Counter(delay=0.005) for _ in range(200)]
    for number, work in enumerate(works):
        scheduler.add(number, work)
    for work in works:
        work.wait(3)
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("dsd-worker")} - before
    assert scheduler.stop(PATIENCE)
    assert len(threads) <= 3


def test_work_that_hangs_does_not_starve_the_rest(scheduler: Scheduler) -> None:
    go_on = threading.Event()
    hanging = [threading.Event() for _ in range(2)]

    def hang(begun: threading.Event) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    for number, begun in enumerate(hanging):
        scheduler.add(number, lambda begun=begun: hang(begun))  # type: ignore[misc]
        assert begun.wait(PATIENCE)
    work = Counter()
    scheduler.add("work", work)
    scheduler.tend()
    work.wait(1)
    go_on.set()


def test_work_that_raises_stays_out_of_turn_until_it_is_woken(scheduler: Scheduler) -> None:
    good = Counter()
    bad_calls = Counter()

    def bad() -> float | None:
        bad_calls()
        raise RuntimeError("must not happen")

    scheduler.add("bad", bad)
    bad_calls.wait(1)
    scheduler.add("good", good)
    good.wait(1)
    scheduler.wake("bad")
    bad_calls.wait(2)


def test_stopping_says_whether_all_work_has_ended() -> None:
    scheduler = Scheduler(threads=1)
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait(PATIENCE)

    scheduler.add("a", hang)
    assert begun.wait(PATIENCE)
    assert not scheduler.stop(0.0)
    go_on.set()
    assert scheduler.stop(PATIENCE)
