"""The drivers that there are: those that come with congressd, and those of installed packages.

A package adds drivers by the entry point group ``congressd.drivers``; each names a subclass of
`congressd.datasources.driver.Driver`. A name that is taken already is ignored, and so is what cannot be imported: both
are logged, since a broken package must not stop the service.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Final

from congressd.datasources.driver import Driver
from congressd.datasources.fake import FakeDriver
from congressd.datasources.file import FileDriver
from congressd.datasources.push import PushDriver
from congressd.model.errors import CongressError
from congressd.model.nearest import hint, listing
from congressd.model.tables import TableSchema

log = logging.getLogger(__name__)

GROUP: Final = "congressd.drivers"
BUILT_IN: Final[tuple[type[Driver], ...]] = (FakeDriver, FileDriver, PushDriver)

#: Names by which Congress knew a driver.
ALIASES: Final[Mapping[str, str]] = {"fake_datasource": "fake"}

Drivers = Mapping[str, type[Driver]]


def load_drivers() -> Drivers:
    """All drivers by name."""
    drivers = {driver.info.name: driver for driver in BUILT_IN}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            driver = entry.load()
        except Exception:  # any code may run here
            log.exception("driver %s of %s cannot be loaded and is left out", entry.name, entry.value)
            continue
        if not (isinstance(driver, type) and issubclass(driver, Driver)):
            log.error("driver %s of %s is not a Driver and is left out", entry.name, entry.value)
        elif drivers.setdefault(driver.info.name, driver) is not driver:
            log.error("driver %s of %s has a name that is taken and is left out", driver.info.name, entry.value)
    return drivers


def find_driver(drivers: Drivers, name: str) -> type[Driver]:
    """The driver of that name. Raises CongressError "source_config" with the nearest name."""
    driver = drivers.get(ALIASES.get(name, name))
    if driver is None:
        raise CongressError(
            "source_config",
            f'There is no driver "{name}".{hint(name, drivers)} The drivers are {listing(drivers)}.',
            {"option": "driver"},
        )
    return driver


def secret_options(driver: type[Driver]) -> tuple[str, ...]:
    """The names of the options whose values are encrypted in the database and never shown."""
    return tuple(option.name for option in driver.info.options if option.secret)


def describe_driver(driver: type[Driver]) -> dict[str, Any]:
    """A driver as GET /v1/system/drivers/<id> shows it: Congress' fields, and ``kind`` and ``options``."""
    info = driver.info
    return {
        "id": info.name,
        "description": info.description,
        "config": {option.name: "required" if option.required else "(optional)" for option in info.options},
        "secret": list(secret_options(driver)),
        "tables": [describe_table(schema) for schema in info.tables],
        "kind": info.kind.value,
        "options": [
            {
                "name": option.name,
                "type": option.type.value,
                "required": option.required,
                "secret": option.secret,
                "default": option.default,
                "description": option.description,
                "choices": list(option.choices),
                "minimum": option.minimum,
                "maximum": option.maximum,
            }
            for option in info.options
        ],
        "actions": [action.document() for action in info.actions],
    }


def describe_table(schema: TableSchema) -> dict[str, Any]:
    """A table as a source's schema shows it: Congress' fields, and the columns' types and the key."""
    return {
        "table_id": schema.name,
        "columns": [
            {"name": column.name, "type": column.type, "description": column.description} for column in schema.columns
        ],
        "key": list(schema.key),
    }
