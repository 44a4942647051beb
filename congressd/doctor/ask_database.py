"""Probes of the database: whether it answers, its schema, its key, its clock, and Galera's state."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql
from sqlalchemy import text

from congressd.config.options import Settings
from congressd.daemon import wiring
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import ANSWER, Place, now
from congressd.model.errors import CongressError
from congressd.store import keys, schema
from congressd.store.database import Database, Limits
from congressd.store.epochs import DSD, holder

FILE: Final = "congressd.db"  #: the database in data_dir
LIMITS: Final = Limits(
    deadline=ANSWER, connect_timeout=3, read_timeout=3, write_timeout=3, lock_timeout=2, pool_size=1, pool_overflow=4
)
_ADVICE: Final = (
    "look with `systemctl status mariadb` and `journalctl -u mariadb` on the database's nodes, and with "
    "`systemctl status haproxy` here; [database]/connection says where it is looked for"
)
_FILE_ADVICE: Final = (
    "look at the disk (`congressd doctor --only disk`) and at who may read the file; one that is no database must be "
    "replaced by a copy from a backup, while the service is stopped"
)


@dataclass(frozen=True, slots=True)
class Reached:
    """A database that answers: ``seconds`` for one question, ``version`` of the server (SQLite: empty)."""

    name: str
    seconds: float
    version: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema that the database has (None: empty) and the one that this version needs."""

    current: str | None
    needed: str


@dataclass(frozen=True, slots=True)
class Key:
    """The key for secrets: ``refusal`` says why it does not open the database's check value (empty: it does)."""

    file: Path
    checked: bool  #: whether the database has a check value
    refusal: str


