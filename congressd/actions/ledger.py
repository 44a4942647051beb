"""The open part of the execution log in memory, and what shall be done next. Pure; not for several threads at once.

The invariants: a row has one open activation at most; an activation is started only when it is pending, its time has
come, its row is known to hold, and no limit is against it; what a run came to is written down once. What the ledger
decides is one `Step`, which the caller commits as one transaction. If that fails, or nobody knows whether it did, a
new ledger is loaded from the log.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final, TypeAlias

from congressd.actions.desk import RuleChange
from congressd.actions.limits import BlastRadius, Starts, backoff
from congressd.actions.subject import subject_of
from congressd.actions.wanted import RuleSpec
from congressd.model.actions import FINAL, FOLLOWS, Blast, RuleOptions, State
from congressd.model.values import Row

MOST_RERUNS: Final = 5  #: an idempotent action whose node died during it so often is not begun again by itself
NO_RULE: Final = ""  #: where activations are that no rule wants, but somebody asked for


@dataclass(frozen=True, slots=True)
class Entry:
    """One activation. ``standing``: it stands for a row; ``closed``: that row holds no longer.

    ``held``: it waits for a person because its rule was stopped, which stops the rule's further ones too.
    """

    id: str
    subject: str
    rule_id: str
    policy: str
    service: str
    action: str
    args: Row
    state: State = State.PENDING
    attempts: int = 0
    not_before: float = 0.0
    standing: bool = True
    closed: bool = False
    held: bool = False
    created_at: float = 0.0

    def moved(self, to: State, **changes: Any) -> Entry:
        """This activation in another state. Raises ValueError if that cannot follow."""
        if to not in FOLLOWS[self.state]:
            raise ValueError(f"activation {self.id} is {self.state} and cannot become {to}")
        return replace(self, state=to, **changes)


@dataclass(frozen=True, slots=True)
class Opening:
    """An activation to be written down, with why; one that begins as RUNNING is started in the same step."""

    entry: Entry
    why: Mapping[str, Any]
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: SUCCEEDED, FAILED, UNKNOWN (it may have acted), or PENDING: it was not begun after all."""

    id: str
    state: State
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome as it is written down: PENDING stands for another try at ``not_before``."""

    id: str
    state: State
    result: Mapping[str, Any]
    not_before: float = 0.0


@dataclass(slots=True)
class Step:
    """What is committed as one: activations opened, closed, begun (pending to running), ended, begun again."""

    opened: list[Opening] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    started: list[Entry] = field(default_factory=list)
    ended: list[Ending] = field(default_factory=list)
    rerun: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.opened or self.closed or self.started or self.ended or self.rerun)


#: Whether an action of a service may be repeated when nobody knows whether it was done.
Idempotent: TypeAlias = Callable[[str, str], bool]


class Ledger:
    """``blast`` is the limit of rules that have none of their own."""

    def __init__(self, idempotent: Idempotent, new_id: Callable[[], str], blast: Blast = Blast()) -> None:  # noqa: B008
        self._idempotent = idempotent
        self._new_id = new_id
        self._blast = blast
        self.entries: dict[str, Entry] = {}
        self.specs: dict[str, RuleSpec] = {}
        self._open: dict[str, dict[str, str]] = {}  # id by subject by rule
        self._queues: dict[str, list[tuple[float, int, str]]] = {}  # of pending ones: not before, a number, id
        self._numbers = count()
        self._starts: dict[str, Starts] = {}
        self._radius: dict[str, BlastRadius] = {}
        self._step = Step()
        self._born: dict[str, Opening] = {}  # of this step, by id
        self._repeatable: set[str] = set()  # ids of unknown ones that may be begun again by themselves
        self._held: dict[str, set[str]] = {}  # ids of activations that wait since their rule was stopped, by rule

    # -- from the log -----------------------------------------------------------------------------------------------

    def load(self, entries: Iterable[Entry]) -> None:
        """Take what is open or not final in the log.

        UNKNOWN ones that may be repeated will be: those that stand for a row as soon as it is known to hold.
        """
        for entry in entries:
            self._put(entry)
            repeatable = entry.attempts <= MOST_RERUNS and self._idempotent(entry.service, entry.action)
            if entry.state is State.UNKNOWN and not entry.closed and repeatable:
                self._repeatable.add(entry.id)
                if not entry.standing:
                    self._rerun(entry.id)

    def started_before(self, rule_id: str, times: Iterable[float]) -> None:
        """When actions of a rule were started in earlier epochs, so that its rate holds over a takeover."""
        self._starts[rule_id] = Starts(sorted(times))

    def refresh(self, entry: Entry) -> None:
        """The log has this activation otherwise than the ledger: a person settled it, or asked for it."""
        self._put(entry)

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def reconcile(self, change: RuleChange, now: float) -> None:
        """Open activations for rows that came, close those of rows that went."""
        spec = change.spec
        self.specs[spec.id] = spec
        known = self._open.get(spec.id, {})
        options = spec.options

        def subject(row: Row) -> str:
            return subject_of(spec.id, spec.service, spec.action, row, dry=options.dry_run)

        if change.rows is None:
            came = {subject(row): (row, why) for row, why in change.added.items()}
            went = [found for row in change.removed if (found := known.get(subject(row)))]
        else:
            came = {subject(row): (row, why) for row, why in change.rows.items()}
            went = [identity for each, identity in known.items() if each not in came]
        for identity in went:
            self._close(identity)
        for identity in [known[each] for each in came if each in known] if self._repeatable else ():
            self._rerun(identity)
        new = {each: wanted for each, wanted in came.items() if each not in known}
        if new:
            self._open_all(spec, new, now)

    def retain(self, rules: frozenset[str]) -> None:
        """Close what stands for rules that are no more."""
        for rule_id in [each for each in self._open if each not in rules]:
            for identity in list(self._open[rule_id].values()):
                self._close(identity)
            self.specs.pop(rule_id, None)

    # -- what happened ----------------------------------------------------------------------------------------------

    def end(self, outcome: Outcome, now: float) -> None:
        """A run has ended; one that failed is tried again as its rule says."""
        entry = self.entries.get(outcome.id)
        if entry is None or entry.state is not State.RUNNING:
            return  # it was settled otherwise meanwhile
        spec = self.specs.get(entry.rule_id)
        options = spec.options if spec else RuleOptions()
        state, not_before = outcome.state, 0.0
        may_retry = entry.standing and not entry.closed and entry.attempts <= options.retries
        harmless = state is State.FAILED or (state is State.UNKNOWN and self._idempotent(entry.service, entry.action))
        if harmless and may_retry:
            state, not_before = State.PENDING, now + backoff(options, entry.attempts)
        if state is State.PENDING and entry.closed:  # it is wanted no longer
            state, not_before = State.FAILED, 0.0
        self._step.ended.append(Ending(entry.id, state, outcome.result, not_before))
        self._put(entry.moved(state, not_before=not_before))

    # -- what is due ------------------------------------------------------------------------------------------------

    def start_due(self, now: float, slots: int, may_start: Callable[[str], bool]) -> None:
        """Begin pending activations, at most ``slots``, in the order in which they became due.

        ``may_start`` tells whether the rows of a rule are known to be right just now.
        """
        rules = list(self._queues)
        while slots > 0 and rules:
            left = []
            for rule_id in rules:
                if slots > 0 and self._start_one(rule_id, now, may_start):
                    slots -= 1
                    left.append(rule_id)
            rules = left
        for rule_id in [rule_id for rule_id, queue in self._queues.items() if not queue]:
            del self._queues[rule_id]

    def next_due(self, now: float, may_start: Callable[[str], bool]) -> float | None:
        """Seconds until something becomes due, None if nothing will by itself."""
        waits = []
        for rule_id, queue in self._queues.items():
            if queue and may_start(rule_id):
                waits.append(max(queue[0][0] - now, self._rate_wait(rule_id, now), 0.0))
        return min(waits, default=None)

    def take_step(self) -> Step:
        """What has been decided since the last time, to be committed as one."""
        step, self._step = self._step, Step()
        step.opened, self._born = list(self._born.values()), {}
        return step

    # -- parts ------------------------------------------------------------------------------------------------------

    def _open_all(self, spec: RuleSpec, new: Mapping[str, tuple[Row, tuple[str, ...]]], now: float) -> None:
        options = spec.options
        state, held = State.PENDING, False
        result: dict[str, Any] | None = None
        if options.dry_run:
            state, result = State.CANCELLED, {"dry_run": True}
        else:
            sentence = self._stopped(spec, len(new), now)
            if sentence is not None:
                state, held, result = State.AWAITING, True, {"held": sentence}
            elif options.approval:
                state, result = State.AWAITING, {"awaits": "approval"}
        for subject, (row, why) in new.items():
            entry = Entry(
                self._new_id(),
                subject,
                spec.id,
                spec.policy,
                spec.service,
                spec.action,
                row,
                state,
                not_before=now + options.delay if options.delay else 0.0,
                held=held,
                created_at=now,
            )
            self._born[entry.id] = Opening(entry, {"rule": spec.text, "rows": list(why)}, result)
            self._put(entry)

    def _stopped(self, spec: RuleSpec, new: int, now: float) -> str | None:
        """Why the rule is stopped, if it is: it wants too much, or has not been dealt with since it did."""
        if self._held.get(spec.id):
            return "the rule was stopped because it suddenly wanted too many actions; approve or reject those first"
        radius = self._radius.setdefault(spec.id, BlastRadius())
        blast = self._blast if spec.options.blast is None else spec.options.blast
        sentence = radius.stops(blast, new, spec.base if spec.tables else None, now)
        if sentence is None:
            radius.note(new, now)
        return sentence

    def _rerun(self, identity: str) -> None:
        """Begin again what an earlier epoch left unknown, if it may be repeated."""
        entry = self.entries[identity]
        if identity in self._repeatable and entry.state is State.UNKNOWN:
            self._step.rerun.append(identity)
            self._put(entry.moved(State.PENDING, not_before=0.0))
        self._repeatable.discard(identity)

    def _close(self, identity: str) -> None:
        self._repeatable.discard(identity)
        entry = self.entries[identity]
        del self._open[entry.rule_id][entry.subject]
        if not self._open[entry.rule_id]:
            del self._open[entry.rule_id]
        if self._born.pop(identity, None) is not None:  # it came and went within one step
            self._forget(entry)
            return
        self._step.closed.append(identity)
        if entry.state in (State.PENDING, State.AWAITING):
            entry = entry.moved(State.CANCELLED)
        self._keep(replace(entry, closed=True))

    def _start_one(self, rule_id: str, now: float, may_start: Callable[[str], bool]) -> bool:
        queue = self._queues[rule_id]
        while queue:
            not_before, _, identity = queue[0]
            entry = self.entries.get(identity)
            if entry is None or entry.state is not State.PENDING or entry.not_before != not_before:
                heapq.heappop(queue)  # it was cancelled, or begun, or put off
                continue
            if not_before > now or not may_start(rule_id) or self._rate_wait(rule_id, now) > 0:
                return False
            heapq.heappop(queue)
            self._begin(entry, now)
            return True
        return False

    def _begin(self, entry: Entry, now: float) -> None:
        running = entry.moved(State.RUNNING, attempts=entry.attempts + 1)
        self._put(running)
        spec = self.specs.get(entry.rule_id)
        if spec is not None:
            self._starts.setdefault(entry.rule_id, Starts()).note(spec.options.rate, now)
        born = self._born.get(entry.id)
        if born is not None:
            self._born[entry.id] = replace(born, entry=running)
        else:
            self._step.started.append(running)

    def _rate_wait(self, rule_id: str, now: float) -> float:
        spec = self.specs.get(rule_id)
        starts = self._starts.get(rule_id)
        return 0.0 if spec is None or starts is None else starts.wait(spec.options.rate, now)

    def _put(self, entry: Entry) -> None:
        self._keep(entry)
        if entry.standing and not entry.closed:
            self._open.setdefault(entry.rule_id, {})[entry.subject] = entry.id
        if entry.state is State.PENDING:
            queue = self._queues.setdefault(entry.rule_id if entry.standing else NO_RULE, [])
            heapq.heappush(queue, (entry.not_before, next(self._numbers), entry.id))

    def _keep(self, entry: Entry) -> None:
        """Remember what may still change: what is open, and what is not final."""
        if entry.state in FINAL and (entry.closed or not entry.standing):
            self._forget(entry)
            return
        self.entries[entry.id] = entry
        if entry.held and entry.state is State.AWAITING:
            self._held.setdefault(entry.rule_id, set()).add(entry.id)
        else:
            self._held.get(entry.rule_id, set()).discard(entry.id)

    def _forget(self, entry: Entry) -> None:
        self.entries.pop(entry.id, None)
        self._held.get(entry.rule_id, set()).discard(entry.id)
