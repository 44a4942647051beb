"""The audit log: who changed which policies, rules and sources, and when. Secrets are never in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from congressd.store import policies
from congressd.store.changes import LoggedRevision
from congressd.store.database import Database

MOST_CHANGES: Final = 200  #: changes of one revision that are told one by one
DEADLINE: Final = 5.0  #: seconds that the database has


class History:
    """Reads the log of the database; nothing of it is kept here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revisions(self, since: int | None, limit: int) -> Sequence[LoggedRevision]:
        """The first ``limit`` revisions after ``since``, in order; without ``since`` the last ``limit`` ones.

        Raises CongressError ``unavailable``.
        """
        return self._database.read(
            lambda session: policies.history(session, since, limit, MOST_CHANGES), causal=True, deadline=DEADLINE
        )
