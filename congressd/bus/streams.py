"""The data plane: how batches of table changes travel from the active datasource node to the policy engine nodes.

This module owns the words of it: what a publisher and a subscriber can do, and the events that a subscriber hands
to its one handler. `congressd.bus.inprocess` and `congressd.bus.rabbit_streams` implement them; what a policy engine
node does with the events is decided by `congressd.bus.receiver`.

The stream may lose, repeat or reorder batches; it never hands over half of one. Who needs the whole state of a
source asks the datasource node over control (method ``snapshots`` with sources and `Subscriber.address`); the node
answers by publishing a snapshot of each to that address, so that large data never travel through RPC.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from congressd.bus.digest import Digest
from congressd.model.tables import Batch

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchArrived:
    """One whole batch, as it was published."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where the publisher of a source is: its last batch was ``(epoch, sequence)``.

    ``digests`` tells what every table of the source holds after that batch; empty means not told. ``fetched_at`` is
    when that was last known to be what the source holds, seconds since 1970; 0 means not told. ``overdue``: for how
    many seconds the publisher should have looked whether there is something new, and could not: for so long it cannot
    say that there is not. A heartbeat is sent only for a source that has published at least one batch in this epoch.
    """

    source: str
    epoch: int
    sequence: int
    digests: Mapping[str, Digest] = field(default_factory=dict)
    fetched_at: float = 0.0
    overdue: float = 0.0


class ResyncReason(StrEnum):
    """Why batches may have been missed."""

    BOUND = "bound"  # the source was not subscribed to until now
    RECONNECTED = "reconnected"  # the way to the publisher was cut for a while
    OVERFLOW = "overflow"  # the queue was full and has been emptied


@dataclass(frozen=True, slots=True)
class Resync:
    """Batches of these sources may have been missed. What is published from now on arrives."""

    sources: frozenset[str]
    reason: ResyncReason


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Nothing arrives until a `Resync` with reason ``reconnected`` says otherwise."""

    reason: str


StreamEvent: TypeAlias = BatchArrived | Heartbeat | Resync | Disconnected
Handler: TypeAlias = Callable[[StreamEvent], None]


class Publisher(Protocol):
    """The sending end, held by the datasource node. Safe to use from several threads.

    Batches of one source must be published by one thread at a time, so that they keep their order. A snapshot that
    was asked for is taken and published under the same lock, so that it cannot overtake a delta that it contains.
    """

    @property
    def connected(self) -> bool:
        """True when a batch published now has a way to go."""

    def publish(self, batch: Batch, to: str | None = None) -> None:
        """Send ``batch`` to all subscribers of its source, or only to the address ``to``.

        Returns when the bus has taken it. Raises CongressError("unavailable") if that could not be confirmed in
        time: the batch may or may not arrive, and the publisher simply goes on with the next sequence number, since
        subscribers see the gap, in the next batch or heartbeat, and ask for a snapshot.
        """

    def heartbeat(self, heartbeats: Sequence[Heartbeat]) -> None:
        """Tell all subscribers where each source is; to be called about once a second. Raises like `publish`."""

    def close(self, timeout: float = 5.0) -> None:
        """Let go of the connection, within ``timeout`` seconds."""


class Subscriber(Protocol):
    """The receiving end, held by a policy engine node: one handler, called by one thread, event after event.

    An exception of the handler is logged and counted, and the next event is handed over; a handler that could not
    apply what its receiver told it to says so with `congressd.bus.receiver.Receivers.distrust`.
    """

    @property
    def address(self) -> str:
        """The name under which a publisher reaches this subscriber alone; the same for its whole life."""

    @property
    def connected(self) -> bool:
        """True while batches can arrive."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened so far, for metrics; see `COUNTERS`."""

    def start(self, handler: Handler) -> None:
        """Begin to hand over events; to be called once."""

    def bind(self, sources: Iterable[str]) -> None:
        """Subscribe to exactly these sources from now on. May be called at any time, from any thread.

        Returns at once. A `Resync` with reason ``bound`` follows for the new ones as soon as their batches arrive.
        """

    def backlog(self) -> int:
        """How many events wait for the handler in this process."""

    def close(self, timeout: float = 5.0) -> None:
        """Stop handing over events and let go of the queue, within ``timeout`` seconds."""


COUNTERS: Mapping[str, str] = {
    "batches": "batches handed to the handler",
    "heartbeats": "heartbeats handed to the handler",
    "overflows": "times that the queue was full and was emptied",
    "reconnects": "times that the connection was lost and made again",
    "undecodable": "messages that could not be understood and were dropped",
    "handler_errors": "events on which the handler failed",
}


def deliver(event: StreamEvent, handler: Handler, counters: Counter[str]) -> None:
    """Hand ``event`` over and count it. Raises nothing; for the implementations of `Subscriber`."""
    if isinstance(event, BatchArrived):
        counters["batches"] += 1
    elif isinstance(event, Heartbeat):
        counters["heartbeats"] += 1
    try:
        handler(event)
    except Exception:
        counters["handler_errors"] += 1
        _LOG.exception("an event of the stream could not be handled kind=%s", type(event).__name__)
