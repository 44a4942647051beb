"""Where the stream of one source is: epoch, sequence and digest; makes its batches. Pure; not for several threads.

The invariants: within an epoch the first batch is a snapshot, each further batch has the next sequence, and what all
of them add up to is what is held. A batch in which the schema changes is a snapshot too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from congressd.bus.digest import SourceDigest
from congressd.bus.streams import Heartbeat
from congressd.model.tables import Batch, BatchKind, TableChange, TableSchema
from congressd.model.values import Row


class SourceState:
    """The stream of ``source``. ``rows`` tells what is held now, for snapshots."""

    def __init__(self, source: str, rows: Callable[[], Mapping[str, Sequence[Row]]]) -> None:
        self.source = source
        self.epoch = 0
        self.sequence = 0  #: of the last batch of this epoch; 0 before the first
        self.delivered = False  #: whether anything was published since `begin`
        self.schema: tuple[TableSchema, ...] = ()
        self.push: int | None = None
        self.fetched_at = 0.0
        self._rows = rows
        self._digest = SourceDigest()

    def begin(self, epoch: int, after: int = 0) -> None:
        """Begin anew with a snapshot, in a new epoch or, if the source was set up anew, in this one ``after`` it."""
        self.epoch = epoch
        self.sequence = after
        self.delivered = False
        self.push = None

    def advance(
        self,
        schema: tuple[TableSchema, ...],
        changes: Mapping[str, TableChange],
        at: float,
        push: int | None = None,
        *,
        anew: bool = False,
    ) -> Batch | None:
        """The batch that tells of ``changes``, which are held already; None if there is nothing to tell.

        ``at``: when the rows were read at the source, seconds since 1970. ``push``: number of the last push that is
        held. ``anew``: ``changes`` do not tell all, so the batch must be a snapshot.
        """
        anew = anew or not self.delivered or schema != self.schema
        self.fetched_at = at
        if not anew and not changes and push is None:
            return None
        self.schema = schema
        self.push = push if push is not None else self.push
        self.sequence += 1
        self.delivered = True
        batch = self.snapshot() if anew else self._batch(BatchKind.DELTA, changes)
        self._digest.apply(batch)
        return batch

    def snapshot(self) -> Batch:
        """Everything that is held, as of the last batch, whose sequence it carries."""
        tables = {name: TableChange(added=rows) for name, rows in self._rows().items()}
        return self._batch(BatchKind.SNAPSHOT, tables)

    def heartbeat(self, fetched_at: float | None = None, overdue: float = 0.0) -> Heartbeat | None:
        """Where the stream is, with digests; None before its first batch.

        ``fetched_at``: when its rows were last known to be right, if not when they were read last. ``overdue``: see
        `Heartbeat`.
        """
        if not self.delivered:
            return None
        at = self.fetched_at if fetched_at is None else fetched_at
        return Heartbeat(self.source, self.epoch, self.sequence, self._digest.tables(), at, overdue)

    def _batch(self, kind: BatchKind, tables: Mapping[str, TableChange]) -> Batch:
        return Batch(self.source, self.epoch, self.sequence, kind, self.schema, tables, self.push, self.fetched_at)
