"""How far this node has come: the policy revision and the position of each source, and waiting for more.

Two notes are kept of each. *Announced* is written before the engine changes, *applied* after it. A token made from
what is announced, after the answer was computed, is never older than the answer; a wait for what is applied never
ends too early. So a client that carries its token never goes back in time, whichever node it asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from congressd.model.clock import Clock
from congressd.pe.token import Position, Token

_MOST_TEXTS: Final = 1_000  #: tokens that are kept as text


class Progress:
    """Written by the node, under its lock; read and waited for by any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._announced_revision = 0
        self._announced: dict[str, Position] = {}
        self._texts: dict[frozenset[str], tuple[int, object, str]] = {}
        self._revision = 0
        self._applied: dict[str, Position] = {}

    @property
    def revision(self) -> int:
        """The policy revision that answers come from."""
        return self._revision

    def announce_revision(self, revision: int) -> None:
        """The engine is about to get the rules of ``revision``."""
        self._announced_revision = revision

    def reach_revision(self, revision: int) -> None:
        """The engine has the rules of ``revision``."""
        with self._changed:
            self._revision = revision
            self._changed.notify_all()

    def announce(self, source: str, position: Position) -> None:
        """The engine is about to get the rows of a source up to ``position``."""
        self._announced = {**self._announced, source: position}

    def reach(self, source: str, position: Position) -> None:
        """The engine has the rows of a source up to ``position``."""
        with self._changed:
            self._applied = {**self._applied, source: position}
            self._changed.notify_all()

    def forget(self, source: str) -> None:
        """The rows of a source are held no longer."""
        with self._changed:
            self._announced = {name: at for name, at in self._announced.items() if name != source}
            self._applied = {name: at for name, at in self._applied.items() if name != source}
            self._changed.notify_all()

    def position(self, source: str) -> Position | None:
        """How far the rows of a source that are held reach; None if none are."""
        return self._applied.get(source)

    def held(self) -> Mapping[str, Position]:
        """How far the rows of every source that is held reach."""
        return self._applied

    def token(self, sources: Iterable[str] = ()) -> Token:
        """The token of an answer that was computed just now and read these sources."""
        announced = self._announced
        return Token(self._announced_revision, {name: announced[name] for name in sources if name in announced})

    def token_text(self, sources: frozenset[str]) -> str:
        """The same as text; that of the same sources is kept until something is announced."""
        revision, announced = self._announced_revision, self._announced
        kept = self._texts.get(sources)
        if kept is not None and kept[0] == revision and kept[1] is announced:
            return kept[2]
        if len(self._texts) >= _MOST_TEXTS:
            self._texts.clear()
        text = str(Token(revision, {name: announced[name] for name in sources if name in announced}))
        self._texts[sources] = (revision, announced, text)
        return text

    def wait(self, wanted: Token, timeout: float) -> tuple[str, ...]:
        """Wait until this node is at ``wanted``; what is missing after ``timeout`` seconds, ``()`` if nothing is."""
        return self._wait(lambda: wanted.missing(self._revision, self._applied), timeout)

    def wait_held(self, sources: Iterable[str], timeout: float) -> tuple[str, ...]:
        """Wait until rows of all ``sources`` are held; those of which none are, after ``timeout`` seconds."""
        wanted = tuple(sources)
        return self._wait(lambda: tuple(name for name in wanted if name not in self._applied), timeout)

    def _wait(self, missing: Callable[[], tuple[str, ...]], timeout: float) -> tuple[str, ...]:
        lacking = missing()
        if not lacking:
            return ()
        deadline = self._clock.monotonic() + timeout
        with self._changed:
            while lacking := missing():
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        return lacking
