"""The drivers as the rooms see them that run none: `congressd.model.drivers.Drivers` over the registry."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from congressd.datasources.driver import DriverKind
from congressd.datasources.registry import Drivers, describe_driver, find_driver, load_drivers, secret_options
from congressd.datasources.services.registry import services
from congressd.model.actions import ActionInfo
from congressd.model.drivers import CheckedConfig
from congressd.model.errors import CongressError

LOG = logging.getLogger(__name__)


class DriverCatalogue:
    """All drivers of ``drivers``, by default those that are installed."""

    def __init__(self, drivers: Drivers | None = None) -> None:
        self._drivers = load_drivers() if drivers is None else drivers
        self._services = {name: service.actions() for name, service in services().items()}

    def index(self) -> list[dict[str, Any]]:
        return [
            {"id": name, "name": name, "description": driver.info.description}
            for name, driver in sorted(self._drivers.items())
        ]

    def describe(self, name: str) -> dict[str, Any]:
        try:
            return describe_driver(find_driver(self._drivers, name))
        except CongressError as error:
            raise CongressError("not_found", error.detail) from None

    def actions(self, name: str) -> tuple[ActionInfo, ...]:
        try:
            return find_driver(self._drivers, name).info.actions
        except CongressError:
            return ()

    def services(self) -> Mapping[str, tuple[ActionInfo, ...]]:
        return self._services

    def check(self, name: str, config: Mapping[str, Any]) -> CheckedConfig:
        driver = find_driver(self._drivers, name)
        try:
            checked = driver.check_config(config)
            instance = driver(checked)
            try:
                tables = instance.schema()
            finally:
                instance.close()
        except CongressError:
            raise
        except Exception as error:  # a driver may be anybody's code
            LOG.exception("driver %s failed on a configuration", name)
            raise CongressError("source_config", f"The driver failed with {type(error).__name__}: {error}") from None
        pushed = driver.info.kind is DriverKind.PUSHED
        return CheckedConfig(driver.info.name, checked, secret_options(driver), tables, pushed)
