"""Which files have come to rest: pure, from what stat says, so that nobody reads a file that is being written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: A file is at rest when it was last changed, or has looked the same, so long ago (seconds).
REST: Final = 0.2


@dataclass(frozen=True, slots=True)
class Signature:
    """What stat says of a file; every change of its content changes it. Times in nanoseconds since 1970."""

    modified: int
    changed: int
    size: int
    inode: int


@dataclass(slots=True)
class _Seen:
    signature: Signature | None
    since: float
    moving_since: float


@dataclass(frozen=True, slots=True)
class Observation:
    """``at_rest``: names with the signature they rest at (None: gone); ``moving``: names, and for how many seconds."""

    at_rest: Mapping[str, Signature | None] = field(default_factory=dict)
    moving: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class RestWatch:
    """Remembers how files looked from one observation to the next.

    A missing file is treated as any other change, since editors put a file away before they write it anew.
    """

    _seen: dict[str, _Seen] = field(default_factory=dict)

    def observe(self, files: Mapping[str, Signature], wall: float, monotonic: float) -> Observation:
        """Compare with the last observation. ``wall``: seconds since 1970; ``monotonic``: seconds from any start.

        A file that went is told as gone once, when it has been missing for `REST`, and then forgotten.
        """
        at_rest: dict[str, Signature | None] = {}
        moving: dict[str, float] = {}
        for name in list(dict.fromkeys([*self._seen, *files])):
            signature = files.get(name)
            seen = self._seen.get(name)
            if seen is None:
                seen = self._seen[name] = _Seen(signature, monotonic, monotonic)
            elif seen.signature != signature:
                seen.signature, seen.since = signature, monotonic
            if _old(signature, wall) or monotonic - seen.since >= REST:
                at_rest[name] = signature
                seen.moving_since = monotonic
                if signature is None:
                    del self._seen[name]
            else:
                moving[name] = monotonic - seen.moving_since
        return Observation(at_rest, moving)


def _old(signature: Signature | None, wall: float) -> bool:
    return signature is not None and wall - signature.modified / 1e9 >= REST
