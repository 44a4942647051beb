"""Snapshots that are asked for: many at once, each once, and nobody waits for a source that is busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from congressd.bus.streams import Heartbeat
from congressd.datasources.fake import FakeDriver
from congressd.dsd.polled import PolledSource
from congressd.dsd.snapshots import AskedSnapshots
from congressd.dsd.source import Means
from congressd.model.clock import SystemClock
from congressd.model.tables import Batch
from congressd.store.records import SourceRecord
from tests.unit.dsd.support import House, eventually


class Post:
    """A publisher that keeps what it is given, by address; it holds back a source until ``gate`` is opened."""

    def __init__(self, slow: str = "") -> None:
        self.connected = True
        self.sent: list[tuple[str | None, str]] = []
        self.gate = threading.Event()
        self.held = threading.Event()
        self._slow = slow

    def publish(self, batch: Batch, to: str | None = None) -> None:
        if batch.source == self._slow:
            self.held.set()
            assert self.gate.wait(20)
        self.sent.append((to, batch.source))

    def heartbeat(self, heartbeats: Sequence[Heartbeat]) -> None:
        """Not looked at here."""

    def close(self, timeout: float = 5.0) -> None:
        """There is nothing to let go of."""


class Office:
    """Sources that have all been polled once, and what is asked of them."""

    def __init__(self, house: House, post: Post, *names: str) -> None:
        means = Means(house.database, post, SystemClock(), lambda: True)
        self.post = post
        self.sources = {
            name: PolledSource(SourceRecord(name, name, "fake"), FakeDriver(FakeDriver.check_config({})), means)
            for name in names
        }
        for source in self.sources.values():
            source.activate(1)
        self.asked = AskedSnapshots(self.sources.get, post)

    def sent(self, to: str) -> list[str]:
        """The sources whose snapshots were published to an address."""
        return [source for address, source in self.post.sent if address == to]


Opened = Callable[..., Office]


@pytest.fixture
def opened(house: House) -> Iterator[Opened]:
    made: list[Office] = []

    def build(post: Post, *names: str) -> Office:
        made.append(Office(house, post, *names))
        return made[-1]

    yield build
    for office in made:
        office.post.gate.set()
        office.asked.stop()


def test_one_request_brings_the_snapshots_of_many(opened: Opened) -> None:
    names = [f"s{number}" for number in range(300)]
    office = opened(Post(), *names)
    for source in office.sources.values():
        source.work()
    office.asked.ask([*names, "nobody"], "one")
    office.asked.ask(names, "two")
    eventually(lambda: office.sent("two") == names)
    assert office.sent("one") == names


def test_a_source_that_is_busy_holds_up_nobody_and_comes_once_however_often_it_is_asked_for(opened: Opened) -> None:
    office = opened(Post("slow"), "slow", "quick")
    office.sources["quick"].work()
    working = threading.Thread(target=office.sources["slow"].work)
    working.start()
    assert office.post.held.wait(20)
    for _ in range(3):
        office.asked.ask(["slow"], "one")
    office.asked.ask(["quick"], "one")
    eventually(lambda: office.sent("one") == ["quick"])
    office.post.gate.set()
    working.join(20)
    office.asked.ask(["quick"], "two")
    eventually(lambda: office.sent("two") and "slow" in office.sent("one"))
    assert office.sent("one") == ["quick", "slow"]


def test_what_cannot_be_published_is_forgotten(opened: Opened) -> None:
    """Each would wait in vain for the bus; who is connected again asks again."""
    office = opened(Post(), "cloud")
    office.sources["cloud"].work()
    office.post.connected = False
    office.asked.ask(["cloud"], "before")
    eventually(lambda: not office.asked.waiting())
    office.post.connected = True
    office.asked.ask(["cloud"], "after")
    eventually(lambda: office.sent("after"))
    assert office.sent("before") == []
