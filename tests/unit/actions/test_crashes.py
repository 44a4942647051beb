"""Crashes between any two steps: nothing is done twice, nothing is lost, whatever hypothesis thinks of.

The ledger and the desk are the real ones, and so are the steps of the store, on SQLite in memory. Around them stand a
world that counts calls, policy engine nodes that lag, and datasource nodes that die, or live on as zombies, between
any two steps.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import StaticPool, create_engine, select
from sqlalchemy.orm import Session

from congressd.actions.desk import Desk
from congressd.actions.ledger import NO_RULE, Entry, Ledger, Outcome
from congressd.actions.wanted import Report, RuleReport, RuleSpec, Stamp, decode_report, encode_report
from congressd.dsd import log_steps
from congressd.model.actions import RuleOptions, State
from congressd.model.values import Row
from congressd.store import activations, epochs, execution, models

RULES = {
    "careful": RuleSpec("careful", "p", "world", "pause", "", RuleOptions(), {"inv": ("bad",)}),
    "again": RuleSpec("again", "p", "world", "set", "", RuleOptions(), {"inv": ("bad",)}),
    "tries": RuleSpec("tries", "p", "world", "pause", "", RuleOptions(retries=1, backoff=0.0), {"inv": ("bad",)}),
}
ROWS: list[Row] = [("a",), (1,)]


def idempotent(_service: str, action: str) -> bool:
    return action == "set"


class Database:
    """The log, in memory."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        models.Base.metadata.create_all(self._engine)

    def session(self) -> Session:
        return Session(self._engine)


@dataclass
class PolicyEngine:
    """``position``: epoch and version of the truth that it has; it reports what held then."""

    name: str
    boot: str = field(default_factory=lambda: uuid.uuid4().hex)
    position: tuple[int, int] = (0, 0)
    number: int = 0


class Node:
    """A datasource node that executes, step by step; the test decides what comes after each."""

    def __init__(self, database: Database, world: Truth, now: float) -> None:
        self.database = database
        self.world = world
        with database.session() as session, session.begin():
            self.epoch = epochs.take_epoch(session, epochs.DSD, uuid.uuid4().hex, int(now * 1000))
        self.desk = Desk(self.epoch, 1, lambda *_: ())
        self.running: dict[str, Entry] = {}
        self.outcomes: list[Outcome] = []
        self.stale = False
        self.load(now)

    def load(self, now: float) -> None:
        with self.database.session() as session, session.begin():
            execution.orphan(session, self.epoch, now)
        with self.database.session() as session:
            entries = [log_steps.entry_of(each) for each in execution.open_ones(session)]
        self.ledger = Ledger(idempotent, lambda: str(uuid.uuid4()))
        self.ledger.load(entries)
        self.desk.recheck()
        known = self.running.keys() | {each.id for each in self.outcomes}
        for each in entries:
            if each.state is State.RUNNING and each.id not in known:
                self.running[each.id] = each

    def turn(self, now: float, fate: str) -> None:
        """One turn; ``fate``: the commit goes well, or its answer is lost ("deaf"), or it fails ("lost")."""
        outcomes, self.outcomes = self.outcomes, []
        for each in outcomes:
            self.ledger.end(each, now)
        for change in self.desk.collect():
            self.ledger.reconcile(change, now)
        rules = self.desk.rules()
        if rules is not None:
            self.ledger.retain(rules)
        self.ledger.start_due(now, 2, lambda each: each == NO_RULE or each in self.ledger.specs)
        step = self.ledger.take_step()
        if not step:
            return
        steps = log_steps.steps_of(step)
        try:
            if fate != "lost":
                with self.database.session() as session, session.begin():
                    refused = execution.carry_out(session, steps, self.epoch, "node", now)
                if fate == "deaf":  # the work is run again, and must recognise what it did
                    with self.database.session() as session, session.begin():
                        assert execution.carry_out(session, steps, self.epoch, "node", now) == refused
        except epochs.StaleEpoch:
            self.stale = True
            return
        if fate in ("lost", "forgotten"):
            self.outcomes = outcomes + self.outcomes
            self.load(now)
            return
        begun = [each.entry for each in step.opened if each.entry.state is State.RUNNING] + step.started
        for entry in begun:
            if entry.id not in refused:
                self.running[entry.id] = entry


