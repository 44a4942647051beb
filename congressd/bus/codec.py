"""Batches and heartbeats as bytes: msgpack, compressed, cut into parts under a size limit, and back without loss.

A table travels by columns. A column that repeats its values travels as the distinct values and one small index a
row, which is smaller, faster to decode, and makes the decoded rows share one object for each repeated value, so the
receiver's memory follows the distinct values. Rows of ordinary values cost no Python code a cell in either direction.

Each part begins with a fixed header, so that the receiver can put parts together whatever their order::

    magic "cgb1" | kind, 1 byte | batch id, 16 bytes | part i | of n | length of the whole | CRC-32 of the whole

In a rolling upgrade two releases speak to each other. Whatever a later one adds to a batch or a heartbeat stands behind
what is there now, and is passed over by who does not know it; the magic changes with what cannot be passed over.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from sys import byteorder
from typing import Any, Final, TypeAlias

from congressd.bus.digest import Digest
from congressd.bus.streams import Heartbeat
from congressd.bus.wire import DecodeError, pack, unpack
from congressd.model.tables import Batch, BatchKind, Column, TableChange, TableSchema
from congressd.model.values import Bool, Row, Value

PART_BYTES: Final = 1_000_000  #: default size limit of one part, in bytes
_HEADER: Final = struct.Struct("!4sc16sIIQI")
_MAGIC: Final = b"cgb1"
_BATCH: Final = b"b"
_HEARTBEATS: Final = b"h"
_SAMPLE: Final = 8  # one row in so many is looked at to see whether a column repeats its values
_FEW: Final = 2048  # of fewer rows all are looked at
_SMALL: Final = 16  # shorter columns are not worth an index
_MOST_UNPACKED: Final = 4 << 30  # bytes: a whole that claims to unpack to more is not believed

_VALUE_TYPES: Final[frozenset[type]] = frozenset((str, int, float, type(None), Bool))
_MOST_WAITING: Final = 64  # batches of which parts are missing
_PackedColumn: TypeAlias = list[Any]
#: What one heartbeat message holds.
Heartbeats: TypeAlias = tuple[Heartbeat, ...]


def _pack_column(column: Sequence[Value]) -> _PackedColumn:
    """``[values]``, or ``[distinct values, width of an index, indexes]``."""
    kinds = set(map(type, column))
    if not kinds <= _VALUE_TYPES:
        raise TypeError(f"a row holds a {next(iter(kinds - _VALUE_TYPES)).__name__}, which is not a value")
    if len(column) < _SMALL or float in kinds:  # 1, 1.0, 0.0 and -0.0: equal values that are not the same
        return [list(column)]
    sample = column if len(column) < _FEW else column[::_SAMPLE]
    if 2 * len(set(sample)) > len(sample):
        return [list(column)]
    values = list(dict.fromkeys(column))
    numbers = dict(zip(values, range(len(values)), strict=True))
    width = "B" if len(values) <= 1 << 8 else "H" if len(values) <= 1 << 16 else "I"
    indexes = array(width, map(numbers.__getitem__, column))
    if byteorder == "big":
        indexes.byteswap()
    return [values, width, indexes.tobytes()]


def _unpack_column(packed: _PackedColumn) -> Sequence[Value]:
    values = packed[0]
    kinds = set(map(type, values))
    if not kinds <= _VALUE_TYPES:
        raise DecodeError(f"a column holds a {next(iter(kinds - _VALUE_TYPES)).__name__}, which is not a value")
    if float in kinds and not all(math.isfinite(value) for value in values if type(value) is float):
        raise DecodeError("a column holds a number that is not finite")
    if len(packed) == 1:
        return list(values)
    indexes = array(packed[1], packed[2])
    if byteorder == "big":
        indexes.byteswap()
    return list(map(values.__getitem__, indexes))


def _pack_rows(rows: Sequence[Row]) -> list[Any]:
    return [len(rows), [_pack_column(column) for column in zip(*rows, strict=True)]]


def _unpack_rows(packed: list[Any]) -> list[Row]:
    count, columns = packed
    if not columns:
        if count not in (0, 1):
            raise DecodeError(f"{count} rows without columns: a table holds at most one such row")
        return [()] * count
    rows: list[Row] = list(zip(*map(_unpack_column, columns), strict=True))
    if len(rows) != count:
        raise DecodeError(f"{count} rows were announced and {len(rows)} came")
    return rows


@lru_cache(maxsize=1024)
def _pack_schema(schema: tuple[TableSchema, ...]) -> bytes:
    return pack(
        [
            [table.name, [[column.name, column.type, column.description] for column in table.columns], list(table.key)]
            for table in schema
        ]
    )


@lru_cache(maxsize=1024)
def _unpack_schema(packed: bytes) -> tuple[TableSchema, ...]:
    return tuple(
        TableSchema(_text(name), tuple(Column(*map(_text, column)) for column in columns), tuple(map(_text, key)))
        for name, columns, key in unpack(packed)
    )


def _text(item: object) -> str:
    if type(item) is not str:
        raise DecodeError(f"{item!r:.80} stands where a name must")
    return item


def _number(item: object) -> int:
    if type(item) is not int or item < 0:
        raise DecodeError(f"{item!r:.80} stands where a number from 0 must")
    return item


def _pack_batch(batch: Batch) -> bytes:
    tables = {name: [_pack_rows(change.added), _pack_rows(change.removed)] for name, change in batch.tables.items()}
    schema = _pack_schema(batch.schema)
    head = [batch.source, batch.epoch, batch.sequence, batch.kind.value, batch.push, batch.fetched_at]
    return pack([*head, schema, tables])


def _unpack_batch(packed: bytes) -> Batch:
    source, epoch, sequence, kind, push, fetched_at, schema, tables, *_ = unpack(packed)
    return Batch(
        source=_text(source),
        epoch=_number(epoch),
        sequence=_number(sequence),
        kind=BatchKind(kind),
        schema=_unpack_schema(schema),
        tables={
            _text(name): TableChange(_unpack_rows(added), _unpack_rows(removed))
            for name, (added, removed) in tables.items()
        },
        push=None if push is None else _number(push),
        fetched_at=float(fetched_at),
    )


def _pack_heartbeats(heartbeats: Sequence[Heartbeat]) -> bytes:
    return pack(
        [
            [
                beat.source,
                beat.epoch,
                beat.sequence,
                {table: [digest.count, digest.hash] for table, digest in beat.digests.items()},
                beat.fetched_at,
                beat.overdue,
            ]
            for beat in heartbeats
        ]
    )


def _unpack_heartbeats(packed: bytes) -> Heartbeats:
    return tuple(
        Heartbeat(
            _text(source),
            _number(epoch),
            _number(sequence),
            {_text(table): Digest(_number(count), _number(total)) for table, (count, total) in digests.items()},
            float(fetched_at),
            float(added[0]) if added else 0.0,
        )
        for source, epoch, sequence, digests, fetched_at, *added in unpack(packed)
    )


def _parts(kind: bytes, packed: bytes, limit: int) -> Iterator[bytes]:
    whole = zlib.compress(packed, 1)
    room = max(limit - _HEADER.size, 1)
    batch_id, checksum = os.urandom(16), zlib.crc32(whole)
    count = -(-len(whole) // room)
    for index in range(count):
        header = _HEADER.pack(_MAGIC, kind, batch_id, index, count, len(whole), checksum)
        yield header + whole[index * room : (index + 1) * room]


def encode_batch(batch: Batch, limit: int = PART_BYTES) -> Iterator[bytes]:
    """The parts of ``batch``, each at most ``limit`` bytes. Raises TypeError or ValueError for rows that are not
    rows of values, or not all of one length."""
    return _parts(_BATCH, _pack_batch(batch), limit)


def encode_heartbeats(heartbeats: Sequence[Heartbeat], limit: int = PART_BYTES) -> Iterator[bytes]:
    """The parts of one message with all of ``heartbeats``."""
    return _parts(_HEARTBEATS, _pack_heartbeats(heartbeats), limit)


def _decode(kind: bytes, whole: bytes) -> Batch | Heartbeats:
    try:
        inflater = zlib.decompressobj()
        packed = inflater.decompress(whole, _MOST_UNPACKED)
        if not inflater.eof:
            raise DecodeError("the compressed data end early, or unpack to more than 4 GiB")
        return _unpack_batch(packed) if kind == _BATCH else _unpack_heartbeats(packed)
    except DecodeError:
        raise
    except (zlib.error, ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError) as error:
        name = "batch" if kind == _BATCH else "heartbeat"
        raise DecodeError(f"the bytes are not a {name}: {type(error).__name__}: {error}") from None


@dataclass(slots=True)
class _Partial:
    shape: tuple[bytes, int, int, int]  # kind, parts, length, checksum
    parts: dict[int, bytes] = field(default_factory=dict)


class Assembler:
    """Puts parts together. What stays incomplete is forgotten when more than ``most_bytes`` or 64 batches wait."""

    def __init__(self, most_bytes: int = 1 << 30) -> None:
        self._most_bytes = most_bytes
        self._waiting: OrderedDict[bytes, _Partial] = OrderedDict()
        self._bytes = 0
        self.forgotten = 0  #: batches of which some parts came, but not all

    def add(self, part: bytes) -> Batch | Heartbeats | None:
        """The batch, or the heartbeats, that ``part`` completes; None if parts are missing still.

        Raises `DecodeError` for anything that `encode_batch` or `encode_heartbeats` cannot have written.
        """
        if len(part) < _HEADER.size:
            raise DecodeError(f"a part of {len(part)} bytes is shorter than its header")
        magic, kind, batch_id, index, count, length, checksum = _HEADER.unpack_from(part)
        if magic != _MAGIC or kind not in (_BATCH, _HEARTBEATS) or index >= count:
            raise DecodeError(f"{part[:16]!r} does not begin a part of a batch that this version understands")
        body = part[_HEADER.size :]
        if count > 1:
            whole = self._join(batch_id, index, _Partial((kind, count, length, checksum)), body)
            if whole is None:
                return None
        else:
            whole = body
        if len(whole) != length or zlib.crc32(whole) != checksum:
            raise DecodeError(f"a batch of {length} bytes came as {len(whole)} bytes or was changed on the way")
        return _decode(kind, whole)

    def _join(self, batch_id: bytes, index: int, fresh: _Partial, body: bytes) -> bytes | None:
        partial = self._waiting.setdefault(batch_id, fresh)
        if partial.shape != fresh.shape:
            raise DecodeError("two parts of one batch do not agree on its length")
        if index not in partial.parts:
            partial.parts[index] = body
            self._bytes += len(body)
        if len(partial.parts) == partial.shape[1]:
            self._forget(batch_id)
            return b"".join(partial.parts[number] for number in range(partial.shape[1]))
        while self._bytes > self._most_bytes or len(self._waiting) > _MOST_WAITING:
            self._forget(next(iter(self._waiting)))
            self.forgotten += 1
        return None

    def _forget(self, batch_id: bytes) -> None:
        partial = self._waiting.pop(batch_id)
        self._bytes -= sum(map(len, partial.parts.values()))
