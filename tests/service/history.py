"""What clients asked for and were told, and pure checkers that find out whether it can be true.

Everything is told by *elements*: a pushed row, a rule. An operation adds elements, removes some, or looks at all of
them. An element that was removed never comes back, so elements are numbered; a register is a sequence of elements of
which each write adds one and removes those before it. Nothing here knows HTTP.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from congressd.pe.token import Token

Element: TypeAlias = Hashable


class Outcome(StrEnum):
    """How an operation ended, as far as its client can know."""

    OK = "ok"  #: it was done
    REFUSED = "refused"  #: it was not done
    UNKNOWN = "unknown"  #: a write without an answer, or with a 5xx: it may have been done, or may be done still


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one client. Times are monotonic seconds of the machine that all clients run on.

    ``table`` is what was looked at or changed; ``seen`` all of its elements that the answer had, None for a write.
    ``sent`` is the token that went out with the request, ``got`` that which came with the answer.
    """

    client: int
    table: str
    outcome: Outcome
    began: float
    ended: float
    node: int
    status: int = 200  #: 0 if there was no answer
    added: frozenset[Element] = frozenset()
    removed: frozenset[Element] = frozenset()
    seen: frozenset[Element] | None = None
    sent: Token | None = None
    got: Token | None = None
    why: str = ""  #: what a failure says of itself

    def __str__(self) -> str:
        did = "read" if self.seen is not None else f"+{sorted(map(str, self.added))} -{len(self.removed)}"
        return f"client {self.client} at node {self.node}, {self.table}: {did} {self.outcome}, sent {self.sent}"


class History:
    """Operations of many clients in the order in which they ended. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: list[Operation] = []

    def add(self, operation: Operation) -> None:
        """Keep an operation that has ended."""
        with self._lock:
            self._operations.append(operation)

    @property
    def operations(self) -> Sequence[Operation]:
        """All so far."""
        with self._lock:
            return list(self._operations)

    def __len__(self) -> int:
        return len(self._operations)


def backwards(operations: Iterable[Operation]) -> list[str]:
    """Answers that go back in time for a client that carries its token; empty if there are none.

    Three things must not be: a token of an answer that does not cover what was sent; an element that was there and
    went though nobody had asked for its removal; an element that was gone and came back.
    """
    ordered = sorted(operations, key=lambda each: each.ended)
    asked = _asked_at(ordered)
    there: dict[tuple[int, str], set[Element]] = {}
    gone: dict[tuple[int, str], set[Element]] = {}
    found = []
    for each in ordered:
        if each.outcome is not Outcome.OK or each.seen is None:
            continue
        if each.sent is not None and each.got is not None:
            read = {name: at for name, at in each.sent.sources.items() if name in each.got.sources}
            if missing := Token(each.sent.revision, read).missing(each.got.revision, each.got.sources):
                found.append(f"{each}: the answer's token {each.got} is older by {', '.join(missing)}")
        key = (each.client, each.table)
        had, lost = there.setdefault(key, set()), gone.setdefault(key, set())
        for element in had - each.seen:
            if asked.get(element, each.ended) >= each.ended:
                found.append(f"{each}: {element} was there before, and nobody had it removed")
            had.discard(element)
            lost.add(element)
        found += [f"{each}: {element} was gone before, and is back" for element in lost & each.seen]
        had |= each.seen
    return found


def unseen(operations: Iterable[Operation]) -> list[str]:
    """Reads of a client that miss an accepted write of its own, or show what it had removed."""
    ordered = sorted(operations, key=lambda each: each.ended)
    asked = _asked_at(ordered)
    added: dict[tuple[int, str], set[Element]] = {}
    removed: dict[tuple[int, str], set[Element]] = {}
    found = []
    for each in ordered:
        if each.outcome is not Outcome.OK:
            continue
        key = (each.client, each.table)
        mine, dropped = added.setdefault(key, set()), removed.setdefault(key, set())
        if each.seen is None:
            mine |= each.added
            mine -= each.removed
            dropped |= each.removed
            continue
        for element in mine - each.seen:
            if asked.get(element, each.ended) >= each.ended:
                found.append(f"{each}: its own {element} is not there")
        found += [f"{each}: {element}, which it had removed, is still there" for element in dropped & each.seen]
    return found


def lost(operations: Iterable[Operation], final: Collection[Element]) -> list[str]:
    """What became of accepted writes in the end: those that are lost, and removals that did not last."""
    told = list(operations)
    asked = _asked_at(told)
    held = frozenset(final)
    found = []
    for each in told:
        if each.outcome is Outcome.OK:
            found += [f"{each}: {element} is lost" for element in each.added - held if element not in asked]
            found += [f"{each}: {element} is still there" for element in each.removed & held]
    return found


def unexpected(operations: Iterable[Operation], final: Iterable[Element]) -> list[str]:
    """What should not be there in the end: elements that nobody wrote, that were refused, or that are there twice."""
    told = list(operations)
    maybe = {element for each in told if each.outcome is not Outcome.REFUSED for element in each.added}
    counted = Counter(final)
    found = [f"{element} is there {number} times" for element, number in counted.items() if number > 1]
    return found + [f"{element} is there, and nobody wrote it" for element in counted if element not in maybe]


def unanswered(operations: Iterable[Operation]) -> list[str]:
    """Requests that got no answer, or a 5xx."""
    return [f"{each}, status {each.status} {each.why}" for each in operations if each.status == 0 or each.status >= 500]


def unequal(states: Sequence[object]) -> list[str]:
    """Nodes whose state is not that of the first."""
    return [
        f"node {number} has {str(state)[:200]}, node 0 has {str(states[0])[:200]}"
        for number, state in enumerate(states)
        if state != states[0]
    ]


def overlapping(epochs: Iterable[tuple[str, int]]) -> list[str]:
    """From who was seen publishing under which epoch, in order: epochs that fall, or that two nodes published under."""
    owner: dict[int, str] = {}
    highest = 0
    found = []
    for node, epoch in epochs:
        if epoch < highest:
            found.append(f"{node} published under the epoch {epoch} after {highest}")
        if owner.setdefault(epoch, node) != node:
            found.append(f"{node} and {owner[epoch]} both published under the epoch {epoch}")
        highest = max(highest, epoch)
    return found


def _asked_at(operations: Iterable[Operation]) -> dict[Element, float]:
    """When the removal of each element was first asked for, whatever came of it (but for plain refusals)."""
    asked: dict[Element, float] = {}
    for each in operations:
        if each.outcome is not Outcome.REFUSED:
            for element in each.removed:
                asked[element] = min(asked.get(element, each.began), each.began)
    return asked