@dataclass
class Truth:
    """What holds: each version adds or takes one row; and what was done to the world."""

    versions: list[frozenset[Row]] = field(default_factory=lambda: [frozenset()])
    calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)  # by people, beyond the first time

    def appearances(self, row: Row) -> int:
        return sum(
            row in after and row not in before for before, after in zip(self.versions, self.versions[1:], strict=False)
        )


class Crashes(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database()
        self.truth = Truth()
        self.time = 1000.0
        self.node = Node(self.database, self.truth, self.now())
        self.zombies: list[Node] = []
        self.engines = [PolicyEngine("one"), PolicyEngine("two")]

    def now(self) -> float:
        self.time += 0.001
        return self.time

    # -- the world ---------------------------------------------------------------------------------------------------

    @rule(row=st.sampled_from(ROWS))
    def the_row_comes_or_goes(self, row: Row) -> None:
        self.truth.versions.append(self.truth.versions[-1] ^ {row})

    # -- policy engine nodes -----------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), lag=st.integers(0, 2), alone=st.booleans(), turns=st.booleans())
    def a_policy_engine_reports(self, which: int, lag: int, alone: bool, turns: bool) -> None:
        """It has caught up to within ``lag`` versions; ``alone``: the others have been silent for too long."""
        engine = self.engines[which]
        version = max(0, len(self.truth.versions) - 1 - lag)
        engine.position = max(engine.position, (self.node.epoch, version))
        self.time += 1.0 if alone else 0.0
        self.report(engine, self.node)
        for zombie in self.zombies:
            self.report(engine, zombie)
        if turns:
            self.node.turn(self.now(), "well")

    @rule(which=st.integers(0, 1))
    def a_policy_engine_begins_anew(self, which: int) -> None:
        self.engines[which] = PolicyEngine(self.engines[which].name)

    def report(self, engine: PolicyEngine, node: Node) -> None:
        epoch, version = engine.position
        reply = node.desk.take(engine.name, engine.boot, 1, None, None, self.now())
        if not reply.lead:
            return
        engine.number += 1
        stamp = Stamp(1, {"inv": (epoch, version + 1, 0)})
        rows = tuple((row, ("because",)) for row in self.truth.versions[version])
        reports = {rule_id: RuleReport(stamp, spec, rows) for rule_id, spec in RULES.items()}
        message = decode_report(encode_report(Report(engine.number, whole=True, revision=1, rules=reports)))
        node.desk.take(engine.name, engine.boot, 1, message, None, self.now())

    # -- datasource nodes --------------------------------------------------------------------------------------------

    @rule(fate=st.sampled_from(["well", "well", "well", "deaf", "lost", "forgotten"]))
    def the_node_turns(self, fate: str) -> None:
        self.node.turn(self.now(), fate)
        assert not self.node.stale

    @precondition(lambda self: self.zombies)
    @rule()
    def a_zombie_turns(self) -> None:
        for zombie in self.zombies:
            zombie.turn(self.now(), "well")
        self.zombies = [zombie for zombie in self.zombies if not zombie.stale]

    @rule()
    def the_node_dies(self) -> None:
        self.node = Node(self.database, self.truth, self.now())

    @rule()
    def the_node_lives_on_beside_its_successor(self) -> None:
        self.zombies.append(self.node)
        self.node = Node(self.database, self.truth, self.now())

    @rule(state=st.sampled_from([State.SUCCEEDED, State.FAILED, State.UNKNOWN]), zombie=st.booleans())
    def an_action_is_done(self, state: State, zombie: bool) -> None:
        for node in self.zombies if zombie else [self.node]:
            for identity in list(node.running)[:1]:
                del node.running[identity]
                self.truth.calls[identity] += 1
                self.truth.failures[identity] += state is State.FAILED
                node.outcomes.append(Outcome(identity, state, {}))

    @rule()
    def an_action_is_done_and_the_node_dies(self) -> None:
        for identity in list(self.node.running)[:1]:
            self.truth.calls[identity] += 1
        self.the_node_dies()

    # -- people ------------------------------------------------------------------------------------------------------

    @rule(to=st.sampled_from([State.SUCCEEDED, State.FAILED, State.PENDING]))
    def a_person_settles_what_is_unknown(self, to: State) -> None:
        for record in self.records():
            if record.state == State.UNKNOWN and (to is not State.PENDING or record.closed_at is None):
                with self.database.session() as session, session.begin():
                    said = activations.Settled(to.value, "a person", self.now())
                    activations.settle(session, record.id, {State.UNKNOWN}, to, said)
                self.truth.asked[record.id] += to is State.PENDING
                self.refresh([record.id])
                return

    def refresh(self, ids: Iterable[str]) -> None:
        with self.database.session() as session:
            for each in execution.open_ones(session, list(ids)):
                self.node.ledger.refresh(log_steps.entry_of(each))

    # -- what must hold ------------------------------------------------------------------------------------------------

    def records(self) -> list[models.Activation]:
        with self.database.session() as session:
            return list(session.scalars(select(models.Activation)))

    @invariant()
    def nothing_is_done_twice(self) -> None:
        for record in self.records():
            allowed = 1 + self.truth.asked[record.id]
            if record.rule_id == "tries":
                allowed += min(1, self.truth.failures[record.id])
            if not idempotent("", record.action):
                assert self.truth.calls[record.id] <= allowed, (record.id, record.state)

    @invariant()
    def a_row_has_no_more_activations_than_it_came(self) -> None:
        opened = Counter((record.rule_id, record.args) for record in self.records())
        for (rule_id, _), count in opened.items():
            assert count <= max(self.truth.appearances(row) for row in ROWS), rule_id
        for row in ROWS:
            for rule_id in RULES:
                own = sum(
                    count for (each, args), count in opened.items() if each == rule_id and args == f"[{_json(row)}]"
                )
                assert own <= self.truth.appearances(row), (rule_id, row)

    @invariant()
    def what_was_done_is_on_record(self) -> None:
        attempts = {record.id: record.attempts for record in self.records()}
        assert all(attempts.get(identity, 0) >= 1 for identity in self.truth.calls)

    def teardown(self) -> None:
        """Once all is well, everything that holds has been seen to, and nothing is left over."""
        engine = PolicyEngine("last", position=(self.node.epoch, len(self.truth.versions) - 1))
        self.time += 10.0
        for _ in range(60):
            self.report(engine, self.node)
            self.node.turn(self.now(), "well")
            self.an_action_is_done(State.SUCCEEDED, False)
        self.nothing_is_done_twice()
        records = self.records()
        assert {record.state for record in records} <= {"succeeded", "failed", "unknown", "cancelled"}
        held = self.truth.versions[-1]
        still = Counter((record.rule_id, record.args) for record in records if record.closed_at is None)
        assert still == {(rule_id, f"[{_json(row)}]"): 1 for rule_id in RULES for row in held}
        for record in records:
            done = self.truth.calls[record.id]
            assert done >= 1 or record.state != "succeeded" or "a person" in (record.settled or ""), "it was not done"
            assert not (record.closed_at is None and done == 0 and record.state == "cancelled"), "it was lost"


def _json(row: Row) -> str:
    value = row[0]
    return f'"{value}"' if isinstance(value, str) else str(value)


TestCrashes = pytest.mark.timeout(600)(Crashes.TestCase)
TestCrashes.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
