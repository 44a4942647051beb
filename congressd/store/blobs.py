"""Long JSON texts in the database: compressed, in parts that fit every packet limit (and Galera's write sets)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.store import models, records
from congressd.store.retry import LostRace

PART: Final = 1_000_000  #: bytes; escaping may double it on the wire, and max_allowed_packet is 16 MB
LEVEL: Final = 1  #: of zlib: three times the speed of 6, for JSON of rows a tenth larger


@dataclass(frozen=True, slots=True)
class Blob:
    """A compressed text, ready to be written, with an id of its own."""

    id: str
    parts: tuple[bytes, ...]
    digest: str  #: SHA-256 of the text

    @property
    def size(self) -> int:
        """Bytes as stored."""
        return sum(map(len, self.parts))


def pack(item: Any) -> Blob:
    """Encode and compress a JSON item: outside of any transaction, for it may take a second."""
    text = jsontext.dumps(item)
    data = zlib.compress(text, LEVEL)
    parts = tuple(data[start : start + PART] for start in range(0, len(data), PART))
    return Blob(records.new_id(), parts, hashlib.sha256(text).hexdigest())


def unpack(parts: Collection[bytes]) -> Any:
    """The item that `pack` made parts of."""
    return jsontext.loads(zlib.decompress(b"".join(parts)))


def write(session: Session, source_id: str, blob: Blob) -> None:
    """Insert the parts, one statement each."""
    for part, data in enumerate(blob.parts):
        row = {"blob_id": blob.id, "part": part, "source_id": source_id, "data": data}
        session.execute(insert(models.BlobPart), row)


def read(session: Session, blob_id: str, parts: int) -> list[bytes]:
    """The parts of a blob. Raises LostRace if it was removed meanwhile."""
    table = models.BlobPart
    found = session.scalars(select(table.data).where(table.blob_id == blob_id).order_by(table.part)).all()
    if len(found) != parts:
        raise LostRace(f"blob {blob_id} has {len(found)} of {parts} parts")
    return list(found)


def read_many(session: Session, parts: Mapping[str, int]) -> dict[str, list[bytes]]:
    """The parts of several blobs, by id, in one question; ``parts``: how many each has. Raises LostRace as `read`."""
    table = models.BlobPart
    found: dict[str, list[bytes]] = {blob_id: [] for blob_id in parts}
    wanted = select(table.blob_id, table.data).where(table.blob_id.in_(list(parts))).order_by(table.blob_id, table.part)
    for blob_id, data in session.execute(wanted):
        found[blob_id].append(data)
    for blob_id, number in parts.items():
        if len(found[blob_id]) != number:
            raise LostRace(f"blob {blob_id} has {len(found[blob_id])} of {number} parts")
    return found


def remove(session: Session, blob_ids: Collection[str]) -> None:
    """Delete blobs with all their parts."""
    session.execute(delete(models.BlobPart).where(models.BlobPart.blob_id.in_(blob_ids)))
