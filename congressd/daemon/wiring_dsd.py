"""How a datasource node is put together from its configuration."""

from __future__ import annotations

from collections.abc import Callable

from congressd.bus.control import Control
from congressd.bus.streams import Publisher
from congressd.config.options import Settings
from congressd.datasources.registry import load_drivers
from congressd.datasources.services.settings import ServiceSettings
from congressd.dsd.executor import ExecutorSettings
from congressd.dsd.lease import LeaseTimes
from congressd.dsd.node import DatasourceNode, NodeSettings
from congressd.model.actions import Blast
from congressd.model.commands import parse_commands
from congressd.store import keys
from congressd.store.database import Database


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
    turned: Callable[[], None] = lambda: None,
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
