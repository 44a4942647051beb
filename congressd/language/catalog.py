"""What the checks need to know of policies, sources and their tables: a protocol, and a catalogue that is data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

DATASOURCE: Final = "datasource"  #: the kind of a source
ACTION: Final = "action"  #: the kind of policies that describe what actions do, with relaxed checks


class Catalog(Protocol):
    """The names that rules may use. "Policy" means policy or source here: they share their names."""

    def policies(self) -> Collection[str]:
        """Names of all policies and sources; used to suggest the nearest one."""

    def policy_kind(self, policy: str) -> str | None:
        """The kind of a policy, "datasource" for a source, None if there is neither."""

    def tables(self, policy: str) -> Collection[str]:
        """Tables that the source declares or that rules and facts of the policy define.

        Empty for a source whose schema is not known yet. Each condition of a rule asks whether a table is among
        them, so that should be fast. A caller that checks several rules at once includes the
        tables that they all define, so that their order does not matter for warnings.
        """

    def columns(self, policy: str, table: str) -> tuple[str, ...] | None:
        """Names of a table's columns; None if the table is unknown or its columns have no names."""

    def arity(self, policy: str, table: str) -> int | None:
        """The number of a table's columns; None as long as nothing has used the table."""


@dataclass(frozen=True, slots=True)
class StaticCatalog:
    """A catalogue that is given as data. `kinds` is by policy; `schemas` by policy and table, names or a number."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, Mapping[str, tuple[str, ...] | int]] = field(default_factory=dict)

    def policies(self) -> Collection[str]:
        return self.kinds.keys()

    def policy_kind(self, policy: str) -> str | None:
        return self.kinds.get(policy)

    def tables(self, policy: str) -> Collection[str]:
        return self.schemas.get(policy, {}).keys()

    def columns(self, policy: str, table: str) -> tuple[str, ...] | None:
        columns = self.schemas.get(policy, {}).get(table)
        return columns if isinstance(columns, tuple) else None

    def arity(self, policy: str, table: str) -> int | None:
        columns = self.schemas.get(policy, {}).get(table)
        return len(columns) if isinstance(columns, tuple) else columns
