"""The snapshots that policy engine nodes asked for: a queue, and one thread that publishes them.

Who asks does not wait, so one call may ask for hundreds. Nothing here need be kept: a snapshot that does not come is
asked for again by whoever misses it.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from congressd.bus.streams import Publisher
from congressd.dsd.source import Source

log = logging.getLogger(__name__)

#: Seconds to wait for a source that is busy, before the others have their turn.
PATIENCE: Final = 0.05


class AskedSnapshots:
    """Thread-safe. ``find`` tells the source of a name, if there is one."""

    def __init__(self, find: Callable[[str], Source | None], publisher: Publisher) -> None:
        self._find = find
        self._publisher = publisher
        self._changed = threading.Condition()
        self._waiting: OrderedDict[tuple[str, str], None] = OrderedDict()  # names of sources with addresses
        self._stopped = False
        self._thread: threading.Thread | None = None

    def ask(self, sources: Iterable[str], to: str) -> None:
        """Have snapshots of these sources published to the address ``to``; what waits already is not doubled."""
        with self._changed:
            self._waiting.update(dict.fromkeys((name, to) for name in sources))
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="dsd-snapshots", daemon=True)
                self._thread.start()
            self._changed.notify()

    def waiting(self) -> int:
        """How many snapshots are still to be published."""
        return len(self._waiting)

    def clear(self) -> None:
        """Publish nothing of what waits: this node is no longer the one to do so."""
        with self._changed:
            self._waiting.clear()

    def stop(self) -> None:
        """Publish no more; what is under way is not waited for."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while (request := self._next()) is not None:
            name, to = request
            source = self._find(name)
            try:
                if source is not None and not source.publish_snapshot(to, PATIENCE):
                    self._put_back(request)
            except Exception:  # a driver may be anybody's code, and nobody else publishes for the others
                log.exception("source=%s: a snapshot of it cannot be published", name)

    def _next(self) -> tuple[str, str] | None:
        """What is to be published next; None when all is to stop."""
        with self._changed:
            while not self._stopped:
                if not self._publisher.connected:
                    self._waiting.clear()  # each would wait in vain; who is connected again asks again
                if self._waiting:
                    return self._waiting.popitem(last=False)[0]
                self._changed.wait()
            return None

    def _put_back(self, request: tuple[str, str]) -> None:
        with self._changed:
            self._waiting.setdefault(request)
