"""Who asks, and what each role may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: From least to most: each may do what those before it may.
ROLES: Final = ("anyone", "reader", "author", "operator", "admin")
RANKS: Final = {role: rank for rank, role in enumerate(ROLES)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``name`` goes into the revision log as the author."""

    name: str = "anonymous"
    role: str = "admin"

    def may(self, role: str) -> bool:
        """Whether this caller has at least ``role``."""
        return RANKS[self.role] >= RANKS[role]
