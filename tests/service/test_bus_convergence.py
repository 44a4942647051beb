"""Both ends over a real RabbitMQ that is killed, hangs and overflows, with two datasource nodes at once at the end.

The defects of OpenStack Congress that end here: rows that vanished during an outage stay (ghost rows), a lost
publication is never repaired, two senders mix their sequence numbers.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from congressd.bus.rabbit_publisher import RabbitPublisher
from congressd.bus.rabbit_streams import RabbitOptions
from congressd.bus.rabbit_subscriber import RabbitSubscriber
from congressd.bus.receiver import DropReason, Position
from tests.service.rabbitmq import RabbitServer, wait_for
from tests.unit.bus.ends import ReceivingEnd, SendingEnd

pytestmark = pytest.mark.rabbitmq


class Traffic:
    """Runs a step again and again on a thread of its own, until it is stopped."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.steps = 0
        self._step = step
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, steps: int) -> None:
        """Return when that many more steps are done."""
        goal = self.steps + steps
        wait_for(lambda: self.steps >= goal, f"{steps} steps", 60)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            self._step()
            self.steps += 1


def test_every_policy_engine_node_ends_with_what_the_active_datasource_node_holds(
    rabbitmq: RabbitServer, exchange: str
) -> None:
    options = RabbitOptions((rabbitmq.url,), exchange, heartbeat=2, connect_timeout=1.0, publish_timeout=0.5)
    narrow = RabbitOptions((rabbitmq.url,), exchange, heartbeat=2, connect_timeout=1.0, queue_messages=3, prefetch=1)
    plan = random.Random(7)
    with ExitStack() as stack:
        publishers = [RabbitPublisher(options) for _ in range(2)]
        subscribers = [RabbitSubscriber(options), RabbitSubscriber(options), RabbitSubscriber(narrow)]
        for publisher in publishers:
            stack.callback(publisher.close)
        for subscriber in subscribers:
            stack.callback(subscriber.close)
        old, new = (SendingEnd(publisher, "nova", epoch + 1) for epoch, publisher in enumerate(publishers))
        nodes = {"active": old}
        receivers = [ReceivingEnd(subscriber, "nova", nodes) for subscriber in subscribers]

        def publish() -> None:
            nodes["active"].set([(number, "row") for number in plan.sample(range(20), 5)])
            if plan.random() < 0.05:
                nodes["active"].beat()
            if nodes["active"] is new and plan.random() < 0.5:
                old.set([("from a node", "that was replaced")])
            for receiver in receivers:
                receiver.tick()

        def same() -> bool:
            nodes["active"].beat()
            for receiver in receivers:
                receiver.tick()
            position = {"nova": nodes["active"].position}
            return all(receiver.receivers.positions() == position for receiver in receivers)

        traffic = Traffic(publish)
        stack.callback(traffic.stop)
        traffic.wait(300)
        for _ in range(2):
            rabbitmq.kill()
            traffic.wait(3)
            rabbitmq.start()
            traffic.wait(200)
        rabbitmq.pause()
        traffic.wait(3)
        rabbitmq.resume()
        wait_for(lambda: all(end.connected for end in publishers), "the publishers to be back")
        wait_for(lambda: all(end.connected for end in subscribers), "the subscribers to be back")
        nodes["active"] = new
        traffic.wait(300)
        traffic.stop()
        wait_for(same, "all to hold the same", 60)

        history = {**old.history, **new.history}
        for receiver in receivers:
            assert receiver.faults == []
            assert receiver.rows == new.rows
            assert all(rows == history[position] for position, rows in receiver.held)
            assert receiver.held[-1][0] == new.position > Position(2, 0)
        assert receivers[0].receivers.dropped[DropReason.OLD_EPOCH] > 0
