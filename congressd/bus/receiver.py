"""What a policy engine node does with what arrives: pure decisions, no I/O, no clock, no threads.

A `Receiver` stands for one source and takes batches, heartbeats and times; it answers with actions. Its invariants:

* what was applied last is at ``held``, and ``held`` never goes back: neither in epoch nor, within one, in sequence;
* a delta is applied only onto the state that it was made for (``held`` plus one);
* whatever is lost, repeated or reordered, a snapshot is asked for until ``held`` is what the publisher last said,
  with the digests that it said; meanwhile the old rows stay, and later deltas wait in a bounded buffer.

`Receivers` holds one for each wanted source, takes the events of `congressd.bus.streams`, and shares the highest
epoch seen, so that a datasource node that was replaced is refused for all sources as soon as its successor has
spoken for one. Neither is safe for several threads: their owner brings one lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from congressd.bus.digest import EMPTY, Digest, SourceDigest
from congressd.bus.streams import BatchArrived, Disconnected, Heartbeat, Resync, StreamEvent
from congressd.model.tables import Batch, BatchKind


class Position(NamedTuple):
    """A point in the life of a source; later points are greater."""

    epoch: int
    sequence: int


class AskReason(StrEnum):
    """Why a snapshot is needed."""

    NEW = "new"  # nothing is held yet
    EPOCH = "epoch"  # another datasource node has taken over
    GAP = "gap"  # a batch is missing before one that came
    BEHIND = "behind"  # a heartbeat names a batch that did not come
    DIGEST = "digest"  # the tables differ from the publisher's
    SILENCE = "silence"  # batches may have been missed, and nothing since has told


class DropReason(StrEnum):
    """Why something that arrived was not used."""

    OLD_EPOCH = "old_epoch"  # from a datasource node that was replaced
    OLD_SEQUENCE = "old_sequence"  # contained in what is held, or came twice
    UNWANTED = "unwanted"  # its source is not, or no longer, subscribed to


@dataclass(frozen=True, slots=True)
class Apply:
    """Add and remove the rows of this delta."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Replace:
    """Make the tables of the source what this snapshot says, by difference."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class AskSnapshot:
    """Ask the datasource node for a snapshot of ``source``. If none comes, the receiver says so again later."""

    source: str
    reason: AskReason


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do; for counting."""

    source: str
    reason: DropReason


