"""Following the database: the sources are what the configuration says, and no push stays unseen.

A notice may be lost, so nothing depends on one: the slow look finds what it would have told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.orm import Session

from congressd.bus.control import Control, Registration
from congressd.dsd.pushed import ROLE
from congressd.dsd.roster import Roster
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.store import epochs, policies, pushes
from congressd.store.changes import Snapshot, apply
from congressd.store.database import Database

log = logging.getLogger(__name__)

FORGET_PERIOD: Final = 3600.0  #: seconds between removals of expired idempotency keys


class Follower:
    """Follows the configuration for the ``roster`` of ``node`` until ``stopped``. Thread-safe.

    ``period``: seconds between looks at the database without a notice. ``epoch``: that in which the node publishes
    just now, or None.
    """

    def __init__(
        self,
        database: Database,
        roster: Roster,
        clock: Clock,
        stopped: threading.Event,
        epoch: Callable[[], int | None],
        *,
        node: str,
        period: float,
    ) -> None:
        self.database_error: str | None = None  #: why the database could not be used when that was last tried
        self._database = database
        self._roster = roster
        self._clock = clock
        self._stopped = stopped
        self._epoch = epoch
        self._node = node
        self._period = period
        self._looked_at = clock.monotonic()  # when the last look that succeeded began
        self._snapshot = Snapshot()
        self._syncing = threading.Lock()  # one reads the configuration at a time
        self._look = threading.Event()  # somebody says that the configuration has changed
        self._listening: list[Registration] = []

    @property
    def revision(self) -> int:
        """The revision of the configuration that the sources are made of."""
        return self._snapshot.revision

    def overdue(self) -> float:
        """For how many seconds a look at the database has been due that did not succeed. Never waits."""
        return max(0.0, self._clock.monotonic() - self._looked_at - self._period)

    def start(self, control: Control) -> threading.Thread:
        """Read the configuration, then follow it on the thread returned. Raises CongressError without a database."""
        self.sync()
        self._listening = [
            control.listen("revision", lambda _payload: self.look()),
            control.listen("pushed", self._on_pushed),
        ]
        thread = threading.Thread(target=self._run, name="dsd-follow", daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Listen to no notice any more; the thread ends when ``stopped`` is set."""
        self.look()
        for registration in self._listening:
            registration.stop()

    def look(self) -> None:
        """Have the thread look at the database now. Never waits."""
        self._look.set()

    def sync(self) -> None:
        """Make the sources what the database says. Raises CongressError."""
        with self._syncing:
            old = self._snapshot
            changes = self._database.read(lambda session: policies.changes_since(session, old.revision))
            self.database_error = None
            if changes is None or old.revision == 0:
                self._snapshot = self._database.read(policies.load, causal=True)
            elif changes:
                self._snapshot = apply(old, changes)
            else:
                return
            self._roster.follow(self._snapshot.sources)

    def _on_pushed(self, payload: Any) -> None:
        source = self._roster.get(str(payload.get("source"))) if isinstance(payload, dict) else None
        if source is not None:
            self._roster.wake(source)
        else:
            self.look()

    def _run(self) -> None:
        forget_at = self._clock.monotonic()
        while not self._stopped.is_set():
            self._look.wait(self._period)
            self._look.clear()
            began = self._clock.monotonic()
            try:
                self.sync()
                self._look_for_pushes()
                self._looked_at = began
                if self._clock.monotonic() >= forget_at:
                    self._forget_keys()
                    forget_at = self._clock.monotonic() + FORGET_PERIOD
            except CongressError as error:
                self.database_error = error.detail
                self._roster.pushes_unreadable(str(error))
                log.warning("node=%s cannot follow the database: %s", self._node, error)
            except Exception:  # a thread that must not end: the next look may succeed
                log.exception("node=%s failed to follow the database", self._node)

    def _look_for_pushes(self) -> None:
        """Find the pushes of which no notice came: one look for all sources."""
        if self._epoch() is not None and self._roster.pushed():
            self._roster.pushed_up_to(self._database.read(pushes.last_numbers))

    def _forget_keys(self) -> None:
        epoch = self._epoch()
        if epoch is None:
            return
        now = self._clock.now()

        def forget(session: Session) -> int:
            epochs.guard(session, ROLE, epoch)
            return pushes.forget_keys(session, now)

        self._database.run(forget)
