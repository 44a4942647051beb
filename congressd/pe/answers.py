"""Answers to repeated questions, kept until the state that they came from changes; bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 64 * 1024 * 1024
LARGEST: Final = 16 * 1024 * 1024  #: an answer larger than this is not kept


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, the state that it came from (compared by identity and number) and the sources below it."""

    image: object
    version: int
    body: bytes
    sources: frozenset[str]


class Answers:
    """The oldest answers go first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    @property
    def count(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """How large they are together."""
        return self._bytes

    def get(self, question: Hashable, image: object, version: int) -> Kept | None:
        """The answer, if the state is still the same."""
        kept = self._kept.get(question)
        if kept is None or kept.version != version or kept.image is not image:
            self.misses += 1
            return None
        self.hits += 1
        return kept

    def put(self, question: Hashable, kept: Kept) -> None:
        """Keep an answer."""
        if len(kept.body) > LARGEST:
            return
        with self._lock:
            old = self._kept.pop(question, None)
            self._bytes += len(kept.body) - (len(old.body) if old else 0)
            self._kept[question] = kept
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped.body)
