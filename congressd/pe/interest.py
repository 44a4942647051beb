"""Which sources this node holds: those that rules read, and those that somebody asked for a short while ago."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import Final

from congressd.model.clock import Clock
from congressd.pe.holder import Holder
from congressd.pe.streams import Streams

KEEP: Final = 600.0  #: seconds for which a source that was asked for is held, if no rule reads it
PATIENCE: Final = 2.0  #: seconds that a request waits for the first rows of a source


class Interest:
    """Keeps `Streams` at the right set of sources. Thread-safe."""

    def __init__(self, holder: Holder, streams: Streams, clock: Clock) -> None:
        self._holder = holder
        self._streams = streams
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._wanted: dict[str, str] = {}  # ids by name
        self._since: dict[str, float] = {}  # since when each is wanted
        self._read: frozenset[str] = frozenset()  # those that rules read

    @property
    def wanted(self) -> frozenset[str]:
        """The sources that are held, or will be."""
        return frozenset(self._wanted)

    def demand(self, sources: Iterable[str]) -> tuple[str, ...]:
        """Hold these sources for a while, and wait a little until they are held; those that are not even then.

        Somebody waits for the first rows of a source once: while it does not deliver, later requests do not wait.
        """
        names = tuple(sources)
        now = self._clock.monotonic()
        first = min((self._since.get(name, now) for name in names), default=now)
        with self._lock:
            self._asked |= dict.fromkeys(names, now)
        if any(name not in self._wanted for name in names):
            self.update()
        present = tuple(name for name in names if name in self._wanted)
        return self._holder.progress.wait_held(present, max(0.0, first + PATIENCE - now))

    def holds(self, sources: Iterable[str]) -> bool:
        """Whether these sources are held because rules read them, or were asked for so lately that nothing is due."""
        oldest = self._clock.monotonic() - KEEP / 2
        position = self._holder.progress.position
        return all(
            position(name) is not None and (name in self._read or self._asked.get(name, oldest) > oldest)
            for name in sources
        )

    def silent(self, sources: Collection[str]) -> Collection[str]:
        """Those of ``sources`` whose rows may be out of date; see `Streams.silent`."""
        return self._streams.silent(sources)

    def right_at(self, source: str) -> float:
        """When the rows of a source that are held were last confirmed; see `Streams.right_at`."""
        return self._streams.right_at(source)

    def wait_right(self, sources: Collection[str], since: float, timeout: float) -> None:
        """Wait until these sources are confirmed; see `Streams.wait_right`."""
        self._streams.wait_right(sources, since, timeout)

    def update(self) -> None:
        """Look again at what rules read and what was asked for; to be called after every new revision."""
        with self._lock:
            image = self._holder.image
            oldest = self._clock.monotonic() - KEEP
            self._asked = {name: at for name, at in self._asked.items() if at >= oldest}
            enabled = {record.name: record.id for record in image.sources.values() if record.enabled}
            self._read = image.sources_read()
            wanted = {name: enabled[name] for name in self._read | self._asked.keys() if name in enabled}
            now = self._clock.monotonic()
            self._since = {name: self._since.get(name, now) for name in wanted}
            if wanted == self._wanted:
                return
            gone = [name for name in self._wanted if name not in wanted]
            anew = [name for name, key in wanted.items() if self._wanted.get(name, key) != key]
            self._wanted = wanted
            self._holder.want(frozenset(wanted), [*gone, *anew])
            self._streams.want(frozenset(wanted), anew)
