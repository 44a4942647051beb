"""What clients may do with policies and rules: each call is one revision, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from congressd.language import syntax
from congressd.language.parser import parse_rule
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.pe.holder import Holder
from congressd.pe.names import SYSTEM_POLICIES, check_free, check_name
from congressd.pe.policyset import Image, RuleImage
from congressd.pe.writer import Author, Writer
from congressd.store.changes import (
    Change,
    PolicyCreated,
    PolicyDeleted,
    PolicyUpdated,
    RuleCreated,
    RuleDeleted,
    RuleUpdated,
)
from congressd.store.records import PolicyRecord, RuleRecord, new_id


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule as a client writes it."""

    rule: str
    name: str | None = None
    comment: str = ""
    enabled: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


class Policies:
    """Policies are named by name or id, rules by id or by a name that only one rule of the policy has."""

    def __init__(self, holder: Holder, writer: Writer, clock: Clock) -> None:
        self._holder = holder
        self._writer = writer
        self._clock = clock

    # -- reading ----------------------------------------------------------------------------------------------

    def all(self) -> list[PolicyRecord]:
        """All policies, in the order in which they were made."""
        return [*self._holder.image.policies.values()]

    def get(self, policy: str) -> PolicyRecord:
        """One policy. Raises CongressError ``policy_not_exist``."""
        return self._holder.image.policy(policy)

    def rules(self, policy: str) -> Sequence[RuleImage]:
        """The rules of a policy, in the order in which they were made."""
        image = self._holder.image
        return tuple(image.rules[image.policy(policy).id].values())

    def rule(self, policy: str, rule: str) -> RuleImage:
        """One rule. Raises CongressError ``not_found``, or ``conflict`` if several have the name."""
        return _rule(self._holder.image, policy, rule)

    # -- policies ---------------------------------------------------------------------------------------------

    def create(
        self, fields: Mapping[str, Any], drafts: Sequence[RuleDraft], author: Author
    ) -> tuple[PolicyRecord, Sequence[RuleImage]]:
        """A new policy with its rules; equal rules are taken once. ``fields`` are those of `PolicyRecord`."""
        now = self._clock.now()
        name = check_name("policy", fields["name"])
        policy = PolicyRecord(
            new_id(),
            name,
            fields.get("abbreviation") or name[:5],
            fields.get("description") or "",
            kind=fields.get("kind") or "nonrecursive",
            created_at=now,
            updated_at=now,
        )
        rules = [_record(policy.id, draft, now) for draft in _distinct(drafts)]

        def build(image: Image) -> list[Change]:
            check_free(image, name)
            return [PolicyCreated(policy), *map(RuleCreated, rules)]

        image = self._writer.commit(build, author)
        return policy, _images(image, rules)

    def update(
        self, policy: str, fields: Mapping[str, Any], drafts: Sequence[RuleDraft] | None, author: Author
    ) -> tuple[PolicyRecord, Sequence[RuleImage]]:
        """Change the fields that are given; ``drafts``, if given, take the place of all rules.

        Rules that stay the same keep their ids. Raises CongressError ``no_policy_update_kind``.
        """
        now = self._clock.now()
        wanted = None if drafts is None else [_record("", draft, now) for draft in _distinct(drafts)]
        done: list[tuple[PolicyRecord, Sequence[RuleRecord]]] = []

        def build(image: Image) -> list[Change]:
            known = image.policy(policy)
            changed = self._changed(image, known, fields, now)
            changes: list[Change] = [] if changed == known else [PolicyUpdated(changed)]
            kept: Sequence[RuleRecord] = ()
            if wanted is not None:
                kept, more = _replacement(image.rules[known.id].values(), wanted, known.id, now)
                changes += more
            done[:] = [(changed, kept)]
            return changes

        image = self._writer.commit(build, author)
        changed, rules = done[0]
        return changed, _images(image, rules)

    def delete(self, policy: str, author: Author) -> PolicyRecord:
        """Delete a policy with its rules. Raises CongressError ``not_found`` for one that always exists."""
        done: list[PolicyRecord] = []

        def build(image: Image) -> list[Change]:
            known = image.policy(policy)
            if known.name in SYSTEM_POLICIES:
                raise CongressError("not_found", f"Cannot delete system-maintained policy {known.name}")
            done[:] = [known]
            return [PolicyDeleted(known)]

        self._writer.commit(build, author)
        return done[0]

    def ensure_system_policies(self) -> None:
        """Make the policies that always exist, if they do not."""
        for name, kind in SYSTEM_POLICIES.items():
            if name in self._holder.image.policy_ids:
                continue
            try:
                self.create({"name": name, "kind": kind, "description": f"{name} policy"}, (), Author("congressd"))
            except CongressError as error:
                if error.code.name != "name_taken":  # another node was first
                    raise

    def _changed(self, image: Image, known: PolicyRecord, fields: Mapping[str, Any], now: float) -> PolicyRecord:
        kind = fields.get("kind")
        if kind is not None and kind != known.kind:
            raise CongressError(
                "no_policy_update_kind",
                f"policy {known.name!r} is of kind {known.kind!r}; delete it and make a new one",
            )
        name = fields.get("name", known.name)
        if name != known.name:
            if known.name in SYSTEM_POLICIES:
                raise CongressError("forbidden", f"the policy {known.name!r} always exists and cannot be renamed")
            check_name("policy", name)
            check_free(image, name, known.id)
        changed = replace(
            known,
            name=name,
            abbreviation=(fields["abbreviation"] or name[:5]) if "abbreviation" in fields else known.abbreviation,
            description=fields.get("description", known.description),
        )
        return known if changed == known else replace(changed, updated_at=now)

    # -- rules ------------------------------------------------------------------------------------------------

    def add_rules(self, policy: str, drafts: Sequence[RuleDraft], author: Author) -> Sequence[RuleImage]:
        """Add rules, all or none; equal ones are taken once. Raises CongressError ``rule_already_exists``."""
        now = self._clock.now()
        rules = [_record("", draft, now) for draft in _distinct(drafts)]
        done: list[RuleRecord] = []

        def build(image: Image) -> list[Change]:
            if policy in image.source_ids or policy in image.sources:
                raise CongressError("rule_not_permitted", f"{policy!r} is a data source")
            policy_id = image.policy(policy).id
            done[:] = [replace(rule, policy_id=policy_id) for rule in rules]
            return [RuleCreated(rule) for rule in done]

        return _images(self._writer.commit(build, author), done)

    def update_rule(self, policy: str, rule: str, fields: Mapping[str, Any], author: Author) -> RuleImage:
        """Change the fields of a rule that are given: ``rule``, ``name``, ``comment``, ``enabled``, ``options``."""
        now = self._clock.now()
        done: list[RuleRecord] = []

        def build(image: Image) -> list[Change]:
            known = _rule(image, policy, rule).record
            changed = replace(known, **fields)
            if changed != known:
                changed = replace(changed, updated_at=now)
            done[:] = [changed]
            return [] if changed == known else [RuleUpdated(changed)]

        return _images(self._writer.commit(build, author), done)[0]

    def delete_rule(self, policy: str, rule: str, author: Author) -> RuleImage:
        """Delete a rule; what it was."""
        done: list[RuleImage] = []

        def build(image: Image) -> list[Change]:
            done[:] = [_rule(image, policy, rule)]
            return [RuleDeleted(done[0].record)]

        self._writer.commit(build, author)
        return done[0]


