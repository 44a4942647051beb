"""The sending end of the data plane over RabbitMQ: confirmed publishes over one connection that mends itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import amqp

from congressd.bus.codec import encode_batch, encode_heartbeats
from congressd.bus.rabbit_streams import (
    BROKEN,
    HEARTBEAT_KEY,
    RabbitOptions,
    address_key,
    connect,
    disconnect,
    left,
    pauses,
    source_key,
)
from congressd.bus.streams import Heartbeat
from congressd.model.errors import CongressError
from congressd.model.tables import Batch

_LOG = logging.getLogger(__name__)
_TRANSIENT: Final = 1  # delivery mode: not written to disk
_LOOK_EVERY: Final = 1.0  # seconds between two looks at an idle connection


class RabbitPublisher:
    """See `congressd.bus.streams.Publisher`. A thread of its own connects, and keeps the connection alive.

    The channel is used under one lock. A batch whose publishing fails is tried again on a new connection as long as
    there is time, so it may arrive twice.
    """

    def __init__(self, options: RabbitOptions) -> None:
        self._options = options
        self._changed = threading.Condition()
        self._connection: Any = None
        self._channel: Any = None  # None while there is no connection
        self._closing = threading.Event()
        self._broken = threading.Event()  # set when the connection is given up, or to be
        self._thread = threading.Thread(target=self._keep_connected, name="bus-publisher", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        return self._channel is not None

    def publish(self, batch: Batch, to: str | None = None) -> None:
        key = source_key(batch.source) if to is None else address_key(to)
        what = f"batch {batch.sequence} of {batch.source!r}"
        self._send(key, list(encode_batch(batch, self._options.part_bytes)), what)

    def heartbeat(self, heartbeats: Sequence[Heartbeat]) -> None:
        if heartbeats:
            self._send(HEARTBEAT_KEY, list(encode_heartbeats(heartbeats, self._options.part_bytes)), "the heartbeats")

    def close(self, timeout: float = 5.0) -> None:
        deadline = time.monotonic() + timeout
        self._closing.set()
        self._broken.set()
        if self._changed.acquire(timeout=left(deadline)):
            try:
                self._drop()
            finally:
                self._changed.release()
        self._thread.join(left(deadline))

    def _send(self, key: str, parts: list[bytes], what: str) -> None:
        deadline = time.monotonic() + self._options.publish_timeout
        if not self._changed.acquire(timeout=self._options.publish_timeout):
            raise self._unavailable(what)
        try:
            while True:
                while self._channel is None:
                    if self._closing.is_set() or not self._changed.wait(left(deadline)):
                        raise self._unavailable(what)
                try:
                    for part in parts:
                        self._confirmed(key, part, deadline)
                    return
                except BROKEN as error:
                    _LOG.warning("publishing failed what=%s error=%r", what, error)
                    self._drop()
                    if time.monotonic() >= deadline:
                        raise self._unavailable(what) from error
        finally:
            self._changed.release()

    def _confirmed(self, key: str, part: bytes, deadline: float) -> None:
        self._channel.basic_publish_confirm(
            amqp.Message(part, delivery_mode=_TRANSIENT, content_type="application/x-congressd"),
            self._options.exchange,
            key,
            confirm_timeout=left(deadline),
        )

    def _unavailable(self, what: str) -> CongressError:
        why = "did not confirm" if self.connected else "cannot be reached to take"
        return CongressError("unavailable", f"RabbitMQ {why} {what} within {self._options.publish_timeout:g} s")

    def _drop(self) -> None:
        """Give the connection up; under the lock."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            disconnect(connection)
        self._broken.set()

    def _keep_connected(self) -> None:
        attempt, waits = 0, pauses()
        while not self._closing.is_set():
            if self._channel is not None:
                self._broken.wait(_LOOK_EVERY)
                self._look()
                continue
            self._closing.wait(next(waits))
            try:
                connection, channel = connect(self._options, attempt)
            except BROKEN as error:
                _LOG.warning("no connection to RabbitMQ attempt=%d error=%r", attempt, error)
                attempt += 1
                continue
            waits = pauses()
            with self._changed:
                self._connection, self._channel = connection, channel
                self._broken.clear()
                self._changed.notify_all()
        with self._changed:
            self._drop()
            self._changed.notify_all()

    def _look(self) -> None:
        """Read what the broker says meanwhile, and keep the heart beating."""
        with self._changed:
            if self._channel is None:
                return
            try:
                self._connection.heartbeat_tick()
                self._connection.drain_events(timeout=0.001)
            except TimeoutError:
                pass
            except BROKEN as error:
                _LOG.warning("the connection to RabbitMQ is lost error=%r", error)
                self._drop()
