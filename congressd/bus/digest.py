"""Digests: what a table holds, in a count and a hash, kept up to date at a cost that follows the change.

The hash of a table is the sum of the hashes of its rows, so it needs no order, and a row is added or taken away by
one addition. It is the same in every process, whatever Python's hash seed. Rows that are equal have equal hashes
(``1`` and ``1.0`` are one value), so two nodes that hold equal tables have equal digests.

Both ends keep a `SourceDigest` for each source: the datasource node puts it into heartbeats, the policy engine node
compares. This finds, for free, what sequence numbers cannot: a batch applied wrongly, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgpack

from congressd.model.tables import Batch, BatchKind
from congressd.model.values import Bool, Row, Value

_MASK: Final = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows a table holds, and the sum of their 128-bit hashes modulo 2**128."""

    count: int
    hash: int


EMPTY: Final = Digest(0, 0)


def _default(item: object) -> Any:
    if isinstance(item, Bool):
        return item.truth
    if isinstance(item, int):
        return msgpack.ExtType(1, str(item).encode())
    raise TypeError(f"{item!r} is not a value")


def _canonical(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def row_sum(rows: Iterable[Row]) -> int:
    """The sum of the hashes of ``rows``, not reduced."""
    pack = msgpack.Packer(default=_default, unicode_errors="surrogatepass").pack
    number = int.from_bytes
    total = 0
    for row in rows:
        if float in map(type, row):
            row = tuple(map(_canonical, row))
        total += number(blake2b(pack(row), digest_size=16).digest(), "little")
    return total


def digest_rows(rows: Sequence[Row]) -> Digest:
    """The digest of a table that holds ``rows`` (all different)."""
    return Digest(len(rows), row_sum(rows) & _MASK)


class SourceDigest:
    """The digests of all tables of one source. Not for use by several threads at once.

    Changes are noted at once and hashed when `tables` is next asked for, so that hashing is not on the way of a
    batch to its readers. Rows given must be real changes: an added row was not there, a removed one was.
    """

    def __init__(self) -> None:
        self._known: dict[str, Digest] = {}
        self._pending: list[tuple[str, Sequence[Row], Sequence[Row]]] = []

    def apply(self, batch: Batch) -> None:
        """Note what ``batch`` does: a snapshot begins anew, a delta adds and removes rows."""
        if batch.kind is BatchKind.SNAPSHOT:
            self._known = {schema.name: EMPTY for schema in batch.schema}
            self._pending = []
        self._pending += [(name, change.added, change.removed) for name, change in batch.tables.items()]

    def tables(self) -> Mapping[str, Digest]:
        """The digest of each table now."""
        pending, self._pending = self._pending, []
        for name, added, removed in pending:
            old = self._known.get(name, EMPTY)
            count = old.count + len(added) - len(removed)
            self._known[name] = Digest(count, (old.hash + row_sum(added) - row_sum(removed)) & _MASK)
        return dict(self._known)
