"""Random histories of policies, rules, sources and schemas: every way to a state gives the same state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from congressd.language import core
from congressd.model.errors import CongressError
from congressd.model.tables import Column, TableSchema
from congressd.pe.book import PolicyBook
from congressd.pe.policyset import Image, Plan
from congressd.store.changes import (
    Change,
    PolicyCreated,
    PolicyDeleted,
    PolicyUpdated,
    RuleCreated,
    RuleDeleted,
    RuleUpdated,
    SourceCreated,
    SourceDeleted,
)
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord

NAMES = ("a", "b", "nova")
TABLES = ("p", "q", "t")


def _atom(draw: st.DrawFn, *, head: bool = False) -> str:
    table = draw(st.sampled_from(TABLES))
    if not head and draw(st.booleans()):
        table = f"{draw(st.sampled_from(NAMES))}:{table}"
    if not head and draw(st.integers(0, 3)) == 0:
        return f"{table}({draw(st.sampled_from(['x', 'y', 'c1', 'c2']))}=x)"
    return f"{table}({', '.join(['x', 'y', 'z'][: draw(st.integers(1, 3))])})"


@st.composite
def rule_texts(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 3)) == 0:
        return f"{draw(st.sampled_from(TABLES))}({', '.join('1' * draw(st.integers(1, 2)))})"
    body = [_atom(draw) for _ in range(draw(st.integers(1, 3)))]
    return f"{_atom(draw, head=True)} :- {', '.join(body)}"


class History:
    """A book with what the engine would hold."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.book = PolicyBook()
        self.running: Counter[core.Rule] = Counter()
        self.edges: Counter[core.Rule] = Counter()
        self.number = 0
        self.adopt(self.book.plan([PolicyCreated(PolicyRecord(name, name)) for name in ("a", "b")]))
        self.adopt(self.book.plan([SourceCreated(SourceRecord("nova", "nova", "fake"))]))

    def step(self) -> None:
        rules: list[Callable[[], list[Change]]] = [self.new_rules] * 8 + [self.alter_rule] * 3 + [self.drop_rule]
        names = [self.new_policy, self.drop_policy, self.rename_policy, self.new_source, self.drop_source]
        way = self.draw(st.sampled_from([*rules, *names, self.schema, self.schema]))
        try:
            changes = way()
            if changes:
                self.adopt(self.book.plan(changes))
        except CongressError:
            pass

    def adopt(self, plan: Plan) -> None:
        self.book.enter(plan)
        self.book.adopt(plan)
        for counter, gone, come in (
            (self.running, plan.removed, plan.added),
            (self.edges, plan.edges_removed, plan.edges_added),
        ):
            counter.subtract(gone)
            counter.update(come)
            assert min(counter.values(), default=0) >= 0

    def fresh(self) -> str:
        self.number += 1
        return f"id{self.number}"

    def taken(self, name: str) -> bool:
        return name in self.book.image.policy_ids or name in self.book.image.source_ids

    def policy(self) -> PolicyRecord | None:
        policies = list(self.book.image.policies.values())
        return self.draw(st.sampled_from(policies)) if policies else None

    def rule(self) -> RuleRecord | None:
        rules = [rule.record for rules in self.book.image.rules.values() for rule in rules.values()]
        return self.draw(st.sampled_from(rules)) if rules else None

    def new_policy(self) -> list[Change]:
        name = self.draw(st.sampled_from(NAMES))
        return [] if self.taken(name) else [PolicyCreated(PolicyRecord(self.fresh(), name))]

    def rename_policy(self) -> list[Change]:
        policy, name = self.policy(), self.draw(st.sampled_from(NAMES))
        return [] if policy is None or self.taken(name) else [PolicyUpdated(PolicyRecord(policy.id, name))]

    def drop_policy(self) -> list[Change]:
        policy = self.policy()
        return [] if policy is None else [PolicyDeleted(policy)]

    def new_rules(self) -> list[Change]:
        policy = self.policy()
        texts = self.draw(st.lists(rule_texts(), min_size=1, max_size=3))
        enabled = self.draw(st.integers(0, 5)) > 0
        return [] if policy is None else [self.made(policy.id, text, enabled) for text in texts]

    def made(self, policy_id: str, text: str, enabled: bool) -> Change:
        return RuleCreated(RuleRecord(self.fresh(), policy_id, text, enabled=enabled, created_at=float(self.number)))

    def alter_rule(self) -> list[Change]:
        rule = self.rule()
        if rule is None:
            return []
        text = self.draw(st.sampled_from([rule.rule, self.draw(rule_texts())]))
        return [RuleUpdated(replace(rule, rule=text, enabled=self.draw(st.integers(0, 3)) > 0))]

    def drop_rule(self) -> list[Change]:
        rule = self.rule()
        return [] if rule is None else [RuleDeleted(rule)]

    def new_source(self) -> list[Change]:
        return [] if self.taken("nova") else [SourceCreated(SourceRecord(self.fresh(), "nova", "fake"))]

    def drop_source(self) -> list[Change]:
        return [SourceDeleted(source) for source in self.book.image.sources.values()]

    def schema(self) -> list[Change]:
        if "nova" in self.book.image.source_ids:
            names = self.draw(st.lists(st.sampled_from(TABLES), unique=True, max_size=3))
            columns = self.draw(st.integers(1, 3))
            tables = {name: TableSchema(name, tuple(Column(f"c{n}") for n in range(1, columns + 1))) for name in names}
            self.adopt(self.book.plan_schema("nova", tables))
        return []


def _reloaded(image: Image) -> PolicyBook:
    book = PolicyBook()
    changes: list[Change] = [SourceCreated(source) for source in image.sources.values()]
    changes += [PolicyCreated(policy) for policy in image.policies.values()]
    changes += [RuleCreated(rule.record) for rules in image.rules.values() for rule in rules.values()]
    plan = book.plan(changes, strict=False)
    book.enter(plan)
    book.adopt(plan)
    for source, tables in image.schemas.items():
        plan = book.plan_schema(source, tables)
        book.enter(plan)
        book.adopt(plan)
    return book


def _running(image: Image) -> Counter[core.Rule]:
    return Counter(run for rules in image.rules.values() for rule in rules.values() for run in rule.runs)


def _edges(image: Image) -> Counter[core.Rule]:
    return Counter(rule.edges for rules in image.rules.values() for rule in rules.values() if rule.edges is not None)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_engine_gets_exactly_what_the_image_has_and_a_reload_gives_the_same(data: st.DataObject) -> None:
    history = History(data)
    for _ in range(data.draw(st.integers(5, 25))):
        history.step()
        image = history.book.image
        assert +history.running == _running(image)
        assert +history.edges == _edges(image)
        arities: dict[core.Table, set[int]] = {}
        for rule in _running(image):
            for atom in (rule.head, *(item.atom for item in rule.body if isinstance(item, core.Literal))):
                arities.setdefault(atom.table, set()).add(len(atom.args))
        assert all(len(sizes) == 1 for sizes in arities.values()), arities
    again = _reloaded(history.book.image)
    assert _running(again.image) == _running(history.book.image)
