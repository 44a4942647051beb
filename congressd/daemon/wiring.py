"""How a process is put together from its configuration; the same parts for the daemons and the all-in-one service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from congressd.api.access import Access, OpenAccess, TokenAccess
from congressd.api.tokenfile import TokenFileError
from congressd.bus.control import Control
from congressd.bus.streams import Publisher, Subscriber
from congressd.config.options import Settings
from congressd.daemon.start import StartError
from congressd.datasources.catalogue import DriverCatalogue
from congressd.datasources.registry import load_drivers
from congressd.datasources.services.settings import ServiceSettings
from congressd.dsd.executor import ExecutorSettings
from congressd.dsd.lease import LeaseTimes
from congressd.dsd.node import DatasourceNode, NodeSettings
from congressd.model.actions import Blast
from congressd.model.commands import parse_commands
from congressd.model.errors import CongressError
from congressd.pe.node import PolicyEngineNode
from congressd.store import keys, migrate
from congressd.store.database import Database, Limits

KEY_FILE = "secret.key"  #: in a directory that is named instead of a file

#: For what is asked before a process can do its work: short enough for the watchdog, whatever the database does.
START_LIMITS = Limits(deadline=4.0, connect_timeout=2, read_timeout=4, write_timeout=4, pool_size=1)


def _nothing() -> None:
    """For who need not know that a work loop turns."""


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
        current, newest = migrate.current(database), migrate.newest()
        if current != newest:
            raise StartError(
                f"{database.name} has the schema {current or 'of an empty database'}, this version needs {newest}; run "
                f"`congressd db upgrade`"
            )
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


def datasource_node(
    settings: Settings,
    name: str,
    database: Database,
    publisher: Publisher,
    control: Control,
    secret: keys.Keys,
    *,
    reactivate: bool = False,
    on_lost: Callable[[str], None] | None = None,
    turned: Callable[[], None] = _nothing,
) -> DatasourceNode:
    """A datasource node; see there."""
    dsd = settings.dsd
    return DatasourceNode(
        database,
        publisher,
        control,
        secret,
        NodeSettings(
            node=name,
            lease=LeaseTimes(dsd.lease, dsd.renew_period, dsd.lease_margin),
            sync_period=dsd.sync_period,
            poll_timeout=dsd.poll_timeout,
            threads=dsd.poll_threads,
            reactivate=reactivate,
            actions=executor_settings(settings),
            services=service_settings(settings),
        ),
        load_drivers(),
        on_lost=on_lost,
        turned=turned,
    )


def executor_settings(settings: Settings) -> ExecutorSettings:
    """How a datasource node executes."""
    actions = settings.actions
    return ExecutorSettings(
        enabled=actions.enable_execute_action,
        threads=actions.threads,
        blast=Blast(actions.blast_radius_rows, actions.blast_radius_percent),
        keep_seconds=actions.keep_days * 86400.0,
        keep_count=actions.keep_count,
    )


def service_settings(settings: Settings) -> ServiceSettings:
    """How the built-in services are set up."""
    actions = settings.actions
    return ServiceSettings(
        urls=tuple(actions.allowed_urls.split()),
        key=actions.signing_key.encode(),
        mail_server=actions.mail_server,
        mail_port=actions.mail_port,
        mail_from=actions.mail_from,
        mail_user=actions.mail_user,
        mail_password=actions.mail_password,
        mail_tls=actions.mail_tls,
        commands=parse_commands(actions.commands),
    )


def policy_engine_node(
    settings: Settings,
    database: Database,
    subscriber: Subscriber,
    control: Control,
    secret: keys.Keys,
    *,
    turned: Callable[[], None] = _nothing,
    name: str | None = None,
) -> PolicyEngineNode:
    """A policy engine node; see there."""
    return PolicyEngineNode(
        database,
        subscriber,
        control,
        DriverCatalogue(load_drivers()),
        secret,
        sync_period=settings.pe.sync_period,
        turned=turned,
        name=name,
    )