@dataclass(frozen=True, slots=True)
class Galera:
    """One Galera node's own view: status variables and system variables, by name."""

    where: str
    status: dict[str, str]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may publish: epoch, node, and the seconds until the lease's end by this node's clock."""

    epoch: int
    node: str
    left: float


def database_url(settings: Settings) -> str:
    """The URL of the database of this node. Raises NotHere if none is named."""
    if settings.database.connection:
        return settings.database.connection
    if not settings.default.data_dir:
        raise NotHere("no database is named: neither [database]/connection nor data_dir is set")
    directory = Path(settings.default.data_dir)
    if not directory.is_dir():
        raise NotHere(f"there is no directory {directory} (data_dir)")
    file = directory / FILE
    if not file.is_file():
        raise NotHere(f"there is no database {file} yet; the service has not been started")
    return f"sqlite:///{file.resolve()}"


def _database(place: Place) -> Database:
    """Raises NotHere, Failed."""
    try:
        return place.once("database", lambda: Database(database_url(place.need()), limits=LIMITS))
    except CongressError as error:
        raise Failed(error.detail, "mend [database]/connection") from None


def ask_database(place: Place) -> Reached:
    """Whether it answers. Raises NotHere, Failed."""
    database = _database(place)
    question = "SELECT sqlite_version(), 0" if database.is_sqlite else "SELECT VERSION(), @@global.read_only"
    try:
        for _ in range(2):  # the first makes the connection
            begin = time.monotonic()
            version, read_only = database.read(lambda session: session.execute(text(question)).one())
            took = time.monotonic() - begin
    except CongressError as error:
        raise Failed(error.detail, _FILE_ADVICE if database.is_sqlite else _ADVICE) from None
    return Reached(
        database.name,
        took,
        f"SQLite {version}" if database.is_sqlite else str(version),
        not read_only,
    )


def ask_schema(place: Place) -> Schema:
    """Which schema it has. Raises NotHere, Failed."""
    try:
        return Schema(schema.current(_database(place)), schema.newest())
    except CongressError as error:
        raise NotHere(f"not asked: {error.detail}") from None


def ask_key(place: Place) -> Key:
    """Whether the key for secrets is the one that the database belongs to. Raises NotHere, Failed."""
    settings = place.need()
    default = settings.default
    if default.encryption_key_path:
        file = wiring.key_file(default.encryption_key_path)
    elif default.data_dir:
        file = Path(default.data_dir) / wiring.KEY_FILE
    else:
        raise NotHere("no key is named: neither encryption_key_path nor data_dir is set")
    try:
        held = keys.load(file, create=False)
    except CongressError as error:
        raise Failed(error.detail, f"copy {file} from a node where `congressd doctor --only key` is content") from None

    def look(session: Any) -> str | None:
        found = session.execute(text("SELECT value FROM settings WHERE name = :name"), {"name": keys.CHECK_SETTING})
        return found.scalar()  # type: ignore[no-any-return]

    try:
        token = _database(place).read(look)
    except CongressError as error:
        raise NotHere(f"{file} holds a key; whether it is the cluster's is not known: {error.detail}") from None
    if token is None:
        return Key(file, False, "")
    try:
        held.decrypt(token)
    except CongressError as error:
        return Key(file, True, error.detail)
    return Key(file, True, "")


def ask_lease(place: Place) -> Lease:
    """Who holds the epoch. Raises NotHere, Failed."""
    try:
        record = _database(place).read(lambda session: holder(session, DSD))
    except CongressError as error:
        raise NotHere(f"not asked: {error.detail}") from None
    if record is None:
        raise NotHere("no datasource node was ever active")
    return Lease(record.epoch, record.node, record.lease_until / 1000 - now())


def database_clock(place: Place) -> tuple[float, float]:
    """How far the database's clock is ahead of this node's, and how far that may be wrong. Raises NotHere, Failed."""
    database = _database(place)
    if database.is_sqlite:
        raise NotHere("SQLite has no clock of its own")
    begin, started = now(), time.monotonic()
    try:
        told = database.read(lambda session: session.execute(text("SELECT UNIX_TIMESTAMP(NOW(6))")).scalar_one())
    except CongressError as error:
        raise NotHere(f"not asked: {error.detail}") from None
    took = time.monotonic() - started
    return float(told) - (begin + took / 2), took / 2


def ask_galera(place: Place) -> list[Galera]:
    """This node's Galera and the one that congressd writes to. Raises NotHere, Failed."""
    found = []
    local = place.paths.mariadb_socket
    if local.is_socket():
        try:
            with _local(local) as connection:
                found.append(_galera("this node", connection))
        except pymysql.MySQLError as error:
            found.append(Galera("this node", {"error": _words(error)}, {}))
    url = place.need().database.connection
    if url.startswith(("mysql", "mariadb")):
        try:
            found.append(
                _database(place).read(
                    lambda session: Galera(
                        "the writer",
                        *(
                            {str(name): str(value) for name, value in session.execute(text(question))}
                            for question in (_STATUS, _VARIABLES)
                        ),
                    )
                )
            )
        except CongressError:
            pass  # the check of the database tells it
    if not any("wsrep_cluster_size" in each.status or "error" in each.status for each in found):
        raise NotHere("the database is no Galera cluster" if found else "there is no MariaDB on this node")
    return [each for each in found if each.status]


_STATUS: Final = "SHOW GLOBAL STATUS LIKE 'wsrep_%'"
_VARIABLES: Final = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_cluster_address', 'wsrep_node_name', 'read_only',"
    " 'innodb_flush_log_at_trx_commit', 'version')"
)


def _local(socket: Path) -> Any:
    return pymysql.connect(
        unix_socket=str(socket), user="root", connect_timeout=3, read_timeout=3, write_timeout=3, autocommit=True
    )


def _galera(where: str, connection: Any) -> Galera:
    with connection.cursor() as cursor:
        cursor.execute(_STATUS)
        status = {str(name): str(value) for name, value in cursor.fetchall()}
        cursor.execute(_VARIABLES)
        return Galera(where, status, {str(name): str(value) for name, value in cursor.fetchall()})


def _words(error: Exception) -> str:
    """What the server said, without what it was asked."""
    said = str(error.args[1] if len(error.args) > 1 else error)
    return re.sub(r"\s+", " ", said)
