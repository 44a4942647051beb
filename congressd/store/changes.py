"""What one revision changes, and the snapshot that all revisions up to one add up to. Pure.

The invariant that everything rests on: ``apply(load(at r), changes_since(r)) == load(now)``. A node that holds a
snapshot follows the log with `apply` and never holds a mixture of two revisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from congressd.store import records
from congressd.store.records import PolicyRecord, Record, RuleRecord, SourceRecord


@dataclass(frozen=True, slots=True)
class PolicyCreated:
    """A new policy, still without rules (they follow as `RuleCreated`, in the same revision if that is wanted)."""

    record: PolicyRecord


@dataclass(frozen=True, slots=True)
class PolicyUpdated:
    """A policy with another name, description or the like; its rules stay."""

    record: PolicyRecord


@dataclass(frozen=True, slots=True)
class PolicyDeleted:
    """A policy is gone, and all its rules with it: no `RuleDeleted` is logged for them."""

    record: PolicyRecord


@dataclass(frozen=True, slots=True)
class RuleCreated:
    """A new rule."""

    record: RuleRecord


@dataclass(frozen=True, slots=True)
class RuleUpdated:
    """A rule with another text, comment or option, or one that was enabled or disabled. Its policy stays."""

    record: RuleRecord


@dataclass(frozen=True, slots=True)
class RuleDeleted:
    """A rule is gone."""

    record: RuleRecord


@dataclass(frozen=True, slots=True)
class SourceCreated:
    """A new source."""

    record: SourceRecord


@dataclass(frozen=True, slots=True)
class SourceUpdated:
    """A source with another name, configuration or the like; its pushed rows stay."""

    record: SourceRecord


@dataclass(frozen=True, slots=True)
class SourceDeleted:
    """A source is gone, and all its pushed rows with it."""

    record: SourceRecord


Change: TypeAlias = (
    PolicyCreated
    | PolicyUpdated
    | PolicyDeleted
    | RuleCreated
    | RuleUpdated
    | RuleDeleted
    | SourceCreated
    | SourceUpdated
    | SourceDeleted
)

#: The name of each kind of change in the log, and the record that it carries. Once given, a name never changes.
KINDS: Final[dict[str, tuple[Callable[[Any], Change], type[Record]]]] = {
    "policy_created": (PolicyCreated, PolicyRecord),
    "policy_updated": (PolicyUpdated, PolicyRecord),
    "policy_deleted": (PolicyDeleted, PolicyRecord),
    "rule_created": (RuleCreated, RuleRecord),
    "rule_updated": (RuleUpdated, RuleRecord),
    "rule_deleted": (RuleDeleted, RuleRecord),
    "source_created": (SourceCreated, SourceRecord),
    "source_updated": (SourceUpdated, SourceRecord),
    "source_deleted": (SourceDeleted, SourceRecord),
}
_NAMES: Final = {change: name for name, (change, _) in KINDS.items()}


def kind_of(change: Change) -> str:
    """The name of a change's kind."""
    return _NAMES[type(change)]


def encode(change: Change) -> tuple[str, str]:
    """The name of a change's kind and its record as JSON text. Raises what `records.encode` raises."""
    return kind_of(change), records.encode(change.record)


def decode(kind: str, text: str) -> Change:
    """The change that `encode` wrote."""
    change, record = KINDS[kind]
    return change(records.decode(record, text))


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """One change of the log: ``position`` counts from 0 within its ``revision``; ``at`` in seconds since 1970."""

    revision: int
    position: int
    change: Change
    author: str
    at: float


@dataclass(frozen=True, slots=True)
class LoggedRevision:
    """One revision of the log. ``changes`` may be only the first of its ``count``; ``at`` in seconds since 1970."""

    revision: int
    author: str
    at: float
    count: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All policies, rules and sources of exactly one revision, by id, in the order in which they were created."""

    revision: int = 0
    policies: Mapping[str, PolicyRecord] = field(default_factory=dict)
    rules: Mapping[str, RuleRecord] = field(default_factory=dict)
    sources: Mapping[str, SourceRecord] = field(default_factory=dict)


def apply(snapshot: Snapshot, logged: Iterable[LoggedChange]) -> Snapshot:
    """The snapshot after these changes, which must be whole revisions, in order, from the snapshot's own onwards."""
    policies, rules, sources = dict(snapshot.policies), dict(snapshot.rules), dict(snapshot.sources)
    revision = snapshot.revision
    for entry in logged:
        match entry.change:
            case PolicyCreated(policy) | PolicyUpdated(policy):
                policies[policy.id] = policy
            case PolicyDeleted(policy):
                policies.pop(policy.id, None)
                rules = {key: rule for key, rule in rules.items() if rule.policy_id != policy.id}
            case RuleCreated(rule) | RuleUpdated(rule):
                rules[rule.id] = rule
            case RuleDeleted(rule):
                rules.pop(rule.id, None)
            case SourceCreated(source) | SourceUpdated(source):
                sources[source.id] = source
            case SourceDeleted(source):
                sources.pop(source.id, None)
        revision = entry.revision
    return Snapshot(revision, policies, rules, sources)
