"""The name of a row of an execute rule, the same in every process, and digests of sets of rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from congressd.model import jsontext
from congressd.model.values import Row, Value

_MASK = (1 << 128) - 1


def _canonical(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hash(rule_id: str, what: str, row: Row) -> bytes:
    if float in map(type, row):
        row = tuple(map(_canonical, row))  # 1 and 1.0 are one value
    return blake2b(jsontext.dumps([rule_id, what, *row]), digest_size=16).digest()


def subject_of(rule_id: str, service: str, action: str, row: Row, *, dry: bool = False) -> str:
    """What all activations of one row of one rule have in common.

    A row that was only written down (``dry``) is another subject than the same row when it is acted on.
    """
    kind = "dry" if dry else "row"
    return f"{rule_id}:{kind}:{_hash(rule_id, f'{service}:{action}', row).hex()}"


class Digest:
    """How many rows a set has, and the sum of their hashes: equal for equal sets."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, rule_id: str, rows: Iterable[Row]) -> None:
        """Rows that came; they were not there."""
        for row in rows:
            self.count += 1
            self._sum += int.from_bytes(_hash(rule_id, "", row), "little")

    def remove(self, rule_id: str, rows: Iterable[Row]) -> None:
        """Rows that went; they were there."""
        for row in rows:
            self.count -= 1
            self._sum -= int.from_bytes(_hash(rule_id, "", row), "little")

    @property
    def text(self) -> str:
        """The digest as text."""
        return f"{self.count}:{self._sum & _MASK:032x}"
