"""The streams of the sources that this node wants: events in, whole batches out, snapshots asked for when needed.

The decisions are `congressd.bus.receiver`'s; this module brings the lock, the thread that asks, and the time. Batches
reach the sink on the subscriber's one thread, in order.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
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
MOST_ASKED: Final = 200  #: sources in one request for snapshots
SILENCE: Final = 4.0  #: seconds without batch or heartbeat (one comes a second) after which rows may be out of date


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
        self._confirmed = threading.Condition()  # told when `_right` says more
        self._asks: dict[str, AskReason] = {}  # sources to ask for, in order
        self._heard: dict[str, float] = {}  # when each source's publisher was last heard of
        self._published: dict[str, tuple[int, int]] = {}  # epoch and sequence that each source was heard to be at
        self._right: dict[str, float] = {}  # when the held rows of each source were last known to be right
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
            self._right = {name: at for name, at in self._right.items() if name in sources and name not in restart}
            if restart:
                self._subscriber.bind(frozenset(sources) - restart)
            self._subscriber.bind(sources)

    def saw_epoch(self, epoch: int) -> None:
        """The database has this epoch: refuse what comes from a datasource node of a lower one from now on."""
        with self._lock:
            self._receivers.saw_epoch(epoch)

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

    def right_at(self, source: str) -> float:
        """When the rows of a source that are held were last confirmed, in seconds since 1970; 0 if never."""
        return self._right.get(source, 0.0)

    def wait_right(self, sources: Collection[str], since: float, timeout: float) -> None:
        """Wait until what is held of all ``sources`` was right at ``since`` or later, for ``timeout`` seconds."""
        with self._confirmed:
            self._confirmed.wait_for(lambda: all(self.right_at(name) >= since for name in sources), timeout)

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
                self._heard[source] = max(self._heard.get(source, -math.inf), now - event.overdue)
                self._published[source] = (event.epoch, event.sequence)
                if self._receivers.agrees(event):
                    with self._confirmed:
                        self._right[source] = event.fetched_at
                        self._confirmed.notify_all()
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
        asks = {action.source: action.reason for action in actions if isinstance(action, AskSnapshot)}
        if asks:
            self._asks |= asks
            self._wake.notify()

    def _run(self) -> None:
        """Ask for snapshots, and let time pass for the receivers."""
        while True:
            with self._wake:
                if self._stopped:
                    return
                now = self._clock.monotonic()
                self._ask(self._receivers.tick(now))
                if not self._asks:
                    deadline = self._receivers.deadline()
                    wait = LONGEST_SLEEP if deadline is None else min(max(deadline - now, 0.01), LONGEST_SLEEP)
                    self._wake.wait(wait)
                    continue
                asks = dict(islice(self._asks.items(), MOST_ASKED))
                for source in asks:
                    del self._asks[source]
            self._ask_for(asks)

    def _ask_for(self, asks: Mapping[str, AskReason]) -> None:
        """Ask for snapshots. What does not come the receivers name again."""
        what = ", ".join(f"{number} {reason}" for reason, number in Counter(asks.values()).items())
        try:
            args = {"sources": list(asks), "to": self._subscriber.address}
            unknown = self._control.call("dsd", "snapshots", args, timeout=ASK_TIMEOUT)
            LOG.debug("asked for snapshots (%s); the datasource node does not know %s", what, unknown)
        except CongressError as error:
            LOG.info("no snapshots now (%s): %s", what, error.detail)
            if error.code.name == "unavailable":
                # Nobody answers: asking for the others would only wait. The receivers say again what they need.
                with self._lock:
                    self._asks.clear()
        except Exception:  # nobody else asks: this thread must not end
            LOG.exception("asking for snapshots failed (%s)", what)
