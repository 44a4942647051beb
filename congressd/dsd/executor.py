"""Executes what policy wants done: one `Executor` for each epoch of the active datasource node.

Its one thread takes what the leading policy engine node wants, reconciles it with the log, commits, and only then has
actions run; what came of them is committed by it too. Many things that happen at once become one transaction.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from congressd.actions.desk import Desk, Reply
from congressd.actions.leader import Patience
from congressd.actions.ledger import NO_RULE, Entry, Ledger, Outcome, Step
from congressd.actions.wanted import Report, decode_report
from congressd.bus.control import Control, Registration
from congressd.dsd import log_steps
from congressd.dsd.performance import FindActor, find_action, perform
from congressd.dsd.runners import Runners
from congressd.model.actions import LONGEST_RATE, Blast, State
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.store import activations, epochs, execution, policies
from congressd.store.database import Database
from congressd.store.records import new_id

log = logging.getLogger(__name__)

IDLE: Final = 0.2  #: seconds between looks at the leader, the leases and what hangs, if nothing happens
LOOK: Final = 2.0  #: seconds between looks for what people settled, if no notice comes
RETRY: Final = 0.5  #: seconds after which a database that was away is tried again
COMMIT_TIME: Final = 5.0  #: seconds that one step may take to be committed, with all retries
GRACE: Final = 2.0  #: seconds beyond its time limit that an action has to give up by itself


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """``enabled``: the global switch; off, activations are opened and none is started. ``threads`` actions at a time.

    ``keep_seconds`` and ``keep_count``: how long and how many final activations are kept. Every ``prune_period``
    seconds those that are more are forgotten; not sooner after a takeover, which has more urgent things to do.
    """

    enabled: bool = True
    threads: int = 32
    blast: Blast = Blast()  # noqa: RUF009  # frozen
    patience: Patience = Patience()  # noqa: RUF009  # frozen
    keep_seconds: float = 30 * 86400.0
    keep_count: int = 100_000
    prune_period: float = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the executor needs of its node. ``may_act``: whether the lease holds; ``on_stale``: another has taken over.

    ``unread`` tells which tables of a source were not read yet in this epoch, None if the source has delivered nothing.
    """

    database: Database
    control: Control
    clock: Clock
    node: str
    find_actor: FindActor
    unread: Callable[[str, Iterable[str]], tuple[str, ...] | None]
    may_act: Callable[[], bool]
    on_stale: Callable[[epochs.StaleEpoch], None]


@dataclass(slots=True)
class _Running:
    entry: Entry
    deadline: float  # monotonic
    left: bool = False


@dataclass(slots=True)
class _Inbox:
    """What other threads hand to the executor's, under its lock."""

    outcomes: deque[Outcome] = field(default_factory=deque)
    settled: set[str] = field(default_factory=set)


