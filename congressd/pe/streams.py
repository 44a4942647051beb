"""The streams of the sources that this node wants: events in, whole batches out, snapshots asked for when needed.

The decisions are `congressd.bus.receiver`'s; this module brings the lock, the thread that asks, and the time. Batches
reach the sink on the subscriber's one thread, in order.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from congressd.bus.control import Control
from congressd.bus.receiver import Action, Apply, AskReason, AskSnapshot, Drop, Patience, Receivers, Replace
from congressd.bus.streams import BatchArrived, Disconnected, Heartbeat, Resync, StreamEvent, Subscriber
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.model.tables import Batch

LOG = logging.getLogger(__name__)

ASK_TIMEOUT: Final = 5.0  #: seconds for the datasource node to take a request for a snapshot
LONGEST_SLEEP: Final = 5.0  #: seconds after which the asking thread looks again, whatever the receivers say
SILENCE: Final = 10.0  #: seconds without a batch or heartbeat after which the rows of a source may be out of date


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a source's stream was published, as far as is known here, and what of that is not held.

    ``behind`` counts batches; for another epoch than that which is held, all of that epoch. ``silent`` is the number
    of seconds since a batch or heartbeat came.
    """

    epoch: int
    sequence: int
    behind: int
    silent: float


#: Takes a batch, and whether it replaces what is held. Called on one thread.
Sink = Callable[[Batch, bool], None]


