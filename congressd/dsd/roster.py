"""The sources of a datasource node: made from the records of the database, begun and ended with its epochs.

Thread-safe. No method asks the database, so none waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from congressd.bus.streams import Heartbeat
from congressd.datasources.driver import DriverKind
from congressd.datasources.registry import Drivers, find_driver
from congressd.dsd.broken import BrokenSource
from congressd.dsd.polled import PolledSource
from congressd.dsd.pushed import PushedSource
from congressd.dsd.scheduler import Scheduler
from congressd.dsd.source import Figures, Means, Source
from congressd.model.errors import CongressError
from congressd.store import sources
from congressd.store.keys import Keys
from congressd.store.records import SourceRecord

log = logging.getLogger(__name__)

MOST_NAMED: Final = 10  #: sources named in one line of the log


class Roster:
    """One `Source` for each enabled record; one whose record changes is ended, and another takes its place.

    Within an epoch the sequence of a name only grows, also when its source was ended and made again, since those who
    follow the stream drop what they believe to be old.
    """

    def __init__(self, means: Means, drivers: Drivers, keys: Keys, scheduler: Scheduler) -> None:
        self._means = means
        self._drivers = drivers
        self._keys = keys
        self._scheduler = scheduler
        self._lock = threading.RLock()
        self._epoch: int | None = None  # while active
        self._sources: dict[str, Source] = {}  # by name
        self._sequences: dict[str, int] = {}  # of sources that were ended in this epoch, by name
        self._closed = False

    def names(self) -> list[str]:
        """The names of all sources."""
        return list(self._sources)

    def get(self, name: str) -> Source | None:
        """The source of that name, if there is one."""
        return self._sources.get(name)

    def heartbeats(self, overdue: float) -> list[Heartbeat]:
        """Where the streams are. ``overdue``: for how long nobody could look for pushes that was to, in seconds."""
        beats = (
            source.heartbeat(overdue if isinstance(source, PushedSource) else 0.0)
            for source in list(self._sources.values())
        )
        return [beat for beat in beats if beat is not None]

    def down(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that could not be read at all when that was last tried. Never waits."""
        known = ((name, self._sources.get(name)) for name in names)
        return [name for name, source in known if source is not None and source.facts.error is not None]

    def figures(self) -> list[Figures]:
        """What is counted of every source. Never waits."""
        return [source.figures() for source in list(self._sources.values())]

    def failing(self) -> list[str]:
        """The names of the sources of which something could not be read when it was last tried. Never waits."""
        return sorted(each.source for each in self.figures() if each.failing)

    def published_at(self) -> float | None:
        """When the last batch of any source was published, in monotonic seconds. Never waits."""
        return max(
            (at for source in list(self._sources.values()) if (at := source.facts.published_at) is not None),
            default=None,
        )

    def pushed(self) -> list[PushedSource]:
        """The sources whose rows are pushed."""
        return [source for source in list(self._sources.values()) if isinstance(source, PushedSource)]

    def pushed_up_to(self, numbers: Mapping[str, int]) -> None:
        """The log of pushes has these last numbers, by id: wake the sources that have not come as far. Never waits."""
        for source in self.pushed():
            if source.looked(numbers.get(source.record.id)):
                self.wake(source)

    def pushes_unreadable(self, error: str) -> None:
        """The log of pushes could not be looked at. Never waits."""
        for source in self.pushed():
            source.unreadable(error)

    def wake(self, source: Source) -> None:
        """Have a source do its work now."""
        self._scheduler.wake(source)

    def follow(self, records: Mapping[str, SourceRecord]) -> None:
        """Make the sources what these records, by id, say."""
        wanted = {record.name: record for record in records.values() if record.enabled}
        with self._lock:
            if self._closed:
                return
            ended = [source for name, source in self._sources.items() if wanted.get(name) != source.record]
            for source in ended:
                self._end(source)
            new = [record for name, record in wanted.items() if name not in self._sources]
            for record in new:
                self._sources[record.name] = source = self._make(record)
                self._begin(source)
        if ended or new:
            log.info("ended: %s; set up: %s", _names(ended), _names(new))

    def activate(self, epoch: int) -> None:
        """Begin to poll and publish in ``epoch``, all sources anew."""
        with self._lock:
            self.rest()
            self._epoch = epoch
            self._sequences.clear()
            for source in self._sources.values():
                self._begin(source)

    def rest(self) -> None:
        """Neither poll nor publish from now on."""
        with self._lock:
            self._epoch = None
            for source in self._sources.values():
                self._scheduler.remove(source)
                source.deactivate()

    def close(self) -> None:
        """End all sources for good."""
        with self._lock:
            self._closed = True
            for source in list(self._sources.values()):
                self._end(source)

    def _make(self, record: SourceRecord) -> Source:
        try:
            driver_class = find_driver(self._drivers, record.driver)
            driver = driver_class(driver_class.check_config(sources.unseal(record, self._keys)))
            kind = PushedSource if driver.info.kind is DriverKind.PUSHED else PolledSource
            source = kind(record, driver, self._means)
        except CongressError as error:
            log.error("source=%s cannot be set up: %s", record.name, error)
            return BrokenSource(record, str(error), self._means)
        except Exception as error:  # a driver may be anybody's code
            log.exception("source=%s cannot be set up", record.name)
            return BrokenSource(record, f"The driver failed with {type(error).__name__}: {error}", self._means)
        return source

    def _begin(self, source: Source) -> None:
        if self._epoch is not None:
            source.activate(self._epoch, self._sequences.get(source.name, 0))
            self._scheduler.add(source, source.work)

    def _end(self, source: Source) -> None:
        del self._sources[source.name]
        self._scheduler.remove(source)
        try:
            source.close()
        except Exception:  # a driver may be anybody's code
            log.exception("source=%s could not be closed", source.name)
        self._sequences[source.name] = source.state.sequence


def _names(sources: Sequence[Source] | Sequence[SourceRecord]) -> str:
    """Some of the names, and how many more there are: one line of the log, however many sources there are."""
    names = sorted(source.name for source in sources)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return (", ".join(names[:MOST_NAMED]) or "none") + more
