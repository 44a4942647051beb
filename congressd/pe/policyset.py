"""The image of all policies, rules and sources at exactly one revision, and the plan of the step to the next one.

Pure data; an `Image` never changes once it is made. A rule belongs to its own policy and to no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from congressd.language import core
from congressd.model.errors import CongressError
from congressd.model.tables import TableSchema
from congressd.pe.catalog import RuleKey, TableUse
from congressd.pe.forms import Form, is_runnable, own_rule, skeleton
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord

#: The tables of each source whose schema is known.
Schemas: TypeAlias = Mapping[str, Mapping[str, TableSchema]]


class RuleState(StrEnum):
    """ACTIVE rules run; WAITING ones lack a schema, or do not fit it; DISABLED ones were switched off."""

    ACTIVE = "active"
    WAITING = "waiting"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class RuleImage:
    """A rule as this node understands it.

    ``rule`` is its core form, None unless the state is ACTIVE; ``key`` is equal for rules that say the same.
    """

    record: RuleRecord
    policy: str
    form: Form
    state: RuleState
    rule: core.Rule | None = None
    key: object = None
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[core.Rule, ...]:
        """What the engine runs; the effects of actions are for simulations only.

        An execute rule has a table of its own besides the one that it shares with others, since each rule has options
        of its own.
        """
        if self.rule is None or not is_runnable(self.rule):
            return ()
        if self.rule.head.table.modal is None:
            return (self.rule,)
        return (self.rule, own_rule(self.rule))

    @property
    def edges(self) -> core.Rule | None:
        """What the dependency graph knows of the rule; a waiting rule counts, a disabled one does not."""
        if self.state is RuleState.DISABLED:
            return None
        return self.rule or skeleton(self.form, self.record.id)


@dataclass(frozen=True, slots=True)
class Image:
    """Everything at one revision.

    ``rules`` are by policy id and rule id, in the order in which they were made; ``keys`` by policy id and `RuleImage`
    key; ``tables`` by the names of policy and table, for sources too.
    """

    revision: int = 0
    policies: Mapping[str, PolicyRecord] = field(default_factory=dict)
    sources: Mapping[str, SourceRecord] = field(default_factory=dict)
    policy_ids: Mapping[str, str] = field(default_factory=dict)
    source_ids: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Mapping[str, RuleImage]] = field(default_factory=dict)
    keys: Mapping[str, Mapping[object, str]] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, TableUse]] = field(default_factory=dict)
    schemas: Schemas = field(default_factory=dict)

    def policy(self, name_or_id: str) -> PolicyRecord:
        """The policy with this name, or else this id. Raises CongressError ``policy_not_exist``."""
        found = self.policies.get(self.policy_ids.get(name_or_id, name_or_id))
        if found is None:
            raise CongressError("policy_not_exist", f"there is no policy {name_or_id[:255]!r}")
        return found

    def source(self, name_or_id: str) -> SourceRecord:
        """The source with this name, or else this id. Raises CongressError ``not_found``."""
        found = self.sources.get(self.source_ids.get(name_or_id, name_or_id))
        if found is None:
            raise CongressError("not_found", f"there is no data source {name_or_id[:255]!r}")
        return found

    def rule(self, key: RuleKey) -> RuleImage | None:
        """The rule with these ids of policy and rule."""
        return self.rules.get(key[0], {}).get(key[1])

    def without(self, refused: Mapping[RuleKey, str]) -> Image:
        """The same with rules that the engine refused: they wait, for the reasons given."""
        rules = dict(self.rules)
        for (policy_id, rule_id), reason in refused.items():
            known = rules[policy_id][rule_id]
            warnings = (f"the rule has no effect: {reason}",)
            waiting = replace(known, state=RuleState.WAITING, rule=None, reason=reason, warnings=warnings)
            rules[policy_id] = {**rules[policy_id], rule_id: waiting}
        return replace(self, rules=rules)

    def sources_read(self) -> frozenset[str]:
        """The sources that rules name, active or waiting."""
        return frozenset(
            policy
            for policy, tables in self.tables.items()
            if policy in self.source_ids and any(use.uses for use in tables.values())
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A checked step: the image after it, and the core rules that the engine loses and gains.

    ``unknown`` are sources without a known schema that rules of the step name.
    """

    image: Image
    removed: Sequence[core.Rule] = ()
    added: Sequence[core.Rule] = ()
    edges_removed: Sequence[core.Rule] = ()
    edges_added: Sequence[core.Rule] = ()
    unknown: frozenset[str] = frozenset()
