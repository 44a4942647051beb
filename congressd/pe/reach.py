"""What is worked out once an image: the sources below tables, tables of a policy, columns, shapes of queries."""

from __future__ import annotations

from collections.abc import Iterable

from congressd.language.reader import QueryReader
from congressd.pe.catalog import ImageCatalog
from congressd.pe.columns import Columns, of_table
from congressd.pe.forms import TableName
from congressd.pe.policyset import Image


class Reach:
    """Memory for one image. Safe for several threads: what they work out twice is the same."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.reader = QueryReader(ImageCatalog(image))
        self._sources: dict[TableName, frozenset[str]] = {}
        self._tables: dict[str, frozenset[str]] = {}
        self._columns: dict[TableName, Columns] = {}

    def sources(self, tables: Iterable[TableName]) -> frozenset[str]:
        """The sources that the rows of these tables come from."""
        return frozenset().union(*map(self._below, tables))

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
