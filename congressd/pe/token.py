"""The consistency token: how new an answer is, as text that a client can send back.

``Congress-Revision`` goes out with every answer, ``Congress-At-Least`` comes in. The form is
``policy=12,nova=1763812345678.15,doc=1763812345678.3/7``: the policy revision, and for every source that was read
the epoch and sequence of its last batch and, after a slash, the number of the last push in it. The answer to a push
has the push's number alone: ``doc=/7``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from congressd.model.errors import CongressError

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z_.][\w.\-]*)=(?:(?P<epoch>\d{1,19})\.(?P<sequence>\d{1,19}))?(?:/(?P<push>\d{1,19}))?"
)
_POLICY = re.compile(r"policy=(\d{1,19})")
LONGEST = 64 * 1024  #: characters of a token that are looked at


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source's stream was read: its last batch by ``epoch`` and ``sequence``, and the last push in it."""

    epoch: int = 0
    sequence: int = 0
    push: int = 0

    def covers(self, other: Position) -> bool:
        """Whether everything in ``other`` is in this position too."""
        return (self.epoch, self.sequence) >= (other.epoch, other.sequence) and self.push >= other.push

    def merged(self, other: Position) -> Position:
        """The least position that covers both."""
        epoch, sequence = max((self.epoch, self.sequence), (other.epoch, other.sequence))
        return Position(epoch, sequence, max(self.push, other.push))

    def __str__(self) -> str:
        batch = f"{self.epoch}.{self.sequence}" if self.epoch or self.sequence else ""
        return f"{batch}/{self.push}" if self.push else batch


@dataclass(frozen=True, slots=True)
class Token:
    """The policy ``revision`` and the position of each source that an answer was made from."""

    revision: int = 0
    sources: Mapping[str, Position] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"policy={self.revision}"]
        parts += [f"{name}={position}" for name, position in sorted(self.sources.items())]
        return ",".join(parts)

    def merged(self, other: Token) -> Token:
        """The least token that is at least as new as both: what a client keeps that talks to many nodes."""
        sources = dict(self.sources)
        for name, position in other.sources.items():
            sources[name] = sources[name].merged(position) if name in sources else position
        return Token(max(self.revision, other.revision), sources)

    def missing(self, revision: int, positions: Mapping[str, Position]) -> tuple[str, ...]:
        """What a node at ``revision`` and ``positions`` lacks of this token: names of sources, or ``policy``."""
        lacking = ["policy"] if revision < self.revision else []
        nowhere = Position()
        lacking += [name for name, wanted in self.sources.items() if not positions.get(name, nowhere).covers(wanted)]
        return tuple(lacking)


def parse_token(text: str) -> Token:
    """The token that a client sent. Raises CongressError ``bad_request`` with the part that cannot be read."""
    revision = 0
    sources: dict[str, Position] = {}
    if len(text) > LONGEST:
        raise CongressError("bad_request", f"Congress-At-Least: {len(text)} characters are more than {LONGEST}")
    for raw in text.split(","):
        part = raw.strip()
        if policy := _POLICY.fullmatch(part):
            revision = max(revision, int(policy[1]))
        elif entry := _ENTRY.fullmatch(part):
            position = Position(*(int(entry[name] or 0) for name in ("epoch", "sequence", "push")))
            known = sources.get(entry["name"])
            sources[entry["name"]] = known.merged(position) if known else position
        elif part:
            raise CongressError(
                "bad_request",
                f"Congress-At-Least: cannot read {part[:80]!r}; send back the Congress-Revision of an earlier answer, "
                "such as policy=12,nova=1763812345678.15",
            )
    return Token(revision, sources)
