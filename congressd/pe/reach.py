"""What is worked out once an image: what lies below tables, the tables of a policy, columns, shapes of queries.

Below a table are the sources that its rows come from, and perhaps rules that do not work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from congressd.language.reader import QueryReader
from congressd.pe.catalog import ImageCatalog
from congressd.pe.columns import Columns, of_table
from congressd.pe.forms import TableName
from congressd.pe.policyset import Image, RuleImage, RuleState

#: Of so many rules that do not work an answer tells.
MOST_WARNINGS: Final = 5


class Reach:
    """Memory for one image. Safe for several threads: what they work out twice is the same."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.reader = QueryReader(ImageCatalog(image))
        self._sources: dict[TableName, frozenset[str]] = {}
        self._tables: dict[str, frozenset[str]] = {}
        self._columns: dict[TableName, Columns] = {}
        self._idle: dict[TableName, Sequence[RuleImage]] = {}

    def sources(self, tables: Iterable[TableName]) -> frozenset[str]:
        """The sources that the rows of these tables come from."""
        return frozenset().union(*map(self._below, tables))

    def warnings(self, tables: Iterable[TableName]) -> tuple[str, ...]:
        """Sentences on rules that do not work, and without which the rows of these tables may be wrong."""
        if not self._all_idle:
            return ()
        idle = dict.fromkeys(rule.record.id for table in tables for rule in self._idle_below(table))
        known = {rule.record.id: rule for rules in self._all_idle.values() for rule in rules}
        told = [_sentence(known[rule_id]) for rule_id in [*idle][:MOST_WARNINGS]]
        if len(idle) > MOST_WARNINGS:
            told.append(f"{len(idle) - MOST_WARNINGS} more rules that the answer rests on do not work.")
        return tuple(told)

    def tables(self, policy_id: str) -> frozenset[str]:
        """The tables that the rules of a policy define or read, those of others with their policy's name."""
        known = self._tables.get(policy_id)
        if known is None:
            name = self.image.policies[policy_id].name
            found: set[TableName] = set()
            for rule in self.image.rules[policy_id].values():
                if rule.form.head.modal is None:
                    found.add((rule.form.head.policy, rule.form.head.name))
                found |= {mention.table for mention in rule.form.body}
            known = frozenset(table if policy == name else f"{policy}:{table}" for policy, table in found)
            self._tables[policy_id] = known
        return known

    def columns(self, table: TableName, arity: int) -> Columns:
        """The names of the columns of a table that has ``arity`` of them."""
        known = self._columns.get(table)
        if known is None or len(known) != arity:
            known = self._columns[table] = of_table(self.image, table, arity)
        return known

    @cached_property
    def _all_idle(self) -> Mapping[TableName, Sequence[RuleImage]]:
        """The rules that do not work, by the table that they would define; those that ask for actions define none."""
        found: dict[TableName, list[RuleImage]] = {}
        for rules in self.image.rules.values():
            for rule in rules.values():
                if rule.state is not RuleState.ACTIVE and rule.form.head.modal is None:
                    found.setdefault((rule.form.head.policy, rule.form.head.name), []).append(rule)
        return found

    def _idle_below(self, start: TableName) -> Sequence[RuleImage]:
        known = self._idle.get(start)
        if known is None:
            known = [rule for table in self._closure(start) for rule in self._all_idle.get(table, ())]
            self._idle[start] = known
        return known

    def _closure(self, start: TableName) -> Iterable[TableName]:
        """The table and those that it rests on, through rules that are not disabled."""
        found = {start: None}
        todo = [start]
        while todo:
            policy, name = todo.pop()
            use = self.image.tables.get(policy, {}).get(name)
            for key in use.heads if use else ():
                rule = self.image.rule(key)
                below = [mention.table for mention in rule.form.body if mention.table not in found] if rule else []
                found |= dict.fromkeys(below)
                todo += below
        return found

    def _below(self, start: TableName) -> frozenset[str]:
        known = self._sources.get(start)
        if known is not None:
            return known
        image = self.image
        seen = {start}
        todo = [start]
        sources: set[str] = set()
        while todo:
            table = todo.pop()
            policy, name = table
            if policy in image.source_ids:
                sources.add(policy)
                continue
            done = self._sources.get(table)
            if done is not None:
                sources |= done
                continue
            use = image.tables.get(policy, {}).get(name)
            for key in use.heads if use else ():
                rule = image.rule(key)
                for mention in rule.form.body if rule else ():
                    if mention.table not in seen:
                        seen.add(mention.table)
                        todo.append(mention.table)
        result = self._sources[start] = frozenset(sources)
        return result


def _sentence(rule: RuleImage) -> str:
    text = " ".join(rule.record.rule.split())
    text = text if len(text) <= 200 else f"{text[:197]}..."
    why = "it is disabled" if rule.state is RuleState.DISABLED else f"it waits: {rule.reason.rstrip('.')}"
    return f"The rule {text!r} of policy {rule.policy!r} has no effect, since {why}."
