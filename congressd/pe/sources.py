"""What clients may do with data sources: their configuration, and what the datasource node says of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from congressd.bus.control import Control
from congressd.model.clock import Clock
from congressd.model.drivers import CheckedConfig, Drivers
from congressd.model.errors import CongressError
from congressd.model.nearest import hint
from congressd.model.tables import TableSchema
from congressd.pe.holder import Holder
from congressd.pe.interest import Interest
from congressd.pe.names import check_free, check_name
from congressd.pe.policyset import Image
from congressd.pe.writer import Author, Writer
from congressd.store.changes import Change, SourceCreated, SourceDeleted, SourceUpdated
from congressd.store.keys import Keys
from congressd.store.records import SourceRecord, new_id
from congressd.store.sources import seal, unseal

LOG = logging.getLogger(__name__)

HIDDEN: Final = "<hidden>"  #: what clients see of a secret; sent back, it means "as it is"
CALL_TIMEOUT: Final = 3.0  #: seconds that the datasource node has to answer
DOWN_TIMEOUT: Final = 1.0  #: the same where nobody waits for the answer


class Sources:
    """Sources are named by name or id."""

    def __init__(
        self,
        holder: Holder,
        writer: Writer,
        interest: Interest,
        control: Control,
        drivers: Drivers,
        keys: Keys,
        clock: Clock,
    ) -> None:
        self._holder = holder
        self._writer = writer
        self._interest = interest
        self._control = control
        self._drivers = drivers
        self._keys = keys
        self._clock = clock
        self._checked: dict[str, tuple[SourceRecord, CheckedConfig]] = {}

    # -- reading ----------------------------------------------------------------------------------------------

    def all(self) -> list[SourceRecord]:
        """All sources, in the order in which they were made."""
        return [*self._holder.image.sources.values()]

    def get(self, source: str) -> SourceRecord:
        """One source. Raises CongressError ``not_found``."""
        return self._holder.image.source(source)

    def checked(self, record: SourceRecord) -> CheckedConfig:
        """A source's configuration as its driver reads it. Raises CongressError ``source_config``, ``secrets_key``."""
        known = self._checked.get(record.id)
        if known is None or known[0] != record:
            known = (record, self._drivers.check(record.driver, unseal(record, self._keys)))
            self._checked[record.id] = known
        return known[1]

    def known_tables(self, record: SourceRecord) -> Sequence[TableSchema] | None:
        """The tables that the configuration declares; None if only the source can tell, or it cannot be read."""
        try:
            return self.checked(record).tables or None
        except CongressError as error:
            LOG.warning("source=%s: its configuration cannot be read: %s", record.name, error)
            return None

    def schema(self, source: str) -> Sequence[TableSchema]:
        """The tables of a source; empty if it has told none yet."""
        record = self.get(source)
        if not self._holder.image.schemas.get(record.name) and record.enabled:
            self._interest.demand([record.name])
        return tuple(self._holder.image.schemas.get(record.name, {}).values())

    def table(self, source: str, table: str) -> TableSchema:
        """One table of a source. Raises CongressError ``not_found`` with the nearest name."""
        tables = {each.name: each for each in self.schema(source)}
        if table not in tables:
            name = self.get(source).name
            raise CongressError("not_found", f"data source {name!r} has no table {table[:255]!r}.{hint(table, tables)}")
        return tables[table]

    def status(self, source: str) -> dict[str, Any]:
        """How the reading of a source goes, by the datasource node, and what this node holds of it."""
        record = self.get(source)
        try:
            document = dict(self._call("status", record)) if record.enabled else _unread("the source is not enabled")
        except CongressError as error:
            if error.code.name != "unavailable":
                raise
            document = _unread(f"no datasource node answers: {error.detail}")
        position = self._holder.progress.position(record.name)
        image = self._holder.image
        readers = {key[0] for use in image.tables.get(record.name, {}).values() for key in use.uses}
        document["subscribers"] = sorted(image.policies[key].name for key in readers if key in image.policies)
        document["held"] = None if position is None else str(position)
        return document

    def down(self, sources: Sequence[str]) -> frozenset[str]:
        """Those of ``sources`` that the datasource node says it cannot read; none if it says nothing."""
        try:
            return frozenset(self._control.call("dsd", "down", {"sources": list(sources)}, DOWN_TIMEOUT))
        except CongressError:
            return frozenset()

    def actions(self, source: str) -> list[dict[str, Any]]:
        """The actions of a source's driver, in Congress' shape."""
        return [action.document() for action in self._drivers.actions(self.get(source).driver)]

    def refresh(self, source: str) -> None:
        """Have a source read now. Raises CongressError ``unavailable`` if no datasource node answers."""
        record = self.get(source)
        if not record.enabled:
            raise CongressError("conflict", f"the data source {record.name!r} is not enabled; enable it first")
        self._call("refresh", record)

    def drivers(self) -> list[dict[str, Any]]:
        """All drivers."""
        return self._drivers.index()

    def driver(self, name: str) -> dict[str, Any]:
        """One driver. Raises CongressError ``not_found``."""
        return self._drivers.describe(name)

    def _call(self, method: str, record: SourceRecord) -> Any:
        return self._control.call("dsd", method, {"source": record.name}, CALL_TIMEOUT)

    # -- writing ----------------------------------------------------------------------------------------------

    def create(self, fields: Mapping[str, Any], author: Author) -> SourceRecord:
        """A new source. Raises CongressError ``source_config``, ``name_invalid``, ``name_taken``."""
        now = self._clock.now()
        name = check_name("data source", fields["name"])
        given = dict(fields.get("config") or {})
        checked = self._drivers.check(fields["driver"], given)
        for option in checked.secrets:
            if given.get(option) == HIDDEN:
                raise CongressError("source_config", f"{option}: {HIDDEN} stands for a secret; give the secret itself")
        config, secrets = seal(given, checked.secrets, self._keys)
        record = SourceRecord(
            new_id(),
            name,
            checked.driver,
            config,
            secrets,
            fields.get("description") or "",
            fields.get("enabled", True),
            created_at=now,
            updated_at=now,
        )

        def build(image: Image) -> list[Change]:
            check_free(image, name)
            return [SourceCreated(record)]

        self._writer.commit(build, author)
        return record

    def update(self, source: str, fields: Mapping[str, Any], author: Author, *, partial: bool) -> SourceRecord:
        """Change the fields that are given; ``partial`` keeps the options that ``config`` leaves out."""
        now = self._clock.now()
        done: list[SourceRecord] = []

        def build(image: Image) -> list[Change]:
            known = image.source(source)
            done[:] = [self._changed(image, known, fields, partial)]
            if done[0] == known:
                return []
            done[:] = [replace(done[0], updated_at=now)]
            return [SourceUpdated(done[0])]

        self._writer.commit(build, author)
        return done[0]

    def delete(self, source: str, author: Author) -> SourceRecord:
        """Delete a source with its pushed rows; what it was."""
        done: list[SourceRecord] = []

        def build(image: Image) -> list[Change]:
            done[:] = [image.source(source)]
            return [SourceDeleted(done[0])]

        self._writer.commit(build, author)
        self._checked.pop(done[0].id, None)
        return done[0]

    def _changed(self, image: Image, known: SourceRecord, fields: Mapping[str, Any], partial: bool) -> SourceRecord:
        name = fields.get("name", known.name)
        if name != known.name:
            check_name("data source", name)
            check_free(image, name, known.id)
        driver = fields.get("driver", known.driver)
        if driver != known.driver:
            raise CongressError(
                "source_config", f"driver: {known.name!r} has the driver {known.driver!r}; delete it and make a new one"
            )
        config, secrets = known.config, known.secrets
        if "config" in fields:
            config, secrets = self._reconfigured(known, fields["config"], partial)
        return replace(
            known,
            name=name,
            config=config,
            secrets=secrets,
            description=fields.get("description", known.description),
            enabled=fields.get("enabled", known.enabled),
        )

    def _reconfigured(
        self, known: SourceRecord, given: Mapping[str, Any], partial: bool
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The new configuration and secrets; secrets that stay keep their tokens, so that nothing seems changed."""
        old = unseal(known, self._keys)
        new = {**(old if partial else {}), **given}
        for option in known.secrets:
            if new.get(option) == HIDDEN:
                new[option] = old[option]
        checked = self._drivers.check(known.driver, new)
        config, secrets = seal(new, checked.secrets, self._keys)
        kept = {option: known.secrets[option] for option in secrets if option in old and new[option] == old[option]}
        return config, {**secrets, **kept}


def _unread(reason: str) -> dict[str, Any]:
    """A status in Congress' shape for a source of which no datasource node tells."""
    return {
        "last_updated": "None",
        "last_error": reason,
        "number_of_updates": "0",
        "initialized": "False",
        "subscriptions": [],
        "state": "unknown",
    }