def _rule(image: Image, policy: str, rule: str) -> RuleImage:
    record = image.policy(policy)
    rules = image.rules[record.id]
    if rule in rules:
        return rules[rule]
    named = [each for each in rules.values() if each.record.name == rule]
    if not named:
        raise CongressError("not_found", f"policy {record.name!r} has no rule {rule[:255]!r}")
    if len(named) > 1:
        raise CongressError(
            "conflict", f"{len(named)} rules of policy {record.name!r} are named {rule[:255]!r}; use an id"
        )
    return named[0]


def _record(policy_id: str, draft: RuleDraft, now: float) -> RuleRecord:
    return RuleRecord(
        new_id(),
        policy_id,
        draft.rule,
        draft.name,
        draft.comment,
        draft.enabled,
        options=draft.options,
        created_at=now,
        updated_at=now,
    )


def _images(image: Image, records: Sequence[RuleRecord]) -> list[RuleImage]:
    """The rules as the image has them; those that somebody deleted meanwhile are left out."""
    found = (image.rule((record.policy_id, record.id)) for record in records)
    return [each for each in found if each is not None]


def _meaning(text: str) -> object:
    """Equal for texts that say the same rule: the same heads, and the same body in any order."""
    parsed: syntax.Rule = parse_rule(text)
    return (parsed.heads, frozenset(Counter(parsed.body).items()))


def _distinct(drafts: Sequence[RuleDraft]) -> list[RuleDraft]:
    """Each rule once, the first of equals. Raises CongressError with the number of a rule that cannot be read."""
    out: dict[object, RuleDraft] = {}
    for index, draft in enumerate(drafts):
        try:
            out.setdefault(_meaning(draft.rule), draft)
        except CongressError as error:
            if len(drafts) == 1:
                raise
            raise CongressError(error.code.name, f"rules[{index}]: {error.detail}", error.data) from None
    return [*out.values()]


def _replacement(
    known: Iterable[RuleImage], wanted: Sequence[RuleRecord], policy_id: str, now: float
) -> tuple[list[RuleRecord], list[Change]]:
    """The rules as they will be, and the changes that make a policy's rules so; rules that stay keep their ids."""
    old = {_meaning(rule.record.rule): rule.record for rule in known}
    kept: list[RuleRecord] = []
    changes: list[Change] = []
    for rule in wanted:
        same = old.pop(_meaning(rule.rule), None)
        if same is None:
            kept.append(replace(rule, policy_id=policy_id))
            changes.append(RuleCreated(kept[-1]))
            continue
        new = replace(
            same, rule=rule.rule, name=rule.name, comment=rule.comment, enabled=rule.enabled, options=rule.options
        )
        kept.append(same if new == same else replace(new, updated_at=now))
        if new != same:
            changes.append(RuleUpdated(kept[-1]))
    return kept, [*map(RuleDeleted, old.values()), *changes]
