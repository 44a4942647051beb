"""Which failures of the database a whole transaction is run again for: one literal table, and the back-off. Pure.

The codes are those that oslo.db filters (oslo_db/sqlalchemy/exc_filters.py) and those that HA tests of Galera and of
proxies in front of it showed; each line says where it comes from.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from sqlalchemy import exc


class Cause(StrEnum):
    """Why a transaction is run again: RACE lost against another one, or the server was not to be REACHED."""

    RACE = "race"
    REACH = "reach"


class LostRace(Exception):  # noqa: N818  # it is no error: `Database.run` answers it by running the work again
    """Raised by the work itself: another transaction came first; run the whole work again."""


#: MySQL and MariaDB error numbers -> cause.
MYSQL: Final[dict[int, Cause]] = {
    # Deadlock found; on Galera also a failed certification ("Deadlock: wsrep aborted"), which shows at COMMIT too.
    1213: Cause.RACE,  # ER_LOCK_DEADLOCK: MariaDB server errors; oslo.db _deadlock_error; Galera certification
    1205: Cause.RACE,  # ER_LOCK_WAIT_TIMEOUT: oslo.db _deadlock_error
    1020: Cause.RACE,  # ER_CHECKREAD "Record has changed since last read": MariaDB innodb_snapshot_isolation
    2002: Cause.REACH,  # CR_CONNECTION_ERROR, socket: oslo.db _is_db_connection_error
    2003: Cause.REACH,  # CR_CONN_HOST_ERROR, TCP: oslo.db _is_db_connection_error
    2006: Cause.REACH,  # CR_SERVER_GONE_ERROR: oslo.db _is_db_connection_error
    2013: Cause.REACH,  # CR_SERVER_LOST during a query, also a read time-out of PyMySQL: oslo.db
    1047: Cause.REACH,  # ER_UNKNOWN_COM_ERROR, 08S01 "WSREP has not yet prepared node": Galera without quorum; oslo.db
    1053: Cause.REACH,  # ER_SERVER_SHUTDOWN, 08S01 "Server shutdown in progress": a node that is being stopped
    1927: Cause.REACH,  # ER_CONNECTION_KILLED "Connection was killed": MariaDB, Galera node that loses its quorum
    1040: Cause.REACH,  # ER_CON_COUNT_ERROR "Too many connections": the moment after a failover
    1158: Cause.REACH,  # ER_NET_READ_ERROR, 08S01: MariaDB error code reference
    1159: Cause.REACH,  # ER_NET_READ_INTERRUPTED, 08S01: MariaDB error code reference
    1160: Cause.REACH,  # ER_NET_ERROR_ON_WRITE, 08S01: MariaDB error code reference
    1161: Cause.REACH,  # ER_NET_WRITE_INTERRUPTED, 08S01: MariaDB error code reference
    1184: Cause.REACH,  # ER_NEW_ABORTING_CONNECTION, 08S01: MariaDB error code reference
    0: Cause.REACH,  # PyMySQL raises InterfaceError(0, "") on a connection that it closed itself
}

#: SQLite primary result codes -> cause.
SQLITE: Final[dict[int, Cause]] = {
    5: Cause.RACE,  # SQLITE_BUSY "database is locked" (another process writes): sqlite.org/rescode.html
    6: Cause.RACE,  # SQLITE_LOCKED "database table is locked": sqlite.org/rescode.html
}

#: A unique or primary key holds the value already.
DUPLICATE_MYSQL: Final = 1062  # ER_DUP_ENTRY
DUPLICATE_SQLITE: Final = frozenset({1555, 2067})  # SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE

#: Where a table or column is missing: the schema is not that of this version.
NO_SCHEMA_MYSQL: Final = frozenset({1146, 1054})  # ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR

FIRST_PAUSE: Final = 0.01  #: seconds
LONGEST_PAUSE: Final = {Cause.RACE: 0.5, Cause.REACH: 2.0}  #: seconds


def cause_of(error: BaseException) -> Cause | None:
    """Why the work is worth another run, or None if it would fail again in the same way."""
    if isinstance(error, LostRace):
        return Cause.RACE
    if isinstance(error, exc.TimeoutError):  # all connections of the pool are in use
        return Cause.REACH
    if not isinstance(error, exc.DBAPIError):
        return None
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return SQLITE.get(sqlite_code(original))
    if isinstance(error, exc.IntegrityError | exc.DataError | exc.ProgrammingError):
        return None
    if (cause := MYSQL.get(mysql_code(original))) is not None:
        return cause
    return Cause.REACH if error.connection_invalidated else None


def is_duplicate(error: exc.IntegrityError) -> bool:
    """Whether a unique or primary key was violated (and not a foreign key)."""
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) in DUPLICATE_SQLITE
    return mysql_code(error.orig) == DUPLICATE_MYSQL


def is_missing_schema(error: exc.DBAPIError) -> bool:
    """Whether the database has no such table or column."""
    if isinstance(error.orig, sqlite3.Error):
        return str(error.orig).startswith(("no such table", "no such column"))
    return mysql_code(error.orig) in NO_SCHEMA_MYSQL


def mysql_code(original: BaseException | None) -> int:
    """The number of a MySQL error; -1 if it has none."""
    number = original.args[0] if original is not None and original.args else None
    return number if isinstance(number, int) else -1


def sqlite_code(original: sqlite3.Error) -> int:
    """The primary result code of an SQLite error; 0 if it was raised by Python's module and not by SQLite."""
    return getattr(original, "sqlite_errorcode", 0) & 0xFF


def pause(cause: Cause, attempt: int, random: Callable[[], float]) -> float:
    """Seconds to wait after the ``attempt``-th failure (from 0): doubling, capped, and jittered over its whole length.

    Full jitter, because two transactions that deadlocked and wait equally long deadlock again.
    """
    longest: float = min(LONGEST_PAUSE[cause], FIRST_PAUSE * 2 ** min(attempt, 16))
    return longest * (0.1 + 0.9 * random())
