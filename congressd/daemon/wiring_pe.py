"""How a policy engine node and its API are put together from their configuration.

Apart from what datasource nodes need, whose start should not wait for the engine and the API to be imported.
"""

from __future__ import annotations

from collections.abc import Callable

from congressd.api.access import Access, OpenAccess, TokenAccess
from congressd.api.tokenfile import TokenFileError
from congressd.bus.control import Control
from congressd.bus.streams import Subscriber
from congressd.config.options import Settings
from congressd.daemon.start import StartError
from congressd.daemon.wiring import tokens_file
from congressd.datasources.catalogue import DriverCatalogue
from congressd.datasources.registry import load_drivers
from congressd.pe.node import PolicyEngineNode
from congressd.store import keys
from congressd.store.database import Database


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


def policy_engine_node(
    settings: Settings,
    database: Database,
    subscriber: Subscriber,
    control: Control,
    secret: keys.Keys,
    *,
    turned: Callable[[], None] = lambda: None,
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
