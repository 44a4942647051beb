"""What rooms that run no driver know of drivers: enough to check a source's configuration and to take its pushes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from congressd.model.actions import ActionInfo
from congressd.model.tables import TableSchema


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A source's configuration, checked by its driver.

    ``driver`` is the driver's own name, ``config`` has every option with its type, ``secrets`` names those that are
    secret, ``tables`` are those known before anything was fetched, ``pushed`` says that rows come through the API.
    """

    driver: str
    config: Mapping[str, Any]
    secrets: tuple[str, ...]
    tables: tuple[TableSchema, ...]
    pushed: bool


class Drivers(Protocol):
    """The drivers that there are."""

    def index(self) -> list[dict[str, Any]]:
        """All drivers, each as an object with ``id`` and ``description``."""

    def describe(self, name: str) -> dict[str, Any]:
        """One driver as GET /v1/system/drivers/<id> shows it. Raises CongressError ``not_found``."""

    def actions(self, name: str) -> tuple[ActionInfo, ...]:
        """The actions of a driver; none if there is no such driver."""

    def services(self) -> Mapping[str, tuple[ActionInfo, ...]]:
        """The built-in services, which need no data source, and their actions."""

    def check(self, name: str, config: Mapping[str, Any]) -> CheckedConfig:
        """Check the configuration (secrets in the clear) of a source. Raises CongressError ``source_config``."""
