"""The policy engine node: policies from the store, rows from the streams, one engine, and what the API may ask.

It only puts the parts together and keeps the time; each part says itself what it does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from congressd.bus.control import Control
from congressd.bus.receiver import Patience
from congressd.bus.streams import Subscriber
from congressd.engine.engine import Engine
from congressd.model.clock import Clock, SystemClock
from congressd.model.drivers import Drivers
from congressd.model.errors import CongressError
from congressd.pe.actions import Actions
from congressd.pe.actions_check import KnownServices
from congressd.pe.actions_report import Reporter
from congressd.pe.awaited import Awaited
from congressd.pe.follower import Follower
from congressd.pe.freshness import Freshener
from congressd.pe.history import History
from congressd.pe.holder import Holder
from congressd.pe.interest import Interest
from congressd.pe.policies import Policies
from congressd.pe.pushes import Pushes
from congressd.pe.queries import Queries
from congressd.pe.roll import Roll
from congressd.pe.sources import Sources
from congressd.pe.streams import Streams
from congressd.pe.writer import Writer
from congressd.store.database import Database
from congressd.store.keys import Keys

LOG = logging.getLogger(__name__)

TICK: Final = 1.0  #: seconds between ticks of the engine's ``now``
EXPIRE: Final = 30.0  #: seconds between looks for what nobody asks for any longer
MOST_ASKED: Final = 200  #: sources after which the datasource node is asked in one tick


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the node may take calls; if not, ``missing`` says what it waits for."""

    ready: bool
    missing: tuple[str, ...] = ()
    revision: int = 0
    sources: dict[str, str] = field(default_factory=dict)  #: of the sources that are held or wanted, their state
    bus: str = "connected"  #: or since when, and why, batches cannot arrive


class PolicyEngineNode:
    """One engine and its surroundings. ``policies``, ``queries``, ``sources`` and ``pushes`` are for the API.

    The subscriber and the control are the caller's to close; the node stops using them when it is stopped.
    """

    def __init__(
        self,
        database: Database,
        subscriber: Subscriber,
        control: Control,
        drivers: Drivers,
        keys: Keys,
        *,
        clock: Clock | None = None,
        sync_period: float = 10.0,
        patience: Patience | None = None,
        turned: Callable[[], None] = lambda: None,
        name: str | None = None,
    ) -> None:
        """``sync_period``: seconds between looks at the revision log without a notice.

        ``name`` is this node's among all policy engine nodes. ``turned`` is called at every turn of the node's work
        loop, about once a second.
        """
        self._clock = clock or SystemClock()
        self.engine = Engine(self._clock)
        acting = KnownServices(drivers)
        self.holder = Holder(self.engine, self._clock, lambda record: self.sources.known_tables(record), acting)
        self.streams = Streams(subscriber, control, self.holder.take, self._clock, patience)
        self.interest = Interest(self.holder, self.streams, self._clock)
        self.follower = Follower(
            database, self.holder, control, self.interest.update, sync_period, self.streams.saw_epoch
        )
        self.freshener = Freshener(self.holder, self.interest, self._clock)
        writer = Writer(
            database, self.holder, self.follower, control, self._clock, self.interest.update, self.interest.demand
        )
        self.policies = Policies(self.holder, writer, self._clock)
        self.sources = Sources(self.holder, writer, self.interest, control, drivers, keys, self._clock)
        self.queries = Queries(self.holder, self.freshener)
        self.pushes = Pushes(database, self.holder, self.freshener, self.sources, control, self._clock)
        self.reporter = Reporter(self.holder, control, name)
        self.holder.observer = self.reporter.watch
        self.actions = Actions(database, self.holder, acting, control, self._clock)
        self.history = History(database)
        self.roll = Roll(control, self._clock)
        self._turned = turned
        self._down: frozenset[str] = frozenset()  # wanted sources that cannot be read, as the datasource node says
        self._complete = False  # the system's policies exist
        self._was_ready = False
        self._draining = False
        self._awaited = Awaited()
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._run, name="pe-ticker", daemon=True)

    @property
    def revision(self) -> int:
        """The policy revision that answers come from."""
        return self.holder.progress.revision

    def start(self) -> None:
        """Start; returns at once, `readiness` tells when the node has what it needs."""
        self.streams.start()
        self.follower.start()
        self.roll.start()
        self.reporter.start()
        self._ticker.start()

    def drain(self) -> None:
        """Be not ready from now on; calls are still answered."""
        self._draining = True

    def stop(self, timeout: float = 5.0) -> None:
        """Stop all threads, within about ``timeout`` seconds."""
        self.drain()
        self._stopped.set()
        self.roll.stop()
        end = self._clock.monotonic() + timeout
        for part in (self.reporter, self.follower, self.streams):
            part.stop(max(0.1, end - self._clock.monotonic()))
        if self._ticker.is_alive():
            self._ticker.join(max(0.1, end - self._clock.monotonic()))

    def readiness(self) -> Readiness:
        """Whether this node may take calls. Once it was ready only draining ends that.

        Being cut off from the bus does not: if all nodes are, old rows that are marked as such are better than none.
        """
        missing = []
        if self._draining:
            missing.append("draining: this node is about to stop")
        if not self.holder.loaded:
            missing.append(f"policies: {self.follower.last_error or 'not read yet'}")
        elif not self._complete:
            missing.append("policies: those that always exist are not made yet")
        states = {name: self._state(name) for name in sorted(self.interest.wanted)}
        late = self._awaited.in_vain(self._clock.monotonic())
        if not self._was_ready and not late:
            missing += [f"source {name}: no rows yet" for name, state in states.items() if state == "waiting"]
        ready = not missing
        self._was_ready = self._was_ready or ready
        return Readiness(ready, tuple(missing), self.revision, states, self.streams.connection())

    def _state(self, source: str) -> str:
        if self.holder.progress.position(source) is not None:
            return "held"
        return "down" if source in self._down else "waiting"

    def _look_at(self, waiting: Sequence[str]) -> None:
        """Note whether first rows still come, and which sources are down; while rows come, nobody is asked."""
        self._down &= frozenset(waiting)
        if self._awaited.look(waiting, self._clock.monotonic()):
            return
        unknown = [name for name in waiting if name not in self._down]
        if unknown:
            self._down |= self.sources.down(unknown[:MOST_ASKED])

    def _run(self) -> None:
        """Let time pass for the engine, make the policies that always exist, and see which sources are down."""
        expire_at = self._clock.monotonic() + EXPIRE
        while True:
            try:
                if self.holder.loaded and not self._complete:
                    self.policies.ensure_system_policies()
                    self._complete = True
                self.holder.tick()
                waiting = [name for name in self.interest.wanted if self.holder.progress.position(name) is None]
                self._look_at(waiting)
                if self._clock.monotonic() >= expire_at:
                    expire_at = self._clock.monotonic() + EXPIRE
                    self.engine.expire()
                    self.interest.update()
            except CongressError as error:
                LOG.warning("the node is not complete: %s", error)
            except Exception:
                LOG.exception("a tick of the node failed")
            self._turned()
            if self._stopped.wait(TICK if self._complete else 0.05):
                return
