"""The next image in the making: changes are applied to a copy that shares what does not change. Pure.

A rule that refers by name to columns that nobody knows yet *waits*: it is kept and shown as waiting, and becomes
active when the schema arrives. A rule that no longer fits a source's schema waits too, and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar

from congressd.language import core, syntax
from congressd.language.catalog import DATASOURCE
from congressd.language.check import check_rule, rule_key
from congressd.language.parser import parse_rule
from congressd.model.errors import CongressError
from congressd.model.tables import TableSchema
from congressd.pe.actions_check import EXECUTE, Services, check_action, check_options
from congressd.pe.catalog import Head, ImageCatalog, RuleKey, TableUse
from congressd.pe.forms import TableName, form_of
from congressd.pe.policyset import Image, Plan, RuleImage, RuleState
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
    SourceUpdated,
)
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord

K = TypeVar("K")
V = TypeVar("V")

#: What a rule can see of a table: kind of the policy, number and names of columns, whether something defines it.
_Facts: TypeAlias = tuple[str | None, int | None, tuple[str, ...] | None, bool]


def _without(mapping: Mapping[K, V], key: K) -> dict[K, V]:
    copy = dict(mapping)
    copy.pop(key, None)
    return copy


class Draft:
    """An image that changes. ``apply`` any number of changes, then ``plan`` once."""

    def __init__(self, image: Image, services: Services | None = None) -> None:
        """Without ``services`` the actions of execute rules are not looked at."""
        self._old = image
        self._services = services
        self._policies = dict(image.policies)
        self._sources = dict(image.sources)
        self._rules: dict[str, dict[str, RuleImage]] = dict(image.rules)  # type: ignore[arg-type]  # copied when changed
        self._keys: dict[str, dict[object, str]] = dict(image.keys)  # type: ignore[arg-type]  # copied when changed
        self._tables: dict[str, dict[str, TableUse]] = dict(image.tables)  # type: ignore[arg-type]  # likewise
        self._schemas = dict(image.schemas)
        self._copied: set[tuple[str, str]] = set()
        self._uses: set[TableName] = set()  # tables whose TableUse this draft owns
        self._written: dict[RuleKey, syntax.Rule] = {}  # rules that the changes make or alter
        self._changed: dict[RuleKey, None] = {}  # rules that are not what they were
        self._resourced: set[str] = set()  # sources that came, went or changed their names
        self._renamed: set[str] = set()  # policies and sources that came, went or changed their names

    # -- the changes ------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """One change, after those before it. Raises CongressError ``rule_syntax`` for a rule that is no rule."""
        match change:
            case PolicyCreated(policy):
                self._policies[policy.id] = policy
                self._rules[policy.id] = {}
                self._keys[policy.id] = {}
                self._copied |= {("rules", policy.id), ("keys", policy.id)}
                self._renamed.add(policy.name)
            case PolicyUpdated(policy):
                self._update_policy(policy)
            case PolicyDeleted(policy):
                for rule in list(self._rules[policy.id].values()):
                    self._drop(rule)
                del self._policies[policy.id], self._rules[policy.id], self._keys[policy.id]
                self._renamed.add(policy.name)
            case RuleCreated(record) | RuleUpdated(record):
                self._write(record)
            case RuleDeleted(record):
                known = self._rules.get(record.policy_id, {}).get(record.id)
                if known is not None:
                    self._drop(known)
            case SourceCreated(source):
                self._sources[source.id] = source
                self._renamed.add(source.name)
                self._resourced.add(source.name)
            case SourceUpdated(source):
                self._update_source(source)
            case SourceDeleted(source):
                del self._sources[source.id]
                self._schemas.pop(source.name, None)
                self._renamed.add(source.name)
                self._resourced.add(source.name)

    def set_schema(self, source: str, tables: Mapping[str, TableSchema] | None) -> None:
        """What is known of a source's tables from now on."""
        if tables is None:
            self._schemas.pop(source, None)
        else:
            self._schemas[source] = tables
        self._renamed.add(source)

    def _update_policy(self, policy: PolicyRecord) -> None:
        old = self._policies[policy.id]
        self._policies[policy.id] = policy
        if old.name != policy.name or old.kind != policy.kind:
            self._renamed |= {old.name, policy.name}
            for rule in list(self._rules[policy.id].values()):
                self._write(rule.record)

    def _update_source(self, source: SourceRecord) -> None:
        old = self._sources[source.id]
        self._sources[source.id] = source
        if old.name != source.name:
            self._schemas.pop(old.name, None)
            self._renamed |= {old.name, source.name}
            self._resourced |= {old.name, source.name}

    def _write(self, record: RuleRecord) -> None:
        """Put a rule where it belongs, by its form; what it means is found out when all forms are known."""
        policy = self._policies[record.policy_id].name
        known = self._rules[record.policy_id].get(record.id)
        parsed = parse_rule(record.rule)
        form = form_of(parsed, policy)
        if known is not None:
            self._forget(known)
        rule = RuleImage(record, policy, form, RuleState.DISABLED)
        self._own_rules((record.policy_id, record.id))[record.id] = rule
        if record.enabled:
            self._note(rule)
        self._written[(record.policy_id, record.id)] = parsed

    def _drop(self, rule: RuleImage) -> None:
        self._forget(rule)
        key = (rule.record.policy_id, rule.record.id)
        del self._own_rules(key)[rule.record.id]
        self._written.pop(key, None)

    # -- what rules say about tables ----------------------------------------------------------------------------

    def _note(self, rule: RuleImage) -> None:
        key = (rule.record.policy_id, rule.record.id)
        form = rule.form
        if form.head.modal is None:
            head = Head(rule.record.created_at, form.arity, form.names)
            self._own_use((form.head.policy, form.head.name)).heads[key] = head
        for mention in form.body:
            self._own_use(mention.table).uses[key] = mention.arity

    def _forget(self, rule: RuleImage) -> None:
        key = (rule.record.policy_id, rule.record.id)
        form = rule.form
        for table in {(form.head.policy, form.head.name), *(mention.table for mention in form.body)}:
            use = self._own_use(table)
            use.heads.pop(key, None)
            use.uses.pop(key, None)
        keys = self._own_keys(rule.record.policy_id)
        if rule.key is not None and keys.get(rule.key) == rule.record.id:
            del keys[rule.key]

    def _own_rules(self, key: RuleKey) -> dict[str, RuleImage]:
        """The rules of the policy of ``key``, to change that rule."""
        policy_id = key[0]
        self._changed[key] = None
        if ("rules", policy_id) not in self._copied:
            self._copied.add(("rules", policy_id))
            self._rules[policy_id] = dict(self._rules.get(policy_id, {}))
        return self._rules[policy_id]

    def _own_keys(self, policy_id: str) -> dict[object, str]:
        if ("keys", policy_id) not in self._copied:
            self._copied.add(("keys", policy_id))
            self._keys[policy_id] = dict(self._keys.get(policy_id, {}))
        return self._keys[policy_id]

    def _own_use(self, table: TableName) -> TableUse:
        policy, name = table
        if ("tables", policy) not in self._copied:
            self._copied.add(("tables", policy))
            self._tables[policy] = dict(self._tables.get(policy, {}))
        known = self._tables[policy].get(name, TableUse())
        if table not in self._uses:
            self._uses.add(table)
            known = TableUse(dict(known.heads), dict(known.uses))
            self._tables[policy][name] = known
        return known

    # -- the plan ------------------------------------------------------------------------------------------------

    def plan(self, strict: bool) -> Plan:
        """The step from the old image to this one; see `PolicyBook.plan`."""
        for policy, name in self._uses:
            use = self._tables[policy][name]
            if not use.heads and not use.uses:
                del self._tables[policy][name]
                if not self._tables[policy]:
                    del self._tables[policy]
        image = self._image()
        catalog = ImageCatalog(image)
        before = ImageCatalog(self._old)
        touched = self._touched(before, catalog)
        if strict:
            self._check_arities(touched, before)
        readers = self._readers(touched)
        readers |= self._askers()
        for key in [*self._written, *(key for key in readers if key not in self._written)]:
            self._settle(key, catalog, strict)
        return self._difference()

    def _image(self) -> Image:
        return Image(
            self._old.revision,
            self._policies,
            self._sources,
            {record.name: record.id for record in self._policies.values()},
            {record.name: record.id for record in self._sources.values()},
            self._rules,
            self._keys,
            self._tables,
            self._schemas,
        )

    def _touched(self, before: ImageCatalog, catalog: ImageCatalog) -> set[TableName]:
        """The tables that rules may see otherwise than before."""
        candidates = set(self._uses)
        for policy in self._renamed:
            candidates |= {(policy, name) for name in self._tables.get(policy, ())}
        return {table for table in candidates if _facts(before, table) != _facts(catalog, table)}

    def _readers(self, tables: set[TableName]) -> dict[RuleKey, None]:
        readers: dict[RuleKey, None] = {}
        for policy, name in sorted(tables):
            use = self._tables.get(policy, {}).get(name)
            if use is not None:
                readers |= dict.fromkeys(use.heads)
                readers |= dict.fromkeys(use.uses)
        return readers

    def _askers(self) -> dict[RuleKey, None]:
        """The rules that ask sources to act which came, went or changed their names."""
        if not self._resourced:
            return {}
        return {
            (policy_id, rule_id): None
            for policy_id, rules in self._rules.items()
            for rule_id, rule in rules.items()
            if rule.form.head.modal == EXECUTE and rule.form.head.policy in self._resourced
        }

    def _check_arities(self, touched: set[TableName], before: ImageCatalog) -> None:
        """Refuse to give a table another number of columns than that with which rules that stay read it."""
        sources = {record.name for record in self._sources.values()}
        for policy, name in touched if self._written else ():
            use = self._tables.get(policy, {}).get(name)
            if use is None or policy in sources or before.arity(policy, name) in (None, use.arity):
                continue
            for key, arity in use.uses.items():
                if key not in self._written and arity is not None and use.arity is not None and arity != use.arity:
                    raise CongressError(
                        "rule_syntax",
                        f"Literal {policy}:{name} contained {use.arity} arguments but exactly {arity} arguments are "
                        f"permitted: the rule {self._shown(key)} reads it so",
                    )

    def _settle(self, key: RuleKey, catalog: ImageCatalog, strict: bool) -> None:
        """Find out what a rule means now."""
        rule = self._rules[key[0]][key[1]]
        if not rule.record.enabled:
            return
        settled = self._understand(rule, catalog, strict, key in self._written)
        keys = self._own_keys(key[0])
        other = keys.get(settled.key)
        if strict and other is not None and other != key[1] and key in self._written:
            raise CongressError(
                "rule_already_exists", f"policy {rule.policy!r} has the rule {rule.record.rule!r} as {other}"
            )
        if rule.key is not None and keys.get(rule.key) == key[1]:
            del keys[rule.key]
        keys.setdefault(settled.key, key[1])
        if settled != rule:
            self._own_rules(key)[key[1]] = settled

    def _understand(self, rule: RuleImage, catalog: ImageCatalog, strict: bool, written: bool) -> RuleImage:
        if strict and written and catalog.policy_kind(rule.policy) == DATASOURCE:
            raise CongressError("rule_not_permitted", f"{rule.policy!r} is a data source")
        try:
            key = (rule.record.policy_id, rule.record.id)
            checked = check_rule(self._written.get(key, rule.record.rule), rule.policy, catalog, rule.record.id)
            if self._services is not None:
                check_options(rule.record, rule.form.head.modal)
                if rule.form.head.modal == EXECUTE:
                    check_action(checked.rule, self._services, {each.name: each for each in self._sources.values()})
        except CongressError as error:
            if strict and not _waits(error):
                self._refuse(rule, written, error)
            reason = error.detail
        else:
            return replace(
                rule,
                state=RuleState.ACTIVE,
                rule=checked.rule,
                key=rule_key(checked.rule),
                reason="",
                warnings=checked.warnings,
            )
        return replace(
            rule,
            state=RuleState.WAITING,
            rule=None,
            key=" ".join(rule.record.rule.split()),
            reason=reason,
            warnings=(f"the rule has no effect yet: {reason}",),
        )

    def _refuse(self, rule: RuleImage, written: bool, error: CongressError) -> None:
        """Raise the error if the changes are to blame for it."""
        if written:
            if len(self._written) == 1:
                raise error
            shown = " ".join(rule.record.rule.split())[:200]
            raise CongressError(error.code.name, f"rule {shown!r}: {error.detail}", error.data) from None
        if rule.state is RuleState.ACTIVE and self._written:
            raise CongressError(
                "rule_syntax",
                f"the existing rule {self._shown((rule.record.policy_id, rule.record.id))} would not be valid any "
                f"longer: {error.detail}",
                error.data,
            ) from None

    def _shown(self, key: RuleKey) -> str:
        rule = self._rules[key[0]][key[1]]
        return f"{' '.join(rule.record.rule.split())[:200]!r} of policy {rule.policy!r}"

    def _difference(self) -> Plan:
        removed: list[core.Rule] = []
        added: list[core.Rule] = []
        edges_removed, edges_added = [], []
        for policy_id, rule_id in self._changed:
            before = self._old.rules.get(policy_id, {}).get(rule_id)
            after = self._rules.get(policy_id, {}).get(rule_id)
            was, now = (each.runs if each else () for each in (before, after))
            if was != now:
                removed += was
                added += now
            edges_were, edges_are = (each.edges if each else None for each in (before, after))
            if edges_were != edges_are:
                edges_removed += [edges_were] if edges_were else []
                edges_added += [edges_are] if edges_are else []
        written = (self._rules[policy_id][rule_id] for policy_id, rule_id in self._written)
        named = {mention.table[0] for rule in written for mention in rule.form.body}
        sources = {record.name for record in self._sources.values()}
        unknown = frozenset(name for name in named & sources if not self._schemas.get(name))
        return Plan(self._image(), removed, added, edges_removed, edges_added, unknown)


def _waits(error: CongressError) -> bool:
    """Whether the language says that the rule may be right once a schema is known."""
    return isinstance(error.data, dict) and error.data.get("reason") == "schema_unknown"


def _facts(catalog: ImageCatalog, table: TableName) -> _Facts:
    policy, name = table
    kind = catalog.policy_kind(policy)
    defined = name in catalog.tables(policy) if kind == DATASOURCE else catalog.defines(policy, name)
    return (kind, catalog.arity(policy, name), catalog.columns(policy, name), defined)
