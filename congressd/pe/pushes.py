"""Taking pushes: checked against the schema, committed with a number, published by the datasource node.

A push is accepted when it is in the database, whether a datasource node is active or not. Where one is, the answer
waits a moment (see `Freshener.promise`), so that a client that pushes and then reads finds its rows.
"""

from __future__ import annotations

from congressd.bus.control import Control
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.model.nearest import hint
from congressd.pe.freshness import Freshener
from congressd.pe.holder import Holder
from congressd.pe.sources import Sources
from congressd.pe.token import Position, Token
from congressd.store import pushes
from congressd.store.database import Database
from congressd.store.pushrows import PushMode, validate_push


class Pushes:
    """The way in for pushed rows."""

    def __init__(
        self,
        database: Database,
        holder: Holder,
        freshener: Freshener,
        sources: Sources,
        control: Control,
        clock: Clock,
    ) -> None:
        self._database = database
        self._holder = holder
        self._freshener = freshener
        self._sources = sources
        self._control = control
        self._clock = clock
        self._accepted: dict[str, int] = {}  # the last push that was accepted here, by source

    def waiting(self) -> dict[str, int]:
        """How many of the pushes up to the last one that was accepted here are not in the rows that are held here.

        Only for sources that are held here; the datasource node has to publish them, or is not active.
        """
        held = self._holder.progress.held()
        return {name: max(0, last - held[name].push) for name, last in self._accepted.items() if name in held}

    def push(self, source: str, table: str, body: object, mode: PushMode, key: str | None) -> Token:
        """Accept rows for a table; a token that has the push. ``key`` is the client's idempotency key.

        Raises CongressError: ``not_found``, ``push_rows`` for rows that do not fit, ``conflict`` if the source is not
        a pushed one or the key was used for something else, ``unavailable`` if the database does not answer.
        """
        record = self._sources.get(source)
        checked = self._sources.checked(record)
        if not checked.pushed:
            raise CongressError(
                "conflict", f"the rows of {record.name!r} are read by its driver {record.driver!r} and cannot be pushed"
            )
        schemas = {each.name: each for each in checked.tables}
        if table not in schemas:
            raise CongressError(
                "not_found", f"data source {record.name!r} has no table {table[:255]!r}.{hint(table, schemas)}"
            )
        operations = validate_push(schemas[table], body, mode)
        revision = self._holder.progress.revision
        if not operations:
            return Token(revision)
        prepared = pushes.prepare(operations, key)
        now = self._clock.now()
        number = self._database.run(lambda session: pushes.append(session, record.id, prepared, now))
        self._accepted[record.name] = max(number, self._accepted.get(record.name, 0))
        token = Token(revision, {record.name: Position(push=number)})
        self._control.notify("pushed", {"source": record.name})
        self._freshener.promise(record.name, token.sources[record.name])
        return token