class Streams:
    """The receiving side of the data plane."""

    def __init__(
        self, subscriber: Subscriber, control: Control, sink: Sink, clock: Clock, patience: Patience | None = None
    ) -> None:
        self._subscriber = subscriber
        self._control = control
        self._sink = sink
        self._clock = clock
        self._receivers = Receivers(patience=patience)
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._asks: deque[AskSnapshot] = deque()
        self._heard: dict[str, float] = {}  # when each source's publisher was last heard of
        self._published: dict[str, tuple[int, int]] = {}  # epoch and sequence that each source was heard to be at
        #: Since when batches cannot arrive, and why.
        self._cut = None if subscriber.connected else (clock.monotonic(), "not connected yet")
        self.applied_at: float | None = None  #: when the last batch was applied, in monotonic seconds
        self._stopped = False
        self._asker = threading.Thread(target=self._run, name="pe-streams", daemon=True)

    def start(self) -> None:
        """Begin to receive; to be called once."""
        self._subscriber.start(self._on_event)
        self._asker.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Receive no more."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._subscriber.close(timeout)
        if self._asker.is_alive():
            self._asker.join(timeout)

    def want(self, sources: Collection[str], anew: Iterable[str] = ()) -> None:
        """Receive exactly these sources from now on; those of ``anew`` as if they had never been wanted."""
        with self._lock:
            restart = frozenset(anew)
            if restart:
                self._receivers.want(frozenset(self._receivers.positions()) - restart)
            self._receivers.want(sources)
            if restart:
                self._subscriber.bind(frozenset(sources) - restart)
            self._subscriber.bind(sources)

    def missing(self) -> Mapping[str, AskReason]:
        """The wanted sources for which a snapshot is waited for, and why."""
        with self._lock:
            return self._receivers.missing()

    @property
    def connected(self) -> bool:
        """Whether batches can arrive."""
        return self._subscriber.connected and self._cut is None

    def connection(self) -> str:
        """``connected``, or for how long batches cannot arrive, and why."""
        cut = self._cut
        if cut is None:
            return "connected"
        return f"cut off for {self._clock.monotonic() - cut[0]:.0f} s: {cut[1]}"

    def silent(self, sources: Collection[str]) -> Collection[str]:
        """Those of ``sources`` whose rows may be out of date, since nobody has said for a while that they are not."""
        if self._cut is not None:
            return sources
        oldest = self._clock.monotonic() - SILENCE
        return [name for name in sources if self._heard.get(name, -math.inf) < oldest]

    def lags(self) -> dict[str, Lag]:
        """How far this node is behind the publishers of the wanted sources; a source never heard of is not there."""
        now = self._clock.monotonic()
        with self._lock:
            lags = {}
            for source, held in self._receivers.positions().items():
                if source in self._published:
                    epoch, sequence = self._published[source]
                    known = held.sequence if held is not None and held.epoch == epoch else 0
                    lags[source] = Lag(epoch, sequence, max(0, sequence - known), now - self._heard[source])
            return lags

    def backlog(self) -> int:
        """How many batches and heartbeats have arrived and wait to be applied."""
        return self._subscriber.backlog()

    def counters(self) -> dict[str, int]:
        """What happened so far, for metrics: by ``dropped_<reason>``, ``asked_<reason>`` and the subscriber's names."""
        with self._lock:
            return {
                **{f"dropped_{reason.value}": number for reason, number in self._receivers.dropped.items()},
                **{f"asked_{reason.value}": number for reason, number in self._receivers.asked.items()},
                **self._subscriber.counters,
            }

    def _on_event(self, event: StreamEvent) -> None:
        with self._wake:
            now = self._clock.monotonic()
            actions = self._receivers.on(event, now)
            self._ask(actions)
            self._note(event, now, dropped=any(isinstance(action, Drop) for action in actions))
        for action in actions:
            match action:
                case Apply(batch):
                    self._take(batch, replace=False)
                case Replace(batch):
                    self._take(batch, replace=True)

    def _note(self, event: StreamEvent, now: float, *, dropped: bool) -> None:
        """Note whether, and from whom, something is heard."""
        match event:
            case BatchArrived(batch) if not dropped:
                self._heard[batch.source] = now
                self._published[batch.source] = (batch.epoch, batch.sequence)
            case Heartbeat(source) if not dropped:
                self._heard[source] = now
                self._published[source] = (event.epoch, event.sequence)
            case Resync():
                self._cut = None
            case Disconnected(reason):
                self._cut = (now, reason)

    def _take(self, batch: Batch, *, replace: bool) -> None:
        try:
            self._sink(batch, replace)
            self.applied_at = self._clock.monotonic()
        except Exception:
            LOG.exception(
                "source=%s epoch=%d sequence=%d: the batch cannot be applied; asking for a snapshot",
                batch.source,
                batch.epoch,
                batch.sequence,
            )
            with self._wake:
                self._ask(self._receivers.distrust(batch.source, self._clock.monotonic()))

    def _ask(self, actions: Iterable[Action]) -> None:
        self._asks.extend(action for action in actions if isinstance(action, AskSnapshot))
        self._wake.notify()

    def _run(self) -> None:
        """Ask for snapshots, and let time pass for the receivers."""
        while True:
            with self._wake:
                if self._stopped:
                    return
                now = self._clock.monotonic()
                self._asks.extend(each for each in self._receivers.tick(now) if isinstance(each, AskSnapshot))
                if not self._asks:
                    deadline = self._receivers.deadline()
                    wait = LONGEST_SLEEP if deadline is None else min(max(deadline - now, 0.01), LONGEST_SLEEP)
                    self._wake.wait(wait)
                    continue
                ask = self._asks.popleft()
            self._ask_for(ask)

    def _ask_for(self, ask: AskSnapshot) -> None:
        try:
            self._control.call(
                "dsd", "snapshot", {"source": ask.source, "to": self._subscriber.address}, timeout=ASK_TIMEOUT
            )
            LOG.debug("source=%s reason=%s: asked for a snapshot", ask.source, ask.reason.value)
        except CongressError as error:
            LOG.info("source=%s reason=%s: no snapshot now: %s", ask.source, ask.reason.value, error.detail)
            if error.code.name == "unavailable":
                # Nobody answers: asking for the others would only wait. The receivers say again what they need.
                with self._lock:
                    self._asks.clear()
        except Exception:  # nobody else asks: this thread must not end
            LOG.exception("source=%s reason=%s: asking for a snapshot failed", ask.source, ask.reason.value)
