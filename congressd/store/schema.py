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


def mismatch(current: str | None, needed: str) -> str:
    """What is wrong with a database that has the schema ``current``, and what to do; empty if it is ``needed``.

    Steps are numbered in order, so a higher number was made by a newer version, which alone knows the way back.
    """
    if current == needed:
        return ""
    if current is not None and current > needed:
        return (
            f"has the schema {current} of a newer congressd, this version needs {needed}; use the newer version, or go "
            "back as docs/operate.md says under Upgrading"
        )
    held = current or "of an empty database"
    return f"has the schema {held}, this version needs {needed}; run `congressd db upgrade`"


def newest() -> str:
    """The schema that this version needs."""
    return max(step.stem.partition("_")[0] for step in FOLDER.glob("versions/[0-9]*.py"))
