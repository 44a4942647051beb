"""The log of pushes of each source, and the base that older pushes are folded into.

A push is one entry, numbered by one for each source, and stays whole: it is accepted when its transaction is
committed. The tables of a source are its base plus the entries after it, in order (`pushfold` says what they mean).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, exc, func, insert, select, update
from sqlalchemy.orm import Session

from congressd.model.errors import CongressError
from congressd.model.values import Row, to_rows
from congressd.store import blobs, models, pushfold, records
from congressd.store.database import Database
from congressd.store.pushfold import Delete, Operation, PushedTables, Replace, Upsert
from congressd.store.retry import LostRace
from congressd.store.rows import matched

KEY_LIFE: Final = 24 * 3600.0  #: seconds for which an Idempotency-Key is remembered
OWN_KEY_LIFE: Final = 600.0  #: the same for the keys that we make ourselves, against a lost answer to COMMIT
FOLD_ENTRIES: Final = 1000  #: a log longer than this is folded
READ_ENTRIES: Final = 200  #: entries that are read by one question
READ_BYTES: Final = 8_000_000  #: the same in bytes
FOLD_BYTES: Final = 4_000_000  #: a log is folded when it is larger than this and than its base

_OPERATIONS: Final[dict[str, Callable[[str, list[Row], tuple[int, ...]], Operation]]] = {
    "replace": Replace,
    "upsert": Upsert,
    "delete": Delete,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A push, checked and packed, with the key that makes it unique; `prepare` makes it."""

    blob: blobs.Blob
    key: str
    key_life: float


@dataclass(frozen=True, slots=True)
class Push:
    """An accepted push: its number and what it does; ``at`` in seconds since 1970."""

    number: int
    operations: tuple[Operation, ...]
    at: float


@dataclass(frozen=True, slots=True)
class PushState:
    """All rows of a pushed source after the push ``number`` (0: none yet)."""

    number: int
    tables: dict[str, tuple[Row, ...]]


def prepare(operations: Sequence[Operation], idempotency_key: str | None = None) -> Prepared:
    """Check and pack a push, outside of any transaction (100,000 rows take about 0.2 s).

    Raises CongressError("push_rows") for rows too short for their key, ("bad_request") for a key too long or empty.
    """
    if idempotency_key is not None and not 0 < len(idempotency_key) <= records.MAX_NAME:
        raise CongressError(
            "bad_request",
            f"the Idempotency-Key has {len(idempotency_key)} characters; allowed are 1 to {records.MAX_NAME}",
        )
    for operation in operations:
        pushfold.check(operation)
    blob = blobs.pack([_encode(operation) for operation in operations])
    if idempotency_key is None:
        return Prepared(blob, f"own:{blob.id}", OWN_KEY_LIFE)
    return Prepared(blob, f"key:{idempotency_key}", KEY_LIFE)


def append(session: Session, source_id: str, push: Prepared, now: float) -> int:
    """Accept a push; its number. For `Database.run`.

    The same key again gives the first number and changes nothing. Raises CongressError: "not_found" if there is no
    such source, "conflict" if the key was used for a push with another content.
    """
    known = session.scalar(
        select(models.PushKey).where(models.PushKey.source_id == source_id, models.PushKey.key == push.key)
    )
    if known is not None and known.expires_at > now:
        if known.digest == push.blob.digest:
            return known.number
        raise CongressError(
            "conflict",
            f"the Idempotency-Key {push.key.partition(':')[2]!r} was used for another push (number {known.number});"
            " use a new one for each push",
        )
    if known is not None:
        session.execute(delete(models.PushKey).where(*_is_key(source_id, push.key), models.PushKey.expires_at <= now))
    blobs.write(session, source_id, push.blob)  # before the number is taken: that is where appenders wait
    stream = models.PushStream
    if not matched(session, update(stream).where(stream.source_id == source_id).values(last=stream.last + 1)):
        raise _no_source(source_id)
    number = session.scalars(select(stream.last).where(stream.source_id == source_id)).one()
    try:
        session.execute(
            insert(models.Push),
            {
                "source_id": source_id,
                "number": number,
                "blob_id": push.blob.id,
                "parts": len(push.blob.parts),
                "bytes": push.blob.size,
                "at": now,
            },
        )
        session.execute(
            insert(models.PushKey),
            {
                "source_id": source_id,
                "key": push.key,
                "number": number,
                "digest": push.blob.digest,
                "expires_at": now + push.key_life,
            },
        )
    except exc.IntegrityError as error:
        raise LostRace("another node accepted a push with this number or key") from error
    return number


def last_number(session: Session, source_id: str) -> int:
    """The number of the last accepted push, 0 if there is none. Raises CongressError("not_found")."""
    return _stream(session, source_id).last


def last_numbers(session: Session) -> dict[str, int]:
    """The numbers of the last accepted pushes of all sources, by id; 0 where there is none. For `Database.read`."""
    stream = models.PushStream
    return {row.source_id: row.last for row in session.execute(select(stream.source_id, stream.last))}


def since(session: Session, source_id: str, number: int) -> tuple[Push, ...] | None:
    """The pushes after ``number``, in order. For `Database.read`.

    None if the log cannot tell: they were folded into the base, or the database has not come as far (it was restored
    from a copy). The caller must take `state` then. Raises CongressError("not_found").
    """
    stream = _stream(session, source_id)
    if not stream.folded <= number <= stream.last:
        return None
    return tuple(_read(session, _entries(session, source_id, number, stream.last)))


