"""How a policy engine node is put together from its configuration.

Apart from what datasource nodes need, whose start should not wait for the engine to be imported.
"""

from __future__ import annotations

from collections.abc import Callable

from congressd.bus.control import Control
from congressd.bus.streams import Subscriber
from congressd.config.options import Settings
from congressd.datasources.catalogue import DriverCatalogue
from congressd.datasources.registry import load_drivers
from congressd.pe.node import PolicyEngineNode
from congressd.store import keys
from congressd.store.database import Database


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
