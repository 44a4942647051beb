"""The bus inside one process: the same promises as over RabbitMQ."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from congressd.bus.inprocess import InProcessBus
from congressd.bus.streams import BatchArrived, Heartbeat, Resync, ResyncReason, StreamEvent
from congressd.model.errors import CongressError
from tests.unit.bus.batches import delta


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def test_batches_of_bound_sources_arrive_in_order_and_by_reference() -> None:
    bus, events = InProcessBus(), list[StreamEvent]()
    subscriber = bus.subscriber()
    subscriber.start(events.append)
    subscriber.bind(["nova"])
    sent = [delta("nova", 1, number, "servers", [(number,)]) for number in range(100)]
    publisher = bus.publisher()
    for batch in sent:
        publisher.publish(batch)
        publisher.publish(delta("neutron", 1, batch.sequence, "ports", [(1,)]))
    wait_for(lambda: len(events) == 101)
    assert events[0] == Resync(frozenset(["nova"]), ResyncReason.BOUND)
    assert all(
        event.batch is batch for event, batch in zip(events[1:], sent, strict=True) if isinstance(event, BatchArrived)
    )
    assert subscriber.counters["batches"] == 100
    subscriber.close()


def test_a_batch_may_be_for_one_subscriber_only_and_heartbeats_are_for_those_who_care() -> None:
    bus, first, second = InProcessBus(), list[StreamEvent](), list[StreamEvent]()
    asker, other = bus.subscriber(), bus.subscriber()
    asker.start(first.append)
    other.start(second.append)
    other.bind(["nova"])
    batch, beat = delta("nova", 1, 1, "servers"), Heartbeat("nova", 1, 1)
    bus.publisher().publish(batch, to=asker.address)
    bus.publisher().heartbeat([beat, Heartbeat("neutron", 1, 1)])
    wait_for(lambda: first and len(second) == 2)
    assert first == [BatchArrived(batch)]
    assert second[1:] == [beat]


def test_a_full_queue_is_emptied_and_told_of() -> None:
    bus, events, go_on = InProcessBus(most_events=10), list[StreamEvent](), threading.Event()

    def handler(event: StreamEvent) -> None:
        go_on.wait(30)
        events.append(event)

    subscriber = bus.subscriber()
    subscriber.bind(["nova"])
    subscriber.start(handler)
    for number in range(14):
        bus.publisher().publish(delta("nova", 1, number, "servers"))
    go_on.set()
    wait_for(lambda: subscriber.backlog() == 0 and Resync(frozenset(["nova"]), ResyncReason.OVERFLOW) in events)
    assert subscriber.counters["overflows"] == 1
    assert len(events) < 14


def test_nothing_arrives_after_close() -> None:
    bus, events = InProcessBus(), list[StreamEvent]()
    subscriber = bus.subscriber()
    subscriber.start(events.append)
    subscriber.close()
    subscriber.bind(["nova"])
    bus.publisher().publish(delta("nova", 1, 1, "servers"))
    assert events == []


def test_a_call_returns_what_the_method_returns() -> None:
    bus = InProcessBus()
    server, client = bus.control(), bus.control()
    registration = server.serve("dsd", {"add": lambda one, two: one + two})
    assert client.call("dsd", "add", {"one": 1, "two": 2}) == 3
    registration.stop()
    registration.stop()
    with pytest.raises(CongressError, match="nothing serves 'dsd'"):
        client.call("dsd", "add", {"one": 1, "two": 2})


def test_errors_of_a_method_reach_the_caller() -> None:
    bus = InProcessBus()

    def refuse() -> None:
        raise CongressError("not_found", "there is no source 'x'")

    bus.control().serve("dsd", {"refuse": refuse, "fail": lambda: 1 / 0})
    client = bus.control()
    with pytest.raises(CongressError, match="there is no source 'x'"):
        client.call("dsd", "refuse")
    with pytest.raises(CongressError, match="ZeroDivisionError") as caught:
        client.call("dsd", "fail")
    assert caught.value.code.name == "internal"
    with pytest.raises(CongressError, match="it has fail, refuse"):
        client.call("dsd", "other")


def test_a_call_that_takes_too_long_is_given_up() -> None:
    bus, never = InProcessBus(), threading.Event()
    bus.control().serve("dsd", {"wait": never.wait})
    with pytest.raises(CongressError, match=r"did not answer 'wait' within 0\.01 s"):
        bus.control().call("dsd", "wait", timeout=0.01)
    never.set()


def test_a_notice_reaches_all_listeners_of_its_topic_until_they_stop() -> None:
    bus, one, two = InProcessBus(), list[object](), list[object]()
    control = bus.control()
    registration = control.listen("revision", one.append)
    bus.control().listen("revision", two.append)
    bus.control().listen("pushed", print)
    control.notify("revision", {"revision": 7})
    control.notify("pushed", {"source": "nova"})
    wait_for(lambda: one and two)
    registration.stop()
    control.notify("revision", {"revision": 8})
    wait_for(lambda: len(two) == 2)
    assert one == [{"revision": 7}]