Action: TypeAlias = Apply | Replace | AskSnapshot | Drop


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, and how many batches to keep.

    Between two questions for a snapshot: ``first``, then twice as long each time, up to ``most``, until a heartbeat
    confirms what is held. ``silence``: how long after a reconnection without a sign of the source to ask.
    """

    first: float = 0.5
    most: float = 30.0
    silence: float = 3.0
    buffered: int = 1000


class Receiver:
    """The state of one source. ``held`` is None until its first snapshot; ``epoch`` is the highest one seen."""

    def __init__(self, source: str, epoch: int = 0, patience: Patience | None = None) -> None:
        self.source = source
        self.epoch = epoch
        self.held: Position | None = None
        self.missing: AskReason | None = AskReason.NEW  #: why a snapshot is waited for; None when all is well
        self._patience = patience or Patience()
        self._head: int | None = None  # highest sequence heard of in this epoch
        self._buffer: dict[int, Batch] = {}  # deltas of this epoch that cannot be applied yet
        self._digest = SourceDigest()
        self._differs = False  # the publisher's digests were others
        self._silent = False  # batches may have been missed, and it is time to ask
        self._silent_at: float | None = None  # when to set `_silent` unless something tells before
        self._asked = 0  # questions since a heartbeat last confirmed what is held
        self._ask_at = 0.0  # no question before

    def batch(self, batch: Batch, now: float) -> list[Action]:
        """A batch arrived at monotonic time ``now``."""
        if batch.epoch < self.epoch:
            return [Drop(self.source, DropReason.OLD_EPOCH)]
        self.saw_epoch(batch.epoch)
        current = self._current()
        if batch.kind is BatchKind.SNAPSHOT:
            repeated = batch.sequence == current and self.missing is None  # if it was asked for, it is of use
            if current is not None and (batch.sequence < current or repeated):
                return [Drop(self.source, DropReason.OLD_SEQUENCE)]
            actions = [self._replace(batch)]
        elif batch.sequence in self._buffer or (current is not None and batch.sequence <= current):
            return [Drop(self.source, DropReason.OLD_SEQUENCE)]
        else:
            self._keep(batch)
            actions = []
        self._head = max(self._head or 0, batch.sequence)
        return [*actions, *self._join(), *self._settle(now)]

    def heartbeat(self, beat: Heartbeat, now: float) -> list[Action]:
        """The publisher said where it is."""
        if beat.epoch < self.epoch:
            return [Drop(self.source, DropReason.OLD_EPOCH)]
        self.saw_epoch(beat.epoch)
        self._head = max(self._head or 0, beat.sequence)
        self._heard()
        if self.held == (beat.epoch, beat.sequence) and not self._differs:
            self._differs = bool(beat.digests) and not _equal(beat.digests, self._digest.tables())
            if not self._differs:
                self._asked, self._ask_at = 0, now
        return self._settle(now)

    def resync(self, now: float) -> list[Action]:
        """Batches may have been missed until ``now``.

        What is missing already is asked for at once. Otherwise the next batch or heartbeat will tell, and only if
        none comes in time is a snapshot asked for: a restart of the broker shall not make every node fetch all.
        """
        self._silent_at = now + self._patience.silence
        if self.missing is not None:
            self._asked, self._ask_at = 0, now
        return self._settle(now)

    def distrust(self, now: float) -> list[Action]:
        """The rows that are held were found to be wrong, by whoever holds them."""
        self._differs = self.held is not None
        return self._settle(now)

    def tick(self, now: float) -> list[Action]:
        """Time has passed; to be called when `deadline` has come."""
        if self._silent_at is not None and now >= self._silent_at:
            self._heard()
            self._silent = True
        return self._settle(now)

    def deadline(self) -> float | None:
        """When `tick` has something to do, unless something arrives before; None for never."""
        times = [] if self.missing is None else [self._ask_at]
        if self._silent_at is not None:
            times.append(self._silent_at)
        return min(times, default=None)

    def saw_epoch(self, epoch: int) -> None:
        """Another source of the same publisher is in ``epoch``: refuse lower ones. What is held stays held."""
        if epoch > self.epoch:
            self.epoch = epoch
            self._head = None
            self._buffer = {}

    def _current(self) -> int | None:
        """The sequence held, if it is of the current epoch."""
        return self.held.sequence if self.held is not None and self.held.epoch == self.epoch else None

    def _heard(self) -> None:
        self._silent, self._silent_at = False, None

    def _keep(self, batch: Batch) -> None:
        self._buffer[batch.sequence] = batch
        if len(self._buffer) > self._patience.buffered:
            del self._buffer[min(self._buffer)]  # the snapshot to come is likely to contain the oldest

    def _replace(self, batch: Batch) -> Action:
        self._digest.apply(batch)
        self._differs = False
        self._heard()
        self.held = Position(batch.epoch, batch.sequence)
        self._buffer = {number: kept for number, kept in self._buffer.items() if number > batch.sequence}
        return Replace(batch)

    def _join(self) -> Iterable[Action]:
        """Apply what the buffer has next, as long as the state is one that deltas can be applied to."""
        current = self._current()
        if current is None or self._differs:
            return
        while (batch := self._buffer.pop(current + 1, None)) is not None:
            self._digest.apply(batch)
            self._heard()
            current = batch.sequence
            self.held = Position(batch.epoch, current)
            yield Apply(batch)

    def _settle(self, now: float) -> list[Action]:
        """Whether a snapshot is needed now, and whether it is time to ask for it."""
        self.missing = self._need()
        if self.missing is None or now < self._ask_at:
            return []
        self._ask_at = now + min(self._patience.first * 2.0 ** min(self._asked, 32), self._patience.most)
        self._asked += 1
        return [AskSnapshot(self.source, self.missing)]

    def _need(self) -> AskReason | None:
        current = self._current()
        if self.held is None:
            return AskReason.NEW
        if current is None and self._head is not None:
            return AskReason.EPOCH
        if self._differs:
            return AskReason.DIGEST
        if self._buffer:
            return AskReason.GAP
        if current is not None and self._head is not None and self._head > current:
            return AskReason.BEHIND
        return AskReason.SILENCE if self._silent else None


def _equal(said: Mapping[str, Digest], held: Mapping[str, Digest]) -> bool:
    """Whether both name the same rows; a table without rows is as good as none."""
    return {name: digest for name, digest in said.items() if digest != EMPTY} == {
        name: digest for name, digest in held.items() if digest != EMPTY
    }


class Receivers:
    """All wanted sources. ``epoch`` may be given from the database, so that a zombie is refused from the start."""

    def __init__(self, epoch: int = 0, patience: Patience | None = None) -> None:
        self.epoch = epoch
        self.connected = False  #: False from `Disconnected` until the next `Resync`
        self.dropped: Counter[DropReason] = Counter()  #: for metrics
        self.asked: Counter[AskReason] = Counter()  #: for metrics
        self._patience = patience or Patience()
        self._receivers: dict[str, Receiver] = {}

    def want(self, sources: Iterable[str]) -> frozenset[str]:
        """Want exactly ``sources`` from now on. Returns those that were wanted and no longer are.

        A new source is asked for when its `Resync` (reason ``bound``) comes, which follows `Subscriber.bind`.
        """
        wanted = frozenset(sources)
        gone = frozenset(self._receivers) - wanted
        for source in gone:
            del self._receivers[source]
        for source in sorted(wanted - frozenset(self._receivers)):
            self._receivers[source] = Receiver(source, self.epoch, self._patience)
        return gone

    def on(self, event: StreamEvent, now: float) -> list[Action]:
        """What to do about ``event`` at monotonic time ``now``, in this order."""
        match event:
            case BatchArrived(batch):
                actions = self._for(batch.source, batch.epoch, lambda receiver: receiver.batch(batch, now))
            case Heartbeat(source, epoch):
                actions = self._for(source, epoch, lambda receiver: receiver.heartbeat(event, now))
            case Resync(sources):
                self.connected = True
                names = sorted(sources & frozenset(self._receivers))
                actions = [action for name in names for action in self._receivers[name].resync(now)]
            case Disconnected():
                self.connected = False
                actions = []
        return self._counted(actions)

    def tick(self, now: float) -> list[Action]:
        """Time has passed; to be called when `deadline` has come, or now and then."""
        if not self.connected:
            return []
        return self._counted([action for receiver in self._receivers.values() for action in receiver.tick(now)])

    def deadline(self) -> float | None:
        """When `tick` has something to do next; None for not before the next event."""
        if not self.connected:
            return None
        times = [receiver.deadline() for receiver in self._receivers.values()]
        return min((time for time in times if time is not None), default=None)

    def saw_epoch(self, epoch: int) -> None:
        """The datasource node is in ``epoch``, or a later one: refuse lower ones from now on."""
        if epoch > self.epoch:
            self.epoch = epoch
            for receiver in self._receivers.values():
                receiver.saw_epoch(epoch)

    def positions(self) -> dict[str, Position | None]:
        """What is held of each wanted source; None before its first snapshot."""
        return {source: receiver.held for source, receiver in self._receivers.items()}

    def agrees(self, beat: Heartbeat) -> bool:
        """Whether what is held is what the publisher says, and nothing is waited for."""
        receiver = self._receivers.get(beat.source)
        if receiver is None or receiver.missing is not None:
            return False
        return receiver.held == (beat.epoch, beat.sequence)

    def missing(self) -> dict[str, AskReason]:
        """The wanted sources for which a snapshot is waited for, and why."""
        return {source: receiver.missing for source, receiver in self._receivers.items() if receiver.missing}

    def distrust(self, source: str, now: float) -> list[Action]:
        """The holder of the rows found them wrong: ask for a snapshot of ``source``."""
        receiver = self._receivers.get(source)
        return [] if receiver is None else self._counted(receiver.distrust(now))

    def _for(self, source: str, epoch: int, act: Callable[[Receiver], list[Action]]) -> list[Action]:
        self.saw_epoch(epoch)
        receiver = self._receivers.get(source)
        return [Drop(source, DropReason.UNWANTED)] if receiver is None else act(receiver)

    def _counted(self, actions: list[Action]) -> list[Action]:
        self.dropped.update(action.reason for action in actions if isinstance(action, Drop))
        self.asked.update(action.reason for action in actions if isinstance(action, AskSnapshot))
        return actions
