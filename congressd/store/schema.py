"""Which schema the database has, and which one this version needs.

Asked at every start of a node; so without Alembic, which does the steps and takes half a second to be imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text

from congressd.store.database import Database

FOLDER: Final = Path(__file__).with_name("migrations")  #: Alembic's; its steps are numbered in order


def current(database: Database) -> str | None:
    """The schema that the database has; None for an empty one."""
    with database.connection() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return version


def newest() -> str:
    """The schema that this version needs."""
    return max(step.stem.partition("_")[0] for step in FOLDER.glob("versions/[0-9]*.py"))
