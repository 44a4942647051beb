"""What every process needs from its configuration; the same for the daemons and the all-in-one service."""

from __future__ import annotations

from pathlib import Path

from congressd.api.access import Access, OpenAccess, TokenAccess
from congressd.api.tokenfile import TokenFileError
from congressd.config.options import Settings
from congressd.daemon.start import StartError
from congressd.model.errors import CongressError
from congressd.store import keys, schema
from congressd.store.database import Database, Limits

KEY_FILE = "secret.key"  #: in a directory that is named instead of a file

#: For what is asked before a process can do its work: short enough for the watchdog, whatever the database does.
START_LIMITS = Limits(deadline=4.0, connect_timeout=2, read_timeout=4, write_timeout=4, pool_size=1)


def key_file(path: str) -> Path:
    """The file of the key for secrets; a directory stands for `KEY_FILE` in it, as in Congress."""
    given = Path(path)
    return given / KEY_FILE if given.is_dir() else given


def shared_database(settings: Settings) -> str:
    """The URL of the database that all nodes share. Raises StartError."""
    if not settings.database.connection:
        raise StartError(
            "[database]/connection is not set; a node needs the database that all nodes share, such as "
            "mysql+pymysql://congress:password@db.example.org/congress"
        )
    return settings.database.connection


def shared_key(settings: Settings) -> keys.Keys:
    """The key for secrets that all nodes share; it is never made here. Raises StartError, CongressError."""
    if not settings.default.encryption_key_path:
        raise StartError(
            "[DEFAULT]/encryption_key_path is not set; all nodes need the same key: make it on one of them with "
            "`congressd db key FILE`, copy it to the others"
        )
    return keys.load(key_file(settings.default.encryption_key_path), create=False)


def check_database(url: str, secret: keys.Keys) -> None:
    """That the database has the schema of this version, and belongs to this key.

    Raises StartError if it does not, CongressError ``unavailable`` if it cannot be asked now.
    """
    database = Database(url, limits=START_LIMITS)
    try:
        wrong = schema.mismatch(schema.current(database), schema.newest())
        if wrong:
            raise StartError(f"{database.name} {wrong}")
        database.run(lambda session: keys.verify(session, secret))
    except CongressError as error:
        if error.code.name == "secrets_key":
            raise StartError(error.detail) from None
        raise
    finally:
        database.close()


def tokens_file(settings: Settings) -> Path:
    """Where the bearer tokens are."""
    default = settings.default
    if default.tokens_path:
        return Path(default.tokens_path)
    return Path(default.data_dir, "tokens") if default.data_dir else Path("/etc/congressd/tokens")


def access(settings: Settings) -> Access:
    """Who may call. Raises StartError if nobody could, since the tokens cannot be read."""
    if settings.default.auth_strategy == "none":
        return OpenAccess()
    try:
        return TokenAccess(tokens_file(settings))
    except TokenFileError as error:
        raise StartError(
            f"auth_strategy is `token`, and the tokens cannot be read: {error}. `congressd token create NAME --role "
            f"admin` makes the first one"
        ) from None
