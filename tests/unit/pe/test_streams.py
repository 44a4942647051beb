"""The receiving side of a node, over the in-process bus: what it asks for, refuses, and knows to be right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from congressd.bus.inprocess import InProcessBus
from congressd.bus.receiver import Patience
from congressd.bus.streams import Heartbeat
from congressd.model.clock import SystemClock
from congressd.model.tables import Batch
from congressd.pe.streams import MOST_ASKED, SILENCE, Streams
from tests.unit.bus.batches import delta, snapshot
from tests.unit.rig import wait_until


class Desk:
    """A datasource node's end of the bus: sources with one row each, of which some are lost on the way."""

    def __init__(self, bus: InProcessBus) -> None:
        self.requests: list[list[str]] = []
        self.lost: set[str] = set()
        self.publisher = bus.publisher()
        bus.control().serve("dsd", {"snapshots": self.snapshots})

    def snapshots(self, sources: Sequence[str], to: str) -> list[str]:
        self.requests.append(list(sources))
        for source in sources:
            if source in self.lost:
                self.lost.remove(source)
            elif source != "unknown":
                self.publisher.publish(snapshot(source, 5, 1, {"t": [(1,)]}), to)
        return [source for source in sources if source == "unknown"]


class Node:
    """Streams, and what they brought."""

    def __init__(self, bus: InProcessBus) -> None:
        self.taken: list[tuple[str, int, int]] = []
        patience = Patience(first=0.05, most=0.1)
        self.streams = Streams(bus.subscriber(), bus.control(), self._take, SystemClock(), patience)
        self.streams.start()

    def _take(self, batch: Batch, replace: bool) -> None:
        self.taken.append((batch.source, batch.epoch, batch.sequence))


@pytest.fixture
def bus() -> InProcessBus:
    return InProcessBus()


@pytest.fixture
def node(bus: InProcessBus) -> Iterator[Node]:
    node = Node(bus)
    yield node
    node.streams.stop()


def test_many_sources_are_asked_for_together(bus: InProcessBus, node: Node) -> None:
    desk = Desk(bus)
    names = {f"s{number}" for number in range(MOST_ASKED * 2 + 1)}
    node.streams.want(names)
    wait_until(lambda: not node.streams.missing())
    assert {source for source, _, _ in node.taken} == names
    first = desk.requests[:3]
    assert [len(request) for request in first] == [MOST_ASKED, MOST_ASKED, 1]
    assert set().union(*first) == names


def test_one_that_is_unknown_or_lost_fails_no_other_and_is_asked_for_again(bus: InProcessBus, node: Node) -> None:
    desk = Desk(bus)
    desk.lost = {"b"}
    node.streams.want(["a", "b", "unknown"])
    wait_until(lambda: node.streams.missing().keys() == {"unknown"})
    assert sorted(source for source, _, _ in node.taken) == ["a", "b"]
    wait_until(lambda: sum("unknown" in request for request in desk.requests) >= 3)


def test_a_zombie_is_refused_by_a_node_that_only_the_database_told_of_its_successor(
    bus: InProcessBus, node: Node
) -> None:
    desk = Desk(bus)
    node.streams.want(["nova"])
    wait_until(lambda: not node.streams.missing())
    desk.publisher.publish(delta("nova", 5, 2, "t", [(2,)]))
    wait_until(lambda: len(node.taken) == 2)
    node.streams.saw_epoch(6)
    desk.publisher.publish(delta("nova", 5, 3, "t", [(3,)]))
    desk.publisher.heartbeat([Heartbeat("nova", 5, 3, {}, 99.0)])
    wait_until(lambda: node.streams.counters().get("dropped_old_epoch") == 2)
    assert node.taken == [("nova", 5, 1), ("nova", 5, 2)]
    assert not node.streams.missing()  # the rows stay until the successor tells its own
    assert node.streams.right_at("nova") == 0.0


def test_a_heartbeat_confirms_only_what_is_held(bus: InProcessBus, node: Node) -> None:
    desk = Desk(bus)
    node.streams.want(["nova", "neutron"])
    wait_until(lambda: not node.streams.missing())
    desk.lost = {"neutron"}
    desk.publisher.heartbeat([Heartbeat("neutron", 5, 2, {}, 10.0), Heartbeat("nova", 5, 1, {}, 10.0)])
    node.streams.wait_right(["nova"], 10.0, 10.0)
    assert (node.streams.right_at("nova"), node.streams.right_at("neutron")) == (10.0, 0.0)
    node.streams.want(["nova"], anew=["nova"])
    assert node.streams.right_at("nova") == 0.0


def test_a_heartbeat_of_who_cannot_look_for_news_counts_as_silence(bus: InProcessBus, node: Node) -> None:
    desk = Desk(bus)
    desk.lost = {"neutron"}
    node.streams.want(["neutron"])
    desk.publisher.heartbeat([Heartbeat("neutron", 5, 2, overdue=SILENCE + 1)])
    wait_until(lambda: "neutron" in node.streams.lags())
    assert node.streams.silent(["neutron"]) == ["neutron"]
    desk.publisher.heartbeat([Heartbeat("neutron", 5, 2)])
    wait_until(lambda: not node.streams.silent(["neutron"]))
