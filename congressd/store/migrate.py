"""The schema of the database, up and down. Alembic does the steps, in ``migrations/``."""

from __future__ import annotations

import threading
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import exc

from congressd.model.errors import CongressError
from congressd.store.database import Database
from congressd.store.schema import FOLDER, current, mismatch, newest

#: Another node may run the same steps at the same moment, and MariaDB has no transaction around them: who finds that
#: the other one wrote first runs again, over what is there. Each attempt finds at least one more step done.
ATTEMPTS: Final = 10

#: Alembic keeps what it works on in a global of its own.
_ALEMBIC = threading.Lock()


def upgrade(database: Database, target: str = "head") -> None:
    """Bring the schema up to ``target`` (default: what this version needs); nothing to do is fine.

    Raises CongressError("bad_request") for a target or a schema that this version does not know.
    """
    for attempt in range(ATTEMPTS):
        before = current(database)
        try:
            _run(database, target, up=True)
            return
        except exc.IntegrityError:
            if attempt == ATTEMPTS - 1:
                raise
        except CongressError:
            if attempt == ATTEMPTS - 1 or current(database) == before:
                raise  # else Alembic missed the step that it was about to write down, which another node had done


def downgrade(database: Database, target: str) -> None:
    """Bring the schema down to ``target`` ("base": no tables at all). Raises as `upgrade` does."""
    _run(database, target, up=False)


def _run(database: Database, target: str, *, up: bool) -> None:
    config = _config()
    try:
        with database.connection() as connection, _ALEMBIC:
            config.attributes["connection"] = connection
            (command.upgrade if up else command.downgrade)(config, target)
    except CommandError as error:
        found = current(database)
        if found is not None and found > newest():
            raise CongressError("bad_request", f"the database {database.name} {mismatch(found, newest())}") from error
        raise CongressError(
            "bad_request",
            f"the schema cannot be brought to {target!r}: {error}; this version of congressd knows the schemas up to"
            f" {newest()}",
        ) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
