"""Following the revision log: on a notice at once, else every now and then; whole revisions, in order.

A notice may be lost, so nothing depends on one: the slow look finds what it would have told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy.orm import Session

from congressd.bus.control import Control, Registration
from congressd.model.errors import CongressError
from congressd.pe.holder import Holder
from congressd.store import epochs, policies
from congressd.store.changes import LoggedChange
from congressd.store.database import Database
from congressd.store.epochs import EpochRecord

LOG = logging.getLogger(__name__)

RETRY: Final = 1.0  #: seconds between tries while the database does not answer


class Follower:
    """``changed`` is called after every new revision, on the thread that took it."""

    def __init__(
        self,
        database: Database,
        holder: Holder,
        control: Control,
        changed: Callable[[], None],
        period: float = 10.0,
        saw_epoch: Callable[[int], None] = lambda _epoch: None,
    ) -> None:
        """``period``: seconds between looks at the log without a notice.

        ``saw_epoch`` is told at every look which epoch of the datasource node the database has.
        """
        self._database = database
        self._holder = holder
        self._control = control
        self._changed = changed
        self._period = period
        self._saw_epoch = saw_epoch
        self._reading = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._listener: Registration | None = None
        self._thread = threading.Thread(target=self._run, name="pe-follower", daemon=True)
        self.last_error: str | None = None  #: why the log could not be read when it was last tried

    def start(self) -> None:
        """Listen and look; to be called once. The first look is at once."""
        self._listener = self._control.listen("revision", self._on_notice)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Follow no longer."""
        self._stopped = True
        if self._listener is not None:
            self._listener.stop()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def catch_up(self) -> int:
        """Take every revision that the database has; the one that is held then. Raises CongressError."""
        with self._reading:
            before = self._holder.image.revision
            loaded = self._holder.loaded

            def look(session: Session) -> tuple[Sequence[LoggedChange] | None, EpochRecord | None]:
                return policies.changes_since(session, before) if loaded else None, epochs.holder(session, epochs.DSD)

            entries, held = self._database.read(look)
            if held is not None:
                self._saw_epoch(held.epoch)
            if entries is None:
                self._holder.load(self._database.read(policies.load), before)
            else:
                for revision, group in groupby(entries, key=lambda entry: entry.revision):
                    self._holder.adopt([entry.change for entry in group], revision)
            after = self._holder.image.revision
        if after != before or entries is None:
            LOG.info("revision=%d before=%d: took the policies of the database", after, before)
            self._changed()
        return after

    def _on_notice(self, payload: Any) -> None:
        if isinstance(payload, dict) and payload.get("revision", 0) > self._holder.image.revision:
            self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            try:
                self.catch_up()
                self.last_error = None
                wait = self._period
            except CongressError as error:
                self.last_error = str(error)
                LOG.warning("the policies cannot be read: %s", error)
                wait = min(RETRY, self._period)
            except Exception as error:
                self.last_error = f"{type(error).__name__}: {error}"
                LOG.exception("the policies cannot be followed")
                wait = min(RETRY, self._period)
            self._wake.wait(wait)
