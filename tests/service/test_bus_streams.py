"""The data plane over a real RabbitMQ: everything arrives, and whatever breaks is told and mended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TypeVar

import pytest

from congressd.bus.codec import encode_batch
from congressd.bus.digest import Digest
from congressd.bus.rabbit_publisher import RabbitPublisher
from congressd.bus.rabbit_streams import RabbitOptions, connect, disconnect, source_key
from congressd.bus.rabbit_subscriber import RabbitSubscriber
from congressd.bus.streams import BatchArrived, Disconnected, Heartbeat, Resync, ResyncReason, StreamEvent
from congressd.model.errors import CongressError
from congressd.model.tables import Batch
from congressd.model.values import Row
from tests.ports import free_port
from tests.service.rabbitmq import RabbitServer, wait_for
from tests.unit.bus.batches import delta, snapshot

pytestmark = pytest.mark.rabbitmq
EventT = TypeVar("EventT", bound=StreamEvent)


class Recorder:
    """A handler that remembers, and can be made to wait."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, event: StreamEvent) -> None:
        self.go_on.wait(60)
        self.events.append(event)

    def of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    def batches(self) -> list[Batch]:
        return [event.batch for event in self.of(BatchArrived)]

    def wait(self, kind: type[EventT], matches: Callable[[EventT], bool] = lambda event: True) -> None:
        wait_for(lambda: any(matches(event) for event in self.of(kind)), f"a {kind.__name__} that fits")

    def wait_batches(self, number: int) -> list[Batch]:
        wait_for(lambda: len(self.of(BatchArrived)) >= number, f"{number} batches", 60)
        return self.batches()


class Bus:
    """Makes publishers and subscribers of one exchange, and closes them."""

    def __init__(self, server: RabbitServer, exchange: str, stack: ExitStack) -> None:
        self.options = RabbitOptions((server.url,), exchange)
        self._stack = stack

    def publisher(self, options: RabbitOptions | None = None) -> RabbitPublisher:
        publisher = RabbitPublisher(options or self.options)
        self._stack.callback(publisher.close)
        return publisher

    def subscriber(self, *sources: str, options: RabbitOptions | None = None) -> tuple[RabbitSubscriber, Recorder]:
        """A subscriber that is bound to ``sources`` already."""
        subscriber, recorder = RabbitSubscriber(options or self.options), Recorder()
        self._stack.callback(subscriber.close)
        subscriber.bind(sources)
        subscriber.start(recorder)
        recorder.wait(Resync, lambda event: event.sources == set(sources))
        return subscriber, recorder


@pytest.fixture
def bus(rabbitmq: RabbitServer, exchange: str) -> Iterator[Bus]:
    with ExitStack() as stack:
        yield Bus(rabbitmq, exchange, stack)


def one(sequence: int, source: str = "nova") -> Batch:
    return delta(source, 1, sequence, "servers", [(f"id-{sequence}", sequence, None)])


def test_many_batches_arrive_in_order_at_every_subscriber(bus: Bus) -> None:
    (_, first), (_, second) = bus.subscriber("nova"), bus.subscriber("nova", "neutron")
    publisher = bus.publisher()
    sent = [one(number) for number in range(500)]
    for batch in sent:
        publisher.publish(batch)
    assert first.wait_batches(500) == sent
    assert second.wait_batches(500) == sent


def test_only_bound_sources_arrive_and_bindings_change_while_running(bus: Bus) -> None:
    subscriber, recorder = bus.subscriber("nova")
    publisher = bus.publisher()
    publisher.publish(one(1, "neutron"))
    publisher.publish(one(1, "nova"))
    assert recorder.wait_batches(1) == [one(1, "nova")]
    strange = "a.b*#/ \u00fc" + "x" * 300
    subscriber.bind(["neutron", strange])
    recorder.wait(Resync, lambda event: event == Resync(frozenset(["neutron", strange]), ResyncReason.BOUND))
    publisher.publish(one(2, "nova"))
    publisher.publish(one(2, "neutron"))
    publisher.publish(one(1, strange))
    assert recorder.wait_batches(3)[1:] == [one(2, "neutron"), one(1, strange)]


def test_a_large_snapshot_travels_in_parts_to_its_asker_alone(bus: Bus, exchange: str) -> None:
    options = RabbitOptions(bus.options.urls, exchange, part_bytes=10_000)
    asker, recorder = bus.subscriber("nova", options=options)
    _, other = bus.subscriber("nova", options=options)
    publisher = bus.publisher(options)
    rows: list[Row] = [(f"id-{number:x}", f"name {number * 7919 % 100_003}", number) for number in range(20_000)]
    large = snapshot("nova", 1, 7, {"servers": rows, "empty": []})
    assert len(list(encode_batch(large, options.part_bytes))) > 10
    publisher.publish(large, to=asker.address)
    publisher.publish(one(8))
    assert recorder.wait_batches(2) == [large, one(8)]
    assert other.wait_batches(1) == [one(8)]


def test_heartbeats_reach_those_who_want_the_source(bus: Bus) -> None:
    _, recorder = bus.subscriber("nova")
    beat = Heartbeat("nova", 3, 9, {"servers": Digest(2, 2**127)})
    bus.publisher().heartbeat([Heartbeat("neutron", 3, 1), beat])
    recorder.wait(Heartbeat)
    assert recorder.of(Heartbeat) == [beat]


def test_messages_that_are_not_ours_are_dropped_and_counted(bus: Bus) -> None:
    subscriber, recorder = bus.subscriber("nova")
    connection, channel = connect(bus.options, 0)
    channel.basic_publish(channel.prepare_message(b"rubbish"), bus.options.exchange, source_key("nova"))
    wait_for(lambda: subscriber.counters["undecodable"] == 1, "the message to be counted")
    disconnect(connection)
    bus.publisher().publish(one(1))
    assert recorder.wait_batches(1) == [one(1)]


