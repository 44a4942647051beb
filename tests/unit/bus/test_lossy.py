"""Both ends over a bus that loses, repeats, reorders and lies: they end with the same rows."""

from __future__ import annotations

import random
import time

import pytest

from congressd.bus.inprocess import InProcessBus
from tests.unit.bus.ends import ReceivingEnd, SendingEnd
from tests.unit.bus.lossy import LossyPublisher


@pytest.mark.parametrize("seed", range(10))
def test_two_ends_over_a_lossy_bus_end_with_the_same_rows(seed: int) -> None:
    plan = random.Random(seed)
    bus = InProcessBus(most_events=20)
    publishers = [LossyPublisher(bus.publisher(), seed + epoch) for epoch in range(2)]
    old, new = (SendingEnd(publisher, "nova", epoch + 1) for epoch, publisher in enumerate(publishers))
    nodes = {"active": old}
    subscriber = bus.subscriber()
    receiver = ReceivingEnd(subscriber, "nova", nodes)
    for step in range(300):
        if step == 150:
            nodes["active"] = new
        talking = new if step >= 150 and plan.random() < 0.7 else old  # the old one does not know yet
        talking.set([(number, "row") for number in plan.sample(range(20), 5)])
        if step % 10 == 0:
            nodes["active"].beat()
            receiver.tick()
    for publisher in publishers:
        publisher.heal()
    deadline = time.monotonic() + 30
    while receiver.rows != new.rows or receiver.receivers.missing():
        assert time.monotonic() < deadline, receiver.receivers.missing()
        new.beat()
        receiver.tick()
        time.sleep(0.002)
    subscriber.close()
    history = {**old.history, **new.history}
    assert receiver.faults == []
    assert all(rows == history[position] for position, rows in receiver.held)
    assert receiver.receivers.positions() == {"nova": new.position}
