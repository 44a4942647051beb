"""How new an answer must be, and waiting until it can be: never back in time, never older than asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.pe.holder import Holder
from congressd.pe.interest import Interest
from congressd.pe.token import Position, Token

PATIENCE: Final = 2.0  #: seconds that a request waits for the state that its token asks for
BEAT: Final = 1.5  #: seconds in which a heartbeat comes, if all is well


@dataclass(frozen=True, slots=True)
class Freshness:
    """At least the state of the token ``at_least``, from rows read at most ``max_staleness`` seconds ago."""

    at_least: Token | None = None
    max_staleness: float | None = None


ANY: Final = Freshness()


class Freshener:
    """Makes this node's state as new as a request asks for, or says that it cannot."""

    def __init__(self, holder: Holder, interest: Interest, clock: Clock) -> None:
        self._holder = holder
        self._interest = interest
        self._clock = clock
        self._promised: dict[str, tuple[Position, float]] = {}  # pushes accepted here, and until when to wait for them
        self._unkept: dict[str, Position | None] = {}  # where each source was when a push did not come in time

    def promise(self, source: str, position: Position) -> None:
        """A push was accepted here: whoever reads the source here in the next moments finds it, if at all possible.

        While nothing comes from the datasource node only one push waits for it.
        """
        if source in self._unkept and self._unkept[source] == self._holder.progress.position(source):
            return
        self._promised[source] = (position, self._clock.monotonic() + PATIENCE)
        if source in self._interest.wanted:
            self._keep_promise(source)

    def revision(self, wanted: Token) -> None:
        """Wait for the policy revision of a token. Raises CongressError ``unavailable``."""
        if self._holder.progress.wait(Token(wanted.revision), PATIENCE):
            raise CongressError(
                "unavailable",
                f"this node has policy revision {self._holder.progress.revision} and cannot get {wanted.revision} now; "
                "try again",
                {"missing": ["policy"]},
            )

    def prepare(self, sources: Collection[str], wanted: Freshness) -> None:
        """Wait until these sources are held as ``wanted``. Raises CongressError ``unavailable`` if they cannot be."""
        if not self._interest.holds(sources):
            self._interest.demand(sources)
        for name in sources:
            if name in self._promised:
                self._keep_promise(name)
        if wanted.at_least is not None:
            self.revision(wanted.at_least)
            there = {name: at for name, at in wanted.at_least.sources.items() if name in sources}
            missing = self._holder.progress.wait(Token(0, there), PATIENCE)
            if missing:
                raise CongressError(
                    "unavailable",
                    f"this node cannot get the rows of {', '.join(missing)} that the token asks for now; try again",
                    {"missing": list(missing)},
                )
        if wanted.max_staleness is not None:
            stale = self._stale(sources, wanted.max_staleness)
            if stale:
                raise CongressError(
                    "unavailable",
                    f"the rows of {', '.join(stale)} are older than {wanted.max_staleness:g} s, or nobody can say how "
                    "old they are",
                    {"stale": stale},
                )

    def held(self, sources: Collection[str]) -> bool:
        """Whether nothing needs to be done to answer from these sources."""
        return self._promised.keys().isdisjoint(sources) and self._interest.holds(sources)

    def stale(self, sources: Collection[str]) -> tuple[str, ...]:
        """The sources of which no rows are held, or only such as may be out of date."""
        if not sources:
            return ()
        position = self._holder.progress.position
        silent = self._interest.silent(sources)
        return tuple(name for name in sorted(sources) if name in silent or position(name) is None)

    def right_at(self, source: str) -> float | None:
        """When the rows of a source that are held were last known to be right, seconds since 1970; None for never."""
        if self._holder.progress.position(source) is None:
            return None
        return max(self._holder.fetched_at.get(source, 0.0), self._interest.right_at(source)) or None

    def _keep_promise(self, source: str) -> None:
        promised = self._promised.get(source)
        if promised is None:
            return
        position, until = promised
        progress = self._holder.progress
        if progress.wait(Token(0, {source: position}), max(0.0, until - self._clock.monotonic())):
            self._unkept[source] = progress.position(source)
        else:
            self._unkept.pop(source, None)
        if self._promised.get(source) == promised:
            self._promised.pop(source, None)

    def _stale(self, sources: Collection[str], most: float) -> list[str]:
        """Those of ``sources`` whose rows were more than ``most`` seconds old when this was called.

        A poll that found nothing new comes with the next heartbeat, so that is waited for where it may help.
        """
        oldest = self._clock.now() - most
        stale = self._older(sources, oldest)
        if stale and not self._older(stale, oldest - BEAT) and not self._interest.silent(stale):
            self._interest.wait_right(stale, oldest, BEAT)
            stale = self._older(stale, oldest)
        return stale

    def _older(self, sources: Collection[str], oldest: float) -> list[str]:
        return [name for name in sorted(sources) if (self.right_at(name) or 0.0) < oldest]