def test_a_handler_that_fails_gets_the_next_event(bus: Bus) -> None:
    subscriber, seen = RabbitSubscriber(bus.options), Recorder()

    def handler(event: StreamEvent) -> None:
        seen(event)
        raise RuntimeError("on purpose")

    subscriber.bind(["nova"])
    subscriber.start(handler)
    seen.wait(Resync)
    publisher = bus.publisher()
    publisher.publish(one(1))
    publisher.publish(one(2))
    assert seen.wait_batches(2) == [one(1), one(2)]
    wait_for(lambda: subscriber.counters["handler_errors"] == 3, "three failures to be counted")
    subscriber.close()


def test_a_broker_that_dies_is_told_of_and_everything_goes_on_after_its_restart(
    bus: Bus, rabbitmq: RabbitServer
) -> None:
    subscriber, recorder = bus.subscriber("nova")
    publisher = bus.publisher()
    publisher.publish(one(1))
    recorder.wait_batches(1)
    rabbitmq.kill()
    try:
        recorder.wait(Disconnected)
        wait_for(lambda: not subscriber.connected, "the subscriber to say so")
        with pytest.raises(CongressError, match="RabbitMQ"):
            publisher.publish(one(2))
    finally:
        rabbitmq.start()
    recorder.wait(Resync, lambda event: event == Resync(frozenset(["nova"]), ResyncReason.RECONNECTED))
    wait_for(lambda: publisher.connected, "the publisher to reconnect")
    publisher.publish(one(3))
    recorder.wait(BatchArrived, lambda event: event.batch == one(3))
    assert subscriber.counters["reconnects"] == 1


def test_a_broker_that_hangs_is_given_up_in_time(rabbitmq: RabbitServer, bus: Bus, exchange: str) -> None:
    options = RabbitOptions((rabbitmq.url,), exchange, heartbeat=1, connect_timeout=1.0, publish_timeout=1.0)
    publisher = bus.publisher(options)
    subscriber, recorder = bus.subscriber("nova", options=options)
    publisher.publish(one(1))
    rabbitmq.pause()
    try:
        with pytest.raises(CongressError, match="RabbitMQ"):
            publisher.publish(one(2))
        recorder.wait(Disconnected)
    finally:
        rabbitmq.resume()
    recorder.wait(Resync, lambda event: event.reason is ResyncReason.RECONNECTED)
    wait_for(lambda: publisher.connected, "the publisher to reconnect")
    publisher.publish(one(3))
    recorder.wait(BatchArrived, lambda event: event.batch == one(3))
    assert subscriber.connected


def test_the_next_host_is_tried_when_one_does_not_answer(rabbitmq: RabbitServer, bus: Bus, exchange: str) -> None:
    dead = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    options = RabbitOptions((dead, rabbitmq.url, dead), exchange)
    _, recorder = bus.subscriber("nova", options=options)
    bus.publisher(options).publish(one(1))
    assert recorder.wait_batches(1) == [one(1)]


def test_a_queue_that_overflows_is_emptied_and_told_of(bus: Bus, exchange: str) -> None:
    options = RabbitOptions(bus.options.urls, exchange, queue_messages=20, prefetch=5)
    subscriber, recorder = bus.subscriber("nova", options=options)
    publisher = bus.publisher()
    recorder.go_on.clear()
    for number in range(1, 101):
        publisher.publish(one(number))
    wait_for(lambda: subscriber.counters["overflows"], "the overflow to be seen")
    recorder.go_on.set()
    recorder.wait(Resync, lambda event: event == Resync(frozenset(["nova"]), ResyncReason.OVERFLOW))
    publisher.publish(one(101))
    recorder.wait(BatchArrived, lambda event: event.batch == one(101))
    numbers = [batch.sequence for batch in recorder.batches()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 101


def test_a_slow_handler_does_not_cost_the_connection(rabbitmq: RabbitServer, bus: Bus, exchange: str) -> None:
    options = RabbitOptions((rabbitmq.url,), exchange, heartbeat=3, prefetch=2)
    subscriber, recorder = RabbitSubscriber(options), Recorder()
    work = threading.Event()  # never set: what is waited for is the time itself

    def handler(event: StreamEvent) -> None:
        if event == BatchArrived(one(1)):
            work.wait(8)  # the broker gives up a peer that is silent for two heartbeats
        recorder(event)

    subscriber.bind(["nova"])
    subscriber.start(handler)
    recorder.wait(Resync)
    publisher = bus.publisher(options)
    for number in range(1, 21):
        publisher.publish(one(number))
    assert [batch.sequence for batch in recorder.wait_batches(20)] == list(range(1, 21))
    assert subscriber.counters["reconnects"] == 0
    subscriber.close()


def test_a_subscriber_that_dies_leaves_nothing_behind(bus: Bus, rabbitmq: RabbitServer, exchange: str) -> None:
    subscriber, _ = bus.subscriber("nova")
    assert exchange in rabbitmq.control("list_queues", "name")
    subscriber.close()
    wait_for(lambda: exchange not in rabbitmq.control("list_queues", "name"), "the queues to vanish")


def test_only_kinds_of_queues_that_newer_brokers_take_are_declared(
    bus: Bus, rabbitmq: RabbitServer, exchange: str
) -> None:
    bus.subscriber("nova")
    lines = rabbitmq.control("list_queues", "name", "exclusive").splitlines()
    assert [line.split("\t")[1] for line in lines if line.startswith(exchange)] == ["true", "true"]
