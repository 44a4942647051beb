"""The datasource node: runs the sources that the database configures, and publishes what changes in them.

A node starts as a standby: it follows the configuration and holds drivers ready, but neither polls nor publishes.
`DatasourceNode.activate` takes a new epoch from the database and begins; it stops publishing when it is told to, when
another node has taken an epoch, or when it cannot renew its lease in time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from congressd.bus.control import Control, Registration
from congressd.bus.streams import Publisher
from congressd.datasources.action import Actor
from congressd.datasources.registry import Drivers, describe_table, load_drivers
from congressd.datasources.services.registry import services
from congressd.datasources.services.settings import ServiceSettings
from congressd.dsd.executor import Executor, ExecutorSettings, Surroundings
from congressd.dsd.follower import Follower
from congressd.dsd.lease import Lease, LeaseTimes
from congressd.dsd.pushed import ROLE
from congressd.dsd.roster import Roster
from congressd.dsd.scheduler import Scheduler
from congressd.dsd.snapshots import AskedSnapshots
from congressd.dsd.source import Figures, Means, Source
from congressd.model.clock import Clock, SystemClock
from congressd.model.errors import CongressError
from congressd.model.nearest import hint
from congressd.model.values import Row
from congressd.store import epochs
from congressd.store.database import Database
from congressd.store.keys import Keys

log = logging.getLogger(__name__)

DRAIN_TIME: Final = 2.0  #: seconds that actions which run have to end before the node stands by
RELEASE_TIME: Final = 1.0  #: seconds that the database has to take a lease back


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """``node`` is this node's name in the database. Times in seconds; ``threads`` poll at the same time.

    ``sync_period``: between looks at the database, if no notice comes. ``reactivate``: take a new epoch when the
    lease was lost; for a process without a cluster manager, which is alone in having its database.
    """

    node: str = "dsd"
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    sync_period: float = 1.0
    heartbeat_period: float = 1.0
    poll_timeout: float = 60.0
    threads: int = 16
    reactivate: bool = False
    actions: ExecutorSettings = field(default_factory=ExecutorSettings)
    services: ServiceSettings = field(default_factory=ServiceSettings)


class DatasourceNode:
    """One datasource node. Thread-safe.

    ``on_lost`` is called, on a thread of the node, with a sentence when the node has stopped publishing by itself.
    ``turned`` is called at every turn of the node's work loop, about once a second.
    """

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        control: Control,
        keys: Keys,
        settings: NodeSettings | None = None,
        drivers: Drivers | None = None,
        clock: Clock | None = None,
        on_lost: Callable[[str], None] | None = None,
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings or NodeSettings()
        self._database = database
        self._publisher = publisher
        self._control = control
        self._clock = clock or SystemClock()
        self._on_lost = on_lost
        self._turned = turned
        self.refused = 0  #: writes that the database refused, since another node has taken over
        self._scheduler = Scheduler(self.settings.threads, self.settings.poll_timeout)
        means = Means(
            database,
            publisher,
            self._clock,
            self._may_publish,
            poll_timeout=self.settings.poll_timeout,
            retry_period=self.settings.sync_period,
        )
        self._roster = Roster(means, load_drivers() if drivers is None else drivers, keys, self._scheduler)
        self._snapshots = AskedSnapshots(self._roster.get, publisher)
        self._taking = threading.Lock()  # one takes an epoch at a time
        self._lock = threading.RLock()  # for what follows; never held while the database is asked
        self._lease: Lease | None = None  # while active
        self._lost = False  # whether the last epoch ended against our will
        self._executor: Executor | None = None  # while active
        self._services = services(self.settings.services)
        self._serving: Registration | None = None
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._follower = Follower(
            database,
            self._roster,
            self._clock,
            self._stopped,
            lambda: self.epoch,
            node=self.settings.node,
            period=self.settings.sync_period,
        )

    @property
    def active(self) -> bool:
        """Whether this node publishes."""
        return self._lease is not None

    @property
    def epoch(self) -> int | None:
        """The epoch in which this node publishes; None on standby."""
        lease = self._lease
        return None if lease is None else lease.epoch

    @property
    def revision(self) -> int:
        """The revision of the configuration that the sources are made of."""
        return self._follower.revision

    @property
    def database_error(self) -> str | None:
        """Why the database could not be used when that was last tried."""
        return self._follower.database_error

    @property
    def sources(self) -> int:
        """How many sources are enabled."""
        return len(self._roster.names())

    def failing(self) -> list[str]:
        """The names of the sources of which something cannot be read. Never waits."""
        return self._roster.failing()

    def figures(self) -> list[Figures]:
        """What is counted of every source. Never waits."""
        return self._roster.figures()

    def published_at(self) -> float | None:
        """When the last batch was published, in monotonic seconds; None if none was. Never waits."""
        return self._roster.published_at()

    def start(self) -> None:
        """Become a standby: read the configuration and follow it. Raises CongressError if the database is away."""
        self._threads.append(self._follower.start(self._control))
        for name, run in (("beat", self._beat), ("lease", self._keep_lease)):
            thread = threading.Thread(target=run, name=f"dsd-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def activate(self) -> int:
        """Take a new epoch and begin to poll and publish; the epoch. Raises CongressError if the database is away."""
        with self._taking:
            asked_at = self._clock.monotonic()
            now_ms = int(self._clock.now() * 1000)
            epoch = self._database.run(lambda session: epochs.take_epoch(session, ROLE, self.settings.node, now_ms))
            with self._lock:
                self._rest()
                if self._stopped.is_set():
                    raise CongressError("unavailable", "this datasource node has been stopped")
                self._lost = False
                self._lease = Lease(self.settings.lease, epoch, asked_at)
                self._roster.activate(epoch)
                self._executor = self._make_executor(self._lease)
                self._executor.start()
                self._serving = self._control.serve("dsd", self._methods())
                self._follower.look()  # what was committed while nobody told us
                log.info("node=%s epoch=%d active sources=%d", self.settings.node, epoch, len(self._roster.names()))
                return epoch

    def reconfigure(self, actions: ExecutorSettings, offered: ServiceSettings) -> None:
        """Act as these say from now on; the number of threads stays as it was."""
        with self._lock:
            self.settings = replace(self.settings, actions=actions, services=offered)
            self._services = services(offered)
            if self._executor is not None:
                self._executor.reconfigure(actions)

    def deactivate(self) -> None:
        """Stop polling and publishing, and stand by; the lease is given back, so that nobody waits for its end."""
        executor = self._executor
        if executor is not None and not executor.drain(DRAIN_TIME):
            log.warning("node=%s leaves actions that did not end in time", self.settings.node)
        with self._lock:
            self._lost = False
            lease = self._lease
            self._rest()
        if lease is not None:
            log.info("node=%s epoch=%d stands by", self.settings.node, lease.epoch)
            releasing = threading.Thread(target=self._release, args=(lease,), name="dsd-release", daemon=True)
            releasing.start()
            releasing.join(RELEASE_TIME)  # a database that hangs shall not hold us up

    def stop(self, timeout: float = 3.0) -> None:
        """Stop everything, within about ``timeout`` seconds. Publisher and control are the caller's to close."""
        self._stopped.set()  # first, so that an activation under way does not outlive the next line
        self.deactivate()
        self._follower.close()
        self._snapshots.stop()
        self._roster.close()
        end = self._clock.monotonic() + timeout
        if not self._scheduler.stop(timeout):
            log.warning("node=%s some polls did not end in time and are left", self.settings.node)
        for thread in self._threads:
            thread.join(max(0.0, end - self._clock.monotonic()))

    def snapshots(self, sources: Sequence[str], to: str) -> list[str]:
        """Publish all that each of ``sources`` holds to the address ``to``, soon; those that are not known here.

        Never waits. Who asks again meanwhile is answered once. What is not known is looked for in the database, so
        that who asks again may find it.
        """
        self._snapshots.ask(sources, to)
        return self._unknown(sources)

    def down(self, sources: Sequence[str]) -> list[str]:
        """Those of ``sources`` that cannot be read. Never waits."""
        self._unknown(sources)
        return self._roster.down(sources)

    def status(self, source: str) -> dict[str, Any]:
        """The status of a source; see `congressd.dsd.status.document`."""
        return self._find(source).status()

    def rows(self, source: str, table: str) -> list[Row]:
        """The rows of one table of a source, as they are held here."""
        return list(self._find(source).rows(table))

    def schema(self, source: str) -> list[dict[str, Any]]:
        """The tables of a source, each as `registry.describe_table` describes it."""
        return [describe_table(table) for table in self._find(source).schema()]

    def refresh(self, source: str) -> None:
        """Poll a source now; returns at once."""
        self._roster.wake(self._find(source))

    def _methods(self) -> Mapping[str, Callable[..., Any]]:
        executor = self._executor
        return {
            **(executor.methods() if executor else {}),
            "snapshots": self.snapshots,
            "down": self.down,
            "status": self.status,
            "rows": self.rows,
            "schema": self.schema,
            "refresh": self.refresh,
        }

    def _unknown(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that are not known here; a notice of them may come late, so the database is looked at."""
        unknown = [name for name in names if self._roster.get(name) is None]
        if unknown:
            self._follower.look()
        return unknown

    def _find(self, name: str) -> Source:
        """A source by name; one that is new is looked for in the database, since a notice may come late."""
        source = self._roster.get(name)
        if source is None:
            self._follower.sync()
            source = self._roster.get(name)
        if source is None:
            raise CongressError("not_found", f'There is no enabled source "{name}".{hint(name, self._roster.names())}')
        return source

    def _may_publish(self) -> bool:
        lease = self._lease
        return lease is not None and lease.holds(self._clock.monotonic())

    def _rest(self) -> None:
        """Publish nothing from now on."""
        self._lease = None
        if self._executor is not None:
            self._executor.stop()
            self._executor = None
        if self._serving is not None:
            self._serving.stop()
            self._serving = None
        self._snapshots.clear()
        self._roster.rest()

    def _beat(self) -> None:
        """The thread that sends heartbeats, and looks after the lease while the database does not answer."""
        while not self._stopped.wait(self.settings.heartbeat_period):
            self._turned()
            lease = self._lease
            self._scheduler.tend()
            if lease is None:
                continue
            if not lease.holds(self._clock.monotonic()):
                self._lose(lease, "the lease could not be renewed in time")
                continue
            with suppress(CongressError):  # the next one is due in a second
                self._publisher.heartbeat(self._roster.heartbeats(self._follower.overdue()))

    def _keep_lease(self) -> None:
        """The thread that renews the lease."""
        while not self._stopped.wait(self.settings.lease.renew_period):
            lease = self._lease
            if lease is None:
                self._try_again()
                continue
            asked_at = self._clock.monotonic()
            until = int((self._clock.now() + self.settings.lease.lease) * 1000)
            try:
                self._renew(lease, until)
            except epochs.StaleEpoch as error:
                self._overtaken(lease, error)
            except CongressError as error:
                self._follower.database_error = error.detail
                log.warning("node=%s epoch=%d cannot renew its lease: %s", self.settings.node, lease.epoch, error)
            except Exception:  # a thread that must not end: there may be time for another try
                log.exception("node=%s epoch=%d failed to renew its lease", self.settings.node, lease.epoch)
            else:
                lease.renewed(asked_at)

    def _make_executor(self, lease: Lease) -> Executor:
        around = Surroundings(
            self._database,
            self._control,
            self._clock,
            self.settings.node,
            self._actor,
            self._unread,
            lambda: self._lease is lease and lease.holds(self._clock.monotonic()),
            lambda error: self._overtaken(lease, error),
        )
        return Executor(lease.epoch, around, self.settings.actions)

    def _actor(self, name: str) -> Actor | None:
        """What acts under a name: a source's driver, or a built-in service."""
        source = self._roster.get(name)
        return self._services.get(name) if source is None else source.driver

    def _unread(self, name: str, tables: Iterable[str]) -> tuple[str, ...] | None:
        source = self._roster.get(name)
        return None if source is None else source.unread(tables)

    def _renew(self, lease: Lease, until: int) -> None:
        self._database.run(
            lambda session: epochs.renew(session, ROLE, lease.epoch, self.settings.node, until),
            deadline=max(0.5, lease.left(self._clock.monotonic())),
        )

    def _release(self, lease: Lease) -> None:
        try:
            self._database.run(
                lambda session: epochs.release(session, ROLE, lease.epoch, self.settings.node), deadline=RELEASE_TIME
            )
        except CongressError as error:
            log.warning("node=%s epoch=%d cannot give its lease back: %s", self.settings.node, lease.epoch, error)

    def _overtaken(self, lease: Lease, error: epochs.StaleEpoch) -> None:
        """A write was refused: another node has taken over."""
        self.refused += 1
        self._lose(lease, str(error))

    def _lose(self, lease: Lease, reason: str) -> None:
        """Stop publishing, unless a newer epoch has begun here meanwhile."""
        with self._lock:
            if self._lease is not lease:
                return
            log.error("node=%s epoch=%d stops publishing: %s", self.settings.node, lease.epoch, reason)
            self._rest()
            self._lost = True
        if self._on_lost is not None:
            self._on_lost(reason)

    def _try_again(self) -> None:
        """Take a new epoch after the last one was lost, if this node is to do so by itself."""
        if not (self.settings.reactivate and self._lost):
            return
        try:
            self.activate()
        except CongressError as error:
            log.warning("node=%s cannot become active again: %s", self.settings.node, error)
