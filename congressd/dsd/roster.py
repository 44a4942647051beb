"""The sources of a datasource node: made from the records of the database, begun and ended with its epochs.

Thread-safe. No method asks the database, so none waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from congressd.bus.streams import Heartbeat
from congressd.datasources.driver import DriverKind
from congressd.datasources.registry import Drivers, find_driver
from congressd.dsd.broken import BrokenSource
from congressd.dsd.polled import PolledSource
from congressd.dsd.pushed import PushedSource
from congressd.dsd.scheduler import Scheduler
from congressd.dsd.source import Means, Source
from congressd.model.errors import CongressError
from congressd.store import sources
from congressd.store.keys import Keys
from congressd.store.records import SourceRecord

log = logging.getLogger(__name__)


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

    def heartbeats(self) -> list[Heartbeat]:
        """Where the streams are."""
        return [beat for source in list(self._sources.values()) if (beat := source.heartbeat()) is not None]

    def failing(self) -> list[str]:
        """The names of the sources of which something could not be read when it was last tried. Never waits."""
        facts = {name: source.facts for name, source in list(self._sources.items())}
        return sorted(name for name, fact in facts.items() if fact.error is not None or fact.table_errors)

    def published_at(self) -> float | None:
        """When the last batch of any source was published, in monotonic seconds. Never waits."""
        return max(
            (at for source in list(self._sources.values()) if (at := source.facts.published_at) is not None),
            default=None,
        )

    def wake(self, source: Source) -> None:
        """Have a source do its work now."""
        self._scheduler.wake(source)

    def follow(self, records: Mapping[str, SourceRecord]) -> None:
        """Make the sources what these records, by id, say."""
        wanted = {record.name: record for record in records.values() if record.enabled}
        with self._lock:
            if self._closed:
                return
            for name, source in list(self._sources.items()):
                if wanted.get(name) != source.record:
                    self._end(source)
            for name, record in wanted.items():
                if name not in self._sources:
                    self._sources[name] = source = self._make(record)
                    self._begin(source)

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
        log.info("source=%s driver=%s is set up", record.name, record.driver)
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
        log.info("source=%s is ended", source.name)