def state(session: Session, source_id: str) -> PushState:
    """The rows of all tables and the number of the last push in them. For `Database.read`.

    Raises CongressError("not_found").
    """
    stream = _stream(session, source_id)
    return _fold(session, stream)


def needs_fold(session: Session, source_id: str) -> bool:
    """Whether the log has grown so much that `fold` pays. For `Database.read`. Raises CongressError("not_found")."""
    stream = _stream(session, source_id)
    table = models.Push
    size = select(func.count(), func.coalesce(func.sum(table.bytes), 0)).where(table.source_id == source_id)
    entries, size_in_bytes = session.execute(size).one()
    return bool(entries > FOLD_ENTRIES or size_in_bytes > max(FOLD_BYTES, stream.base_bytes))


def fold(database: Database, source_id: str, guard: Callable[[Session], None] | None = None) -> int:
    """Put all accepted pushes into the base; the number up to which it now reaches.

    Reads and packs outside of the writing transaction, which is short. If another node folds meanwhile, its work
    stands. ``guard`` (see `epochs.guard`) is called in the writing transaction. Raises CongressError("not_found").
    """

    def read(session: Session) -> tuple[int, PushState]:
        stream = _stream(session, source_id)
        return stream.folded, _fold(session, stream)

    before, folded = database.read(read)
    if folded.number == before:
        return before
    blob = blobs.pack([_encode(Replace(name, rows)) for name, rows in folded.tables.items()])

    def write(session: Session) -> int:
        if guard is not None:
            guard(session)
        stream = models.PushStream
        old = session.execute(
            select(stream.folded, stream.base_blob_id).where(stream.source_id == source_id)
        ).one_or_none()
        if old is None:
            raise _no_source(source_id)
        if old.folded != before:
            return int(old.folded)
        mine = update(stream).where(stream.source_id == source_id, stream.folded == before)
        base = {"folded": folded.number, "base_blob_id": blob.id}
        blobs.write(session, source_id, blob)
        if not matched(session, mine.values(**base, base_parts=len(blob.parts), base_bytes=blob.size)):
            raise LostRace("another node folded the log")
        gone = (models.Push.source_id == source_id, models.Push.number <= folded.number)
        spent = [
            *session.scalars(select(models.Push.blob_id).where(*gone)),
            *([old.base_blob_id] if old.base_blob_id else []),
        ]
        for start in range(0, len(spent), 500):
            blobs.remove(session, spent[start : start + 500])
        session.execute(delete(models.Push).where(*gone))
        return folded.number

    return database.run(write)


def forget_keys(session: Session, now: float) -> int:
    """Remove idempotency keys that have expired; how many. For `Database.run`, now and then."""
    return matched(session, delete(models.PushKey).where(models.PushKey.expires_at <= now))


def _fold(session: Session, stream: models.PushStream) -> PushState:
    tables = PushedTables()
    if stream.base_blob_id is not None:
        base = blobs.unpack(blobs.read(session, stream.base_blob_id, stream.base_parts))
        tables.apply(_decode(item) for item in base)
    for push in _read(session, _entries(session, stream.source_id, stream.folded, stream.last)):
        tables.apply(push.operations)
    return PushState(stream.last, tables.rows())


def _entries(session: Session, source_id: str, after: int, last: int) -> Sequence[models.Push]:
    table = models.Push
    within = (table.source_id == source_id, table.number > after, table.number <= last)
    entries = session.scalars(select(table).where(*within).order_by(table.number)).all()
    if len(entries) != last - after:
        raise LostRace(f"the log of pushes was folded beyond {after}")
    return entries


def _read(session: Session, entries: Sequence[models.Push]) -> Iterator[Push]:
    """The pushes of these entries, in order: many small ones in one question, and never many large ones in memory."""
    for several in _by_size(entries):
        found = blobs.read_many(session, {entry.blob_id: entry.parts for entry in several})
        for entry in several:
            yield Push(entry.number, tuple(map(_decode, blobs.unpack(found[entry.blob_id]))), entry.at)


def _by_size(entries: Sequence[models.Push]) -> Iterator[list[models.Push]]:
    """The entries in groups of at most `READ_ENTRIES`, and `READ_BYTES` unless a single one has more."""
    group: list[models.Push] = []
    size = 0
    for entry in entries:
        if group and (len(group) == READ_ENTRIES or size + entry.bytes > READ_BYTES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.bytes
    if group:
        yield group


def _stream(session: Session, source_id: str) -> models.PushStream:
    stream = session.scalar(select(models.PushStream).where(models.PushStream.source_id == source_id))
    if stream is None:
        raise _no_source(source_id)
    return stream


def _no_source(source_id: str) -> CongressError:
    return CongressError("not_found", f"there is no data source with the id {source_id!r}")


def _is_key(source_id: str, key: str) -> tuple[Any, Any]:
    return models.PushKey.source_id == source_id, models.PushKey.key == key


def _encode(operation: Operation) -> list[Any]:
    match operation:
        case Replace(table, rows, key):
            return ["replace", table, key, rows]
        case Upsert(table, rows, key):
            return ["upsert", table, key, rows]
        case Delete(table, keys, key):
            return ["delete", table, key, keys]


def _decode(item: list[Any]) -> Operation:
    kind, table, key, rows = item
    return _OPERATIONS[kind](table, to_rows(rows), tuple(key))
