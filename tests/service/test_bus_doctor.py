"""Queues that RabbitMQ loses when its power is cut come back; others are left alone."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import amqp
import pytest

from congressd.bus.oslo_doctor import Doctor
from congressd.bus.rabbit_streams import BROKEN, RabbitOptions, connect, disconnect
from tests.service.rabbitmq import RabbitServer, wait_for

pytestmark = pytest.mark.rabbitmq


def test_the_queue_declared_last_before_a_power_cut_answers_again(rabbitmq: RabbitServer) -> None:
    options = RabbitOptions((rabbitmq.url,))
    kept, lost = (f"congressd-test-{uuid4().hex}" for _ in range(2))

    def declare(queue: str) -> Any:
        """The first message of the queue, which is made if it does not exist."""
        connection, channel = connect(options, 0)
        try:
            connection.sock.settimeout(2)
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
            return channel.basic_get(queue)
        finally:
            disconnect(connection)

    declare(kept)
    connection, channel = connect(options, 0)
    channel.basic_publish_confirm(amqp.Message(b"precious", delivery_mode=2), "", kept)
    disconnect(connection)
    declare(lost)
    rabbitmq.kill()
    rabbitmq.start()

    def answers() -> bool:
        try:
            return declare(lost) is None
        except BROKEN:
            return False

    with ExitStack() as stack:
        doctor = Doctor(options, lambda: [kept, lost, "never-was"])
        stack.callback(doctor.close)
        wait_for(answers, "the lost queue to answer", 60)
    assert declare(kept).body == b"precious"
