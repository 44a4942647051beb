"""Finds quorum queues that a broker lost, and deletes them, so that oslo.messaging makes them anew.

RabbitMQ (seen with 3.10) does not bring back the quorum queue that was declared last, if all its nodes lose power
within about two seconds after: the queue is listed and never has a leader. Who consumes from it, or publishes to it
and waits for the confirmation, waits for ever, and so does oslo.messaging. When such a queue is deleted, all who wait
get an error, connect again and declare it again.

The doctor has a connection of its own. Whenever that is made, at the start or after the broker was away, it tries to
take a message from each queue; a queue that does not answer, not even that it is empty, is lost. A message taken is
given back.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

import amqp

from congressd.bus.rabbit_streams import BROKEN, RabbitOptions, disconnect, open_connection

_LOG = logging.getLogger(__name__)
_ELECTION: Final = 4.0  # seconds for leaders to be found after the broker came back
_ANSWER: Final = 5.0  # seconds for a queue to answer
_LOOK_EVERY: Final = 1.0  # seconds between looks at the connection


class Doctor:
    """Looks after the queues whose names ``queues()`` gives; names of queues that do not exist do no harm."""

    def __init__(self, options: RabbitOptions, queues: Callable[[], Iterable[str]]) -> None:
        self._options = options
        self._queues = queues
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-doctor", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Stop looking."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        attempt = 0
        while not self._closing.wait(random.uniform(0.5, 1.5) * min(attempt, 5)):
            attempt += 1
            connection = None
            try:
                connection = self._connect(attempt)
                if self._closing.wait(_ELECTION):
                    return
                self._examine(sorted(self._queues()))
                attempt = 0
                self._watch(connection)
            except BROKEN as error:
                _LOG.debug("the doctor lost its connection error=%r", error)
            finally:
                if connection is not None:
                    disconnect(connection)

    def _connect(self, number: int) -> Any:
        connection, _ = open_connection(self._options, number, "congressd doctor of queues")
        return connection

    def _watch(self, connection: Any) -> None:
        """Return, by raising, when the connection breaks."""
        while not self._closing.is_set():
            try:
                connection.heartbeat_tick()
                connection.drain_events(timeout=_LOOK_EVERY)
            except TimeoutError:
                continue

    def _examine(self, queues: Iterable[str]) -> None:
        """Delete those of ``queues`` that do not answer. Raises one of `BROKEN`."""
        connection = self._connect(0)
        try:
            for queue in queues:
                if not _answers(connection, queue):
                    disconnect(connection)  # whoever waits for a lost queue is not answered about another
                    self._delete(queue)
                    connection = self._connect(0)
        finally:
            disconnect(connection)

    def _delete(self, queue: str) -> None:
        connection = self._connect(0)
        try:
            connection.sock.settimeout(2 * _ANSWER)
            connection.channel().queue_delete(queue)
            _LOG.warning("a queue that the broker had lost is deleted, to be made anew queue=%s", queue)
        finally:
            disconnect(connection)


def _answers(connection: Any, queue: str) -> bool:
    """Whether a queue gives a message, which it gets back, or says that it has none, or does not exist."""
    connection.sock.settimeout(_ANSWER)
    try:
        channel = connection.channel()
        channel.queue_declare(queue, passive=True)
        message = channel.basic_get(queue)
        if message is not None:
            channel.basic_reject(message.delivery_tag, requeue=True)
        channel.close()
    except amqp.exceptions.NotFound:
        pass  # which closes the channel, not the connection
    except TimeoutError:
        return False
    return True
