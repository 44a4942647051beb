"""The language's catalogue over one image: which policies and sources there are, and what their tables look like."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from congressd.language.catalog import DATASOURCE

if TYPE_CHECKING:
    from congressd.pe.policyset import Image


#: The ids of a policy and of a rule in it.
RuleKey: TypeAlias = tuple[str, str]


class Head(NamedTuple):
    """What one rule says about the table that it defines: ``arity`` is None if it gives values by column.

    ``at`` is when the rule was made; ``names`` are its head's variables, if they can name the columns.
    """

    at: float
    arity: int | None
    names: tuple[str, ...] | None


@dataclass(slots=True)
class TableUse:
    """What all rules together say about one table of a policy or source, by rule.

    ``heads`` are the rules that define the table, ``uses`` the numbers of arguments with which others read it (None
    where arguments are given by column). Filled by one `congressd.pe.draft.Draft`, and never changed once it was
    read: what it says must not depend on the order in which rules came, so that all nodes understand them alike.
    """

    heads: dict[RuleKey, Head] = field(default_factory=dict)
    uses: dict[RuleKey, int | None] = field(default_factory=dict)
    _shape: tuple[int | None, tuple[str, ...] | None] | None = field(default=None, init=False, compare=False)

    @property
    def arity(self) -> int | None:
        """The number of columns by the oldest rule that defines the table, else by that which reads the most of it."""
        return self._known()[0]

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns by the oldest rule that has names for all of them."""
        return self._known()[1]

    def _known(self) -> tuple[int | None, tuple[str, ...] | None]:
        if self._shape is None:
            heads = [(head.at, key, head) for key, head in self.heads.items() if head.arity is not None]
            if heads:
                arity = min(heads)[2].arity
            else:
                arity = max((each for each in self.uses.values() if each is not None), default=None)
            named = [each for each in heads if each[2].names is not None and each[2].arity == arity]
            self._shape = (arity, min(named)[2].names if named else None)
        return self._shape


class ImageCatalog:
    """`congressd.language.catalog.Catalog` over an `Image`."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._defined: dict[str, Collection[str]] = {}

    def policies(self) -> Collection[str]:
        return [*self._image.policy_ids, *self._image.source_ids]

    def policy_kind(self, policy: str) -> str | None:
        if policy in self._image.source_ids:
            return DATASOURCE
        identity = self._image.policy_ids.get(policy)
        return None if identity is None else self._image.policies[identity].kind

    def tables(self, policy: str) -> Collection[str]:
        if policy in self._image.source_ids:
            return self._image.schemas.get(policy, {}).keys()
        defined = self._defined.get(policy)
        if defined is None:
            uses = self._image.tables.get(policy, {})
            defined = self._defined[policy] = [name for name, use in uses.items() if use.heads]
        return defined

    def defines(self, policy: str, table: str) -> bool:
        """Whether a rule or fact of the policy defines the table."""
        use = self._image.tables.get(policy, {}).get(table)
        return use is not None and bool(use.heads)

    def columns(self, policy: str, table: str) -> tuple[str, ...] | None:
        if policy in self._image.source_ids:
            schema = self._image.schemas.get(policy, {}).get(table)
            return None if schema is None else schema.column_names
        use = self._image.tables.get(policy, {}).get(table)
        return None if use is None else use.columns

    def arity(self, policy: str, table: str) -> int | None:
        if policy in self._image.source_ids:
            schemas = self._image.schemas.get(policy)
            if schemas:
                return len(schemas[table].columns) if table in schemas else None
        use = self._image.tables.get(policy, {}).get(table)
        return None if use is None else use.arity