class Executor:
    """The executor of one epoch. ``start`` once, ``stop`` once; a later epoch has another one."""

    def __init__(self, epoch: int, around: Surroundings, settings: ExecutorSettings) -> None:
        self.epoch = epoch
        self._around = around
        self._settings = settings
        self._lock = threading.Lock()  # for desk and inbox
        self._desk: Desk | None = None
        self._inbox = _Inbox()
        self._wake = threading.Event()
        self._stopped = False
        self._draining = False
        self._quiet = threading.Event()  # draining, and nothing is under way
        # What follows belongs to the executor's thread alone.
        self._ledger = self._new_ledger()
        self._running: dict[str, _Running] = {}
        self._runners = Runners("dsd-action", settings.threads)
        self._must_load = True
        self._last_now = 0.0
        self._look_at = 0.0
        self._prune_at = around.clock.now() + settings.prune_period
        self._listening: Registration | None = None
        self._thread = threading.Thread(target=self._run, name="dsd-executor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._listening = self._around.control.listen("actions", self._on_settled)
        self._thread.start()

    def reconfigure(self, settings: ExecutorSettings) -> None:
        """Execute as these say from now on, but on as many threads as before."""
        self._settings = settings
        self._must_load = True  # the ledger knows the limits
        self._wake.set()

    def drain(self, timeout: float) -> bool:
        """Start no more actions, and wait for those that run, so that none is left unknown; whether all ended."""
        self._draining = True
        self._wake.set()
        return self._quiet.wait(timeout)

    def stop(self) -> None:
        """Start no more actions, and commit nothing more; does not wait for actions that run."""
        self._stopped = True
        self._wake.set()
        if self._listening is not None:
            self._listening.stop()
        self._runners.stop()

    def methods(self) -> Mapping[str, Callable[..., Any]]:
        """What policy engine nodes, and the API, may call."""
        return {"beat": self.beat, "report": self.report, "execution": self.status}

    # -- from the policy engine nodes ------------------------------------------------------------------------------

    def beat(self, pe: str, boot: str, revision: int, digest: list[Any] | None) -> dict[str, Any]:
        """A node lives; ``digest``: number of its last report and digest of its set, None if it sent none."""
        return self._take(pe, boot, revision, None, None if digest is None else (digest[0], digest[1]))

    def report(self, pe: str, boot: str, revision: int, report: dict[str, Any]) -> dict[str, Any]:
        """What a node wants done."""
        return self._take(pe, boot, revision, decode_report(report), None)

    def status(self) -> dict[str, Any]:
        """Who leads, what holds rules back, and how much is under way."""
        with self._lock:
            desk = self._desk
            now = self._around.clock.monotonic()
            leader = desk.leadership.leader if desk and desk.leadership.alive(now) else None
            return {
                "enabled": self._settings.enabled,
                "epoch": self.epoch,
                "node": self._around.node,
                "leader": leader[0] if leader else None,
                "policy_engines": {} if desk is None else desk.leadership.nodes(),
                "leader_changes": 0 if desk is None else desk.leadership.changes,
                "running": len(self._running),
                "blocked": {} if desk is None else dict(desk.blocked),
            }

    def _take(
        self, pe: str, boot: str, revision: int, report: Report | None, digest: tuple[int, str] | None
    ) -> dict[str, Any]:
        with self._lock:
            if self._desk is None or self._stopped:
                return {"epoch": self.epoch, "lead": False, "whole": False, "restamp": []}
            now = self._around.clock.monotonic()
            reply: Reply = self._desk.take(pe, boot, revision, report, digest, now)
        if report is not None:
            self._wake.set()
        return {"epoch": self.epoch, "lead": reply.lead, "whole": reply.whole, "restamp": list(reply.restamp)}

    def _on_settled(self, payload: Any) -> None:
        if isinstance(payload, dict):
            with self._lock:
                self._inbox.settled.update(map(str, payload.get("ids", ())))
            self._wake.set()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._turn()
                self._wake.wait(self._until_next())
                self._wake.clear()
            except epochs.StaleEpoch as error:
                self._around.on_stale(error)
                return
            except CongressError as error:
                log.warning("epoch=%d actions wait for the database: %s", self.epoch, error)
                self._must_load = True
                self._wake.wait(RETRY)
            except Exception:  # a thread that must not end; what is in memory may be wrong now
                log.exception("epoch=%d the executor failed", self.epoch)
                self._must_load = True
                self._wake.wait(RETRY)

    def _turn(self) -> None:
        """Look at everything once, commit what follows from it, and begin what is due."""
        now = self._now()
        if self._must_load:
            self._load(now)
        with self._lock:
            outcomes, self._inbox.outcomes = self._inbox.outcomes, deque()
            settled, self._inbox.settled = self._inbox.settled, set()
        try:
            self._refresh(settled, now)
            self._plan(outcomes, now)
            step = self._ledger.take_step()
            refused = self._commit(step, now) if step else frozenset()
        except BaseException:
            with self._lock:  # nobody knows whether it was committed: the log will say
                self._inbox.outcomes.extendleft(reversed(outcomes))
                self._inbox.settled |= settled
            raise
        for outcome in outcomes:
            self._running.pop(outcome.id, None)
        if refused:
            self._reread(refused)
        self._begin([each.entry for each in step.opened if each.entry.state is State.RUNNING], refused)
        self._begin(step.started, refused)
        if self._draining and not self._running:
            self._quiet.set()
        if now >= self._prune_at:
            self._prune_at = now + self._settings.prune_period
            self._prune(now)

    def _plan(self, outcomes: Iterable[Outcome], now: float) -> None:
        for outcome in outcomes:
            self._ledger.end(outcome, now)
        self._give_up_overdue()
        assert self._desk is not None
        with self._lock:
            self._desk.leadership.choose(self._around.clock.monotonic())
            changes = self._desk.collect()
            rules = self._desk.rules()
        for change in changes:
            self._ledger.reconcile(change, now)
        if rules is not None:
            self._ledger.retain(rules)
        if self._settings.enabled and not self._draining and self._around.may_act():
            self._ledger.start_due(now, self._runners.free(), self._may_start)

    def _commit(self, step: Step, now: float) -> frozenset[str]:
        steps = log_steps.steps_of(step)
        refused = self._around.database.run(
            lambda session: execution.carry_out(session, steps, self.epoch, self._around.node, now), COMMIT_TIME
        )
        if log.isEnabledFor(logging.INFO):
            log_steps.tell(step, refused, self.epoch)
        return refused

    def _begin(self, entries: Iterable[Entry], refused: frozenset[str]) -> None:
        for entry in entries:
            if entry.id in refused or entry.id in self._running:
                continue
            info = find_action(self._around.find_actor(entry.service), entry.action)
            limit = info.time_limit if info else 0.0
            running = _Running(entry, self._around.clock.monotonic() + limit + GRACE)
            self._running[entry.id] = running
            self._runners.submit(lambda running=running: self._perform(running))  # type: ignore[misc]

    def _perform(self, running: _Running) -> None:
        """On a thread of the runners."""
        outcome = perform(running.entry, self._around.find_actor, self._may_act)
        with self._lock:
            if running.left:
                self._runners.came_back()
                log.warning("activation=%s came back late: %s %s", outcome.id, outcome.state, outcome.result)
                return
            self._inbox.outcomes.append(outcome)
        self._wake.set()

    def _give_up_overdue(self) -> None:
        now = self._around.clock.monotonic()
        for running in self._running.values():
            if now < running.deadline or running.left:
                continue
            with self._lock:
                if any(outcome.id == running.entry.id for outcome in self._inbox.outcomes):
                    continue
                running.left = True
                self._runners.leave()
                sentence = "the action did not end within its time limit, and nobody waits for it any longer"
                self._inbox.outcomes.append(Outcome(running.entry.id, State.UNKNOWN, {"error": sentence}))
            self._wake.set()

    # -- the log -----------------------------------------------------------------------------------------------------

    def _load(self, now: float) -> None:
        """Take over: what an earlier epoch left running is unknown; everything else goes on as the log has it."""
        self._must_load = False  # first, so that who wants it anew meanwhile gets it; a failure sets it again
        database, epoch = self._around.database, self.epoch
        left = database.run(lambda session: execution.orphan(session, epoch, now), COMMIT_TIME)
        if left:
            log.warning("epoch=%d found %d activations of an earlier epoch running: unknown now", epoch, left)
        floor = database.read(policies.current_revision, causal=True)
        entries = [log_steps.entry_of(each) for each in database.read(execution.open_ones, causal=True)]
        starts = database.read(lambda session: execution.starts_since(session, now - LONGEST_RATE))
        self._ledger = self._new_ledger()
        self._ledger.load(entries)
        by_rule: dict[str, list[float]] = {}
        for rule_id, at in starts:
            by_rule.setdefault(rule_id, []).append(at)
        for rule_id, times in by_rule.items():
            self._ledger.started_before(rule_id, times)
        with self._lock:
            if self._desk is None:
                self._desk = Desk(epoch, floor, self._around.unread, self._settings.patience)
            self._desk.recheck()
            known = self._running.keys() | {outcome.id for outcome in self._inbox.outcomes}
        # Claimed by this very executor, whose commit was not answered: nobody has begun them.
        self._begin([each for each in entries if each.state is State.RUNNING and each.id not in known], frozenset())
        log.info("epoch=%d goes on with %d activations", epoch, len(entries))

    def _refresh(self, settled: set[str], now: float) -> None:
        """Take what people approved, cancelled, settled or asked for."""
        if now >= self._look_at:
            self._look_at = now + LOOK
            waiting = self._around.database.read(execution.pending_ids)
            entries = self._ledger.entries
            settled = settled | {
                each for each in waiting if each not in entries or entries[each].state is not State.PENDING
            }
        if settled:
            self._reread(settled)

    def _reread(self, ids: Iterable[str]) -> None:
        wanted = [each for each in ids if each not in self._running]
        if wanted:
            for record in self._around.database.read(lambda session: execution.open_ones(session, wanted)):
                self._ledger.refresh(log_steps.entry_of(record))

    def _prune(self, now: float) -> None:
        epoch, settings = self.epoch, self._settings

        def prune(session: Any) -> int:
            epochs.guard(session, epochs.DSD, epoch)
            return activations.prune(session, now - settings.keep_seconds, settings.keep_count)

        forgotten = self._around.database.run(prune, COMMIT_TIME)
        if forgotten:
            log.info("epoch=%d forgot %d activations", epoch, forgotten)
            self._prune_at = now + 1.0  # there may be more

    # -- parts -----------------------------------------------------------------------------------------------------

    def _new_ledger(self) -> Ledger:
        return Ledger(self._idempotent, new_id, self._settings.blast)

    def _idempotent(self, service: str, action: str) -> bool:
        info = find_action(self._around.find_actor(service), action)
        return info is not None and info.idempotent

    def _may_act(self) -> bool:
        return not self._stopped and self._around.may_act()

    def _may_start(self, rule_id: str) -> bool:
        """Whether the rows of a rule are known to be right just now."""
        if rule_id == NO_RULE:
            return True
        desk = self._desk
        if desk is None or rule_id not in self._ledger.specs or rule_id in desk.blocked:
            return False
        return desk.leadership.alive(self._around.clock.monotonic())

    def _now(self) -> float:
        """Seconds since 1970 that only grow: two steps never have the same time."""
        self._last_now = max(self._around.clock.now(), self._last_now + 1e-6)
        return self._last_now

    def _until_next(self) -> float:
        if not self._settings.enabled or self._runners.free() == 0:
            return IDLE
        due = self._ledger.next_due(self._around.clock.now(), self._may_start)
        return IDLE if due is None else min(due, IDLE)
