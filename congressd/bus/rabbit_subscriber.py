"""The receiving end of the data plane over RabbitMQ.

Two threads. The network thread owns the connection: it takes messages in, acknowledges, binds, beats, reconnects and
never runs foreign code, so that a handler that works for a minute on a large snapshot does not cost the connection.
The handler thread decodes, puts parts together and calls the handler. Between them is a queue that is bounded by the
prefetch count: a message is acknowledged only when the handler is done with it.

A queue of the broker that grows over its bound would lose its oldest messages. The first one lost is sent to a
second, tiny queue; when it comes from there, the whole backlog is thrown away and a `Resync` says so.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import uuid4

from congressd.bus.codec import Assembler
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
from congressd.bus.streams import (
    BatchArrived,
    Disconnected,
    Handler,
    Resync,
    ResyncReason,
    StreamEvent,
    deliver,
)
from congressd.bus.wire import DecodeError
from congressd.model.tables import Batch

_LOG = logging.getLogger(__name__)
_IDLE: Final = 1.0  # seconds after which the network thread looks whether the connection is alive
_ACKNOWLEDGE_AT: Final = 0.5  # of the prefetch count: acknowledge many messages at once, but before the flow stops


class _Message(NamedTuple):
    """A message of the ``life``-th connection, to be acknowledged there by ``tag``."""

    life: int
    tag: int
    body: bytes


_Item: TypeAlias = _Message | StreamEvent | None  # None ends the handler thread


class RabbitSubscriber:
    """See `congressd.bus.streams.Subscriber`."""

    def __init__(self, options: RabbitOptions, name: str = "pe") -> None:
        self._options = options
        self._address = f"{name}.{uuid4().hex}"
        self._counters: Counter[str] = Counter()
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._wanted: frozenset[str] = frozenset()
        self._bindings: deque[frozenset[str]] = deque()  # every set that was wanted and is not bound to yet, in order
        self._done: deque[_Message] = deque()  # handled, to be acknowledged
        self._closing = threading.Event()
        self._ear, self._bell = socket.socketpair()  # wakes the network thread
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._session: _Session | None = None
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return self._address

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counters

    def start(self, handler: Handler) -> None:
        self._threads = [
            threading.Thread(target=self._handle, args=(handler,), name="bus-handler", daemon=True),
            threading.Thread(target=self._stay_connected, name="bus-network", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def bind(self, sources: Iterable[str]) -> None:
        self._wanted = frozenset(sources)
        self._bindings.append(self._wanted)
        self._ring()

    def backlog(self) -> int:
        return self._items.qsize()

    def close(self, timeout: float = 5.0) -> None:
        deadline = time.monotonic() + timeout
        self._closing.set()
        self._ring()
        self._items.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(left(deadline))

    def _ring(self) -> None:
        try:
            self._bell.send(b"!")
        except OSError:
            pass  # it rings already, or the other end is gone

    # the handler thread

    def _handle(self, handler: Handler) -> None:
        assembler = Assembler()
        while (item := self._items.get()) is not None and not self._closing.is_set():
            if not isinstance(item, _Message):
                deliver(item, handler, self._counters)
                continue
            try:
                content = assembler.add(item.body)
            except DecodeError as error:
                self._counters["undecodable"] += 1
                _LOG.warning("a message of the stream cannot be understood error=%s", error)
                content = None
            if isinstance(content, Batch):
                deliver(BatchArrived(content), handler, self._counters)
            else:
                wanted = self._wanted
                for beat in content or ():
                    if beat.source in wanted:
                        deliver(beat, handler, self._counters)
            self._done.append(item)
            if self._items.empty() or len(self._done) >= self._options.prefetch * _ACKNOWLEDGE_AT:
                self._ring()

    # the network thread

    def _stay_connected(self) -> None:
        life, before, waits = 0, False, pauses()
        while not self._closing.wait(next(waits)):
            life += 1
            connection = None
            try:
                connection, channel = connect(self._options, life)
                session = _Session(self, connection, channel, life)
                self._items.put(Resync(session.bound, ResyncReason.RECONNECTED if before else ResyncReason.BOUND))
                before, self._session = True, session
                waits = pauses()
                next(waits)  # if this connection breaks, wait a moment before the next
                session.run()
            except BROKEN as error:
                if self._session is not None:
                    self._counters["reconnects"] += 1
                    self._items.put(Disconnected(f"{type(error).__name__}: {error}"))
                _LOG.warning("no connection to RabbitMQ attempt=%d error=%r", life, error)
            finally:
                self._session = None
                if connection is not None:
                    disconnect(connection)
        self._ear.close()
        self._bell.close()


class _Session:
    """One connection of a subscriber, from its first to its last frame; for its network thread only."""

    def __init__(self, owner: RabbitSubscriber, connection: Any, channel: Any, life: int) -> None:
        self._owner = owner
        self._connection = connection
        self._channel = channel
        self._life = life
        self.bound: frozenset[str] = frozenset()
        options = owner._options
        self._exchange = options.exchange
        self._queue = f"{options.exchange}.{owner.address}.{life}"  # the broker may not have noticed the last one's end
        overflow = f"{self._queue}.overflow"
        channel.queue_declare(overflow, exclusive=True, auto_delete=True, arguments={"x-max-length": 1})
        channel.queue_declare(
            self._queue,
            exclusive=True,
            auto_delete=True,
            arguments={
                "x-max-length-bytes": options.queue_bytes,
                "x-max-length": options.queue_messages,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": overflow,
            },
        )
        channel.queue_bind(self._queue, self._exchange, address_key(owner.address))
        channel.queue_bind(self._queue, self._exchange, HEARTBEAT_KEY)
        channel.basic_qos(0, options.prefetch, False)
        channel.basic_consume(overflow, no_ack=True, callback=self._overflowed)
        channel.basic_consume(self._queue, callback=self._take)
        owner._bindings.clear()  # before what is wanted is read, so that none is missed
        self._bind(owner._wanted)

    def run(self) -> None:
        """Serve the connection until it breaks, by raising, or the subscriber is closed."""
        sock = self._connection.sock
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        poll.register(self._owner._ear, select.POLLIN)
        beat_at = 0.0
        while not self._owner._closing.is_set():
            buffered = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0  # bytes that poll cannot see
            ready = {number for number, _ in poll.poll(0 if buffered else _IDLE * 1000)}
            if self._owner._ear.fileno() in ready:
                self._owner._ear.recv(4096)
                self._acknowledge()
                while self._owner._bindings:
                    if new := self._bind(self._owner._bindings.popleft()):
                        self._owner._items.put(Resync(new, ResyncReason.BOUND))
            if buffered or sock.fileno() in ready:
                try:
                    self._connection.blocking_read(timeout=_IDLE)
                except TimeoutError:
                    pass  # a part of a frame; it is kept
            if time.monotonic() >= beat_at:
                self._connection.heartbeat_tick()
                beat_at = time.monotonic() + _IDLE

    def _take(self, message: Any) -> None:
        self._owner._items.put(_Message(self._life, message.delivery_tag, message.body))

    def _acknowledge(self) -> None:
        last = 0
        while self._owner._done:
            message = self._owner._done.popleft()
            if message.life == self._life:
                last = message.tag
        if last:
            self._channel.basic_ack(last, multiple=True)

    def _bind(self, wanted: frozenset[str]) -> frozenset[str]:
        """Bind to what is wanted, and to nothing else. Returns the sources that are new."""
        bound = self.bound
        new = sorted(wanted - bound)
        for number, source in enumerate(new, 1):  # the broker works in order: its answer to the last is one to all
            last = number == len(new)
            self._channel.queue_bind(self._queue, self._exchange, source_key(source), nowait=not last)
        for source in bound - wanted:
            self._channel.queue_unbind(self._queue, self._exchange, source_key(source))
        self.bound = wanted
        return wanted - bound

    def _overflowed(self, message: Any) -> None:
        lost = self._channel.queue_purge(self._queue)
        self._owner._counters["overflows"] += 1
        _LOG.warning("the queue was full and is emptied: a resync follows address=%s lost=%s", self._queue, lost)
        self._owner._items.put(Resync(self.bound, ResyncReason.OVERFLOW))
