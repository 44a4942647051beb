"""Both planes of the bus inside one process, for the all-in-one and for tests: queues and threads, no encoding.

An `InProcessBus` is what a broker is between processes: publishers, subscribers and controls made from the same one
reach each other. Batches are handed over by reference, so publishers must not change them afterwards.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from itertools import count
from queue import SimpleQueue
from typing import Any

from congressd.bus.control import LONGEST_CALL, Method, NoticeHandler, Registration, hear, run_method
from congressd.bus.streams import (
    BatchArrived,
    Handler,
    Heartbeat,
    Resync,
    ResyncReason,
    StreamEvent,
    deliver,
)
from congressd.bus.workers import Workers
from congressd.model.errors import CongressError
from congressd.model.tables import Batch


class InProcessBus:
    """The meeting place. ``most_events`` bounds the queue of each subscriber."""

    def __init__(self, most_events: int = 10_000) -> None:
        self._most_events = most_events
        self._numbers = count(1)
        self._lock = threading.Lock()  # for changes of what follows; readers take the tuple that is there
        self.subscribers: tuple[InProcessSubscriber, ...] = ()
        self.servers: tuple[_Server, ...] = ()
        self.listeners: tuple[_Listener, ...] = ()

    def publisher(self) -> InProcessPublisher:
        """A new sending end of the data plane."""
        return InProcessPublisher(self)

    def subscriber(self) -> InProcessSubscriber:
        """A new receiving end of the data plane."""
        subscriber = InProcessSubscriber(self, f"subscriber-{next(self._numbers)}", self._most_events)
        with self._lock:
            self.subscribers += (subscriber,)
        return subscriber

    def control(self) -> InProcessControl:
        """A new end of the control plane."""
        return InProcessControl(self)

    def add(self, part: _Server | _Listener) -> None:
        """Let ``part`` be found; for the ends of this bus."""
        with self._lock:
            if isinstance(part, _Server):
                self.servers += (part,)
            else:
                self.listeners += (part,)

    def remove(self, part: InProcessSubscriber | _Server | _Listener) -> None:
        """Let ``part`` no longer be found; for the ends of this bus."""
        with self._lock:
            self.subscribers = tuple(other for other in self.subscribers if other is not part)
            self.servers = tuple(other for other in self.servers if other is not part)
            self.listeners = tuple(other for other in self.listeners if other is not part)


class InProcessPublisher:
    """See `congressd.bus.streams.Publisher`. Never fails: a full queue is the subscriber's affair."""

    connected = True

    def __init__(self, bus: InProcessBus) -> None:
        self._bus = bus

    def publish(self, batch: Batch, to: str | None = None) -> None:
        event = BatchArrived(batch)
        for subscriber in self._bus.subscribers:
            if to == subscriber.address or (to is None and batch.source in subscriber.sources):
                subscriber.put((event,))

    def heartbeat(self, heartbeats: Sequence[Heartbeat]) -> None:
        for subscriber in self._bus.subscribers:
            wanted = subscriber.sources
            subscriber.put([beat for beat in heartbeats if beat.source in wanted])

    def close(self, timeout: float = 5.0) -> None:
        """There is nothing to let go of."""


class InProcessSubscriber:
    """See `congressd.bus.streams.Subscriber`. A queue that is full is emptied, and a `Resync` put into it."""

    connected = True

    def __init__(self, bus: InProcessBus, address: str, most_events: int) -> None:
        self.address = address
        self.sources: frozenset[str] = frozenset()
        self._bus = bus
        self._most_events = most_events
        self._counters: Counter[str] = Counter()
        self._queue: deque[StreamEvent] = deque()
        self._filled = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counters

    def start(self, handler: Handler) -> None:
        self._thread = threading.Thread(target=self._run, args=(handler,), name=f"bus-{self.address}", daemon=True)
        self._thread.start()

    def bind(self, sources: Iterable[str]) -> None:
        with self._filled:
            before, self.sources = self.sources, frozenset(sources)
            new = self.sources - before
        if new:
            self.put([Resync(new, ResyncReason.BOUND)])

    def backlog(self) -> int:
        return len(self._queue)

    def put(self, events: Sequence[StreamEvent]) -> None:
        """Queue ``events`` for the handler; from the bus' own classes only."""
        if not events:
            return
        with self._filled:
            if len(self._queue) + len(events) > self._most_events:
                self._queue.clear()
                self._counters["overflows"] += 1
                self._queue.append(Resync(self.sources, ResyncReason.OVERFLOW))
            else:
                self._queue.extend(events)
            self._filled.notify()

    def close(self, timeout: float = 5.0) -> None:
        self._bus.remove(self)
        with self._filled:
            self._closed = True
            self._filled.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self, handler: Handler) -> None:
        while True:
            with self._filled:
                while not self._queue and not self._closed:
                    self._filled.wait()
                if self._closed:
                    return
                event = self._queue.popleft()
            deliver(event, handler, self._counters)


class _Server:
    """A target that is served, by its methods."""

    def __init__(self, bus: InProcessBus, target: str, methods: Mapping[str, Method]) -> None:
        self.target = target
        self.methods = methods
        self._bus = bus

    def stop(self) -> None:
        self._bus.remove(self)


class _Listener:
    """One function that hears the notices of a topic, one at a time, on its own thread."""

    def __init__(self, bus: InProcessBus, topic: str, handler: NoticeHandler) -> None:
        self.topic = topic
        self._bus = bus
        self._handler: NoticeHandler | None = handler
        self._payloads: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._run, name=f"bus-notices-{topic}", daemon=True).start()

    def tell(self, payload: Any) -> None:
        self._payloads.put(payload)

    def stop(self) -> None:
        self._bus.remove(self)
        self._handler = None
        self._payloads.put(None)  # so that the thread looks

    def _run(self) -> None:
        while True:
            payload = self._payloads.get()
            handler = self._handler
            if handler is None:
                return
            hear(self.topic, handler, payload)


class InProcessControl:
    """See `congressd.bus.control.Control`."""

    def __init__(self, bus: InProcessBus) -> None:
        self._bus = bus
        self._workers = Workers("bus-call", 16)
        self._parts: list[_Server | _Listener] = []

    def serve(self, target: str, methods: Mapping[str, Method]) -> Registration:
        return self._added(_Server(self._bus, target, methods))

    def call(self, target: str, method: str, args: Mapping[str, Any] | None = None, timeout: float = 5.0) -> Any:
        server = next((server for server in self._bus.servers if server.target == target), None)
        if server is None:
            raise CongressError("unavailable", f"nothing serves {target!r} now; try again shortly")
        answer = self._workers.submit(partial(run_method, target, server.methods, method, args or {}))
        seconds = min(timeout, LONGEST_CALL)
        try:
            return answer.result(seconds)
        except (FutureTimeoutError, CancelledError):
            answer.cancel()
            raise CongressError("unavailable", f"{target!r} did not answer {method!r} within {seconds:g} s") from None

    def notify(self, topic: str, payload: Any) -> None:
        for listener in self._bus.listeners:
            if listener.topic == topic:
                listener.tell(payload)

    def listen(self, topic: str, handler: NoticeHandler) -> Registration:
        return self._added(_Listener(self._bus, topic, handler))

    def close(self, timeout: float = 5.0) -> None:
        for part in self._parts:
            part.stop()
        self._workers.close()

    def _added(self, part: _Server | _Listener) -> Registration:
        self._bus.add(part)
        self._parts.append(part)
        return part
