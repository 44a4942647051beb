"""The verbs of data sources and drivers, and the state of the service."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import yaml

from congressd.cli.changing import warn
from congressd.cli.context import Client, Failure, verb
from congressd.cli.http import RefusedError
from congressd.cli.output import say

_SOURCE_COLUMNS = ("name", "driver", "enabled", "description")

_config = click.option(
    "--config",
    "pairs",
    multiple=True,
    metavar="OPTION=VALUE",
    help="An option of the driver, which may be given again; a value may be JSON.",
)
_config_file = click.option(
    "--config-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML or JSON file with the driver's options as a map.",
)


@click.group()
def source() -> None:
    """Data sources: where tables come from."""


@source.command("list")
@verb
def source_list(client: Client) -> None:
    """All data sources.

    Example: congress source list
    """
    client.listing(client.service.get("v1", "data-sources")["results"], _SOURCE_COLUMNS)


@source.command("show")
@click.argument("name")
@verb
def source_show(client: Client, name: str) -> None:
    """One data source, by name or id. Secrets are never shown.

    Example: congress source show cloud
    """
    client.record(client.service.get("v1", "data-sources", name))


@source.command("create")
@click.argument("driver")
@click.argument("name")
@click.option("--description", default="", help="What the source is.")
@click.option("--disabled", is_flag=True, help="Do not read it yet.")
@_config
@_config_file
@verb
def source_create(
    client: Client,
    driver: str,
    name: str,
    description: str,
    disabled: bool,
    pairs: tuple[str, ...],
    config_file: Path | None,
) -> None:
    """Add a data source NAME that DRIVER reads. `congress driver show DRIVER` tells its options.

    \b
    Example: congress source create file cloud --config path=/srv/cloud
             congress source create push approvals --config tables='{"exceptions": ["server", "until"]}'
    """
    body = {
        "driver": driver,
        "name": name,
        "description": description,
        "enabled": not disabled,
        "config": _options(pairs, config_file),
    }
    made = client.service.call("POST", "v1", "data-sources", body=body)
    client.done(f"source {made['name']} created", made)
    warn(made)
    _warn_of_error(client, made)


@source.command("update")
@click.argument("name")
@click.option("--name", "new_name", help="A new name.")
@click.option("--description", help="A new description.")
@click.option("--enable/--disable", "enabled", default=None, help="Read it, or do not.")
@_config
@_config_file
@verb
def source_update(
    client: Client,
    name: str,
    new_name: str | None,
    description: str | None,
    enabled: bool | None,
    pairs: tuple[str, ...],
    config_file: Path | None,
) -> None:
    """Change a data source; options that are not given stay as they are.

    Example: congress source update cloud --config poll_time=2
    """
    body: dict[str, Any] = {"name": new_name, "description": description, "enabled": enabled}
    body = {field: value for field, value in body.items() if value is not None}
    if options := _options(pairs, config_file):
        body["config"] = options
    if not body:
        raise Failure("nothing to change was given; see --help for what can be")
    client.done(f"source {name} updated", client.service.call("PATCH", "v1", "data-sources", name, body=body))


def _warn_of_error(client: Client, made: dict[str, Any], patience: float = 1.0) -> None:
    """Say what is wrong with a new source if that is known at once: one that is set up wrongly fails at first."""
    end = time.monotonic() + patience
    while made["enabled"] and time.monotonic() < end:
        try:
            status = client.service.get("v1", "data-sources", made["id"], "status")
        except RefusedError:
            return  # the source was made all the same
        if status["last_error"] != "None":
            say(f"warning: {status['last_error']}", err=True)
            return
        if status["last_updated"] != "None":
            return
        time.sleep(0.05)


@source.command("delete")
@click.argument("names", nargs=-1, required=True)
@verb
def source_delete(client: Client, names: tuple[str, ...]) -> None:
    """Delete data sources with their rows.

    Example: congress source delete cloud
    """
    for name in names:
        client.service.call("DELETE", "v1", "data-sources", name)
        client.done(f"source {name} deleted")


@source.command("status")
@click.argument("name")
@verb
def source_status(client: Client, name: str) -> None:
    """How the reading of a source goes: last success, last error, next poll, rows, age of the data.

    Example: congress source status cloud
    """
    client.record(client.service.get("v1", "data-sources", name, "status"))


@source.command("schema")
@click.argument("name")
@verb
def source_schema(client: Client, name: str) -> None:
    """The tables of a source and their columns.

    Example: congress source schema cloud
    """
    tables = client.service.get("v1", "data-sources", name, "schema")["tables"]
    if client.form in ("json", "yaml"):
        client.listing(tables, ())
        return
    shown = [
        {
            "table": each["table_id"],
            "columns": ", ".join(column["name"] for column in each["columns"]),
            "key": ", ".join(each.get("key") or ()),
        }
        for each in tables
    ]
    client.listing(shown, ("table", "columns", "key"))


@source.command("refresh")
@click.argument("name")
@verb
def source_refresh(client: Client, name: str) -> None:
    """Read the source now instead of at its next poll.

    Example: congress source refresh cloud
    """
    client.service.call("POST", "v1", "data-sources", name, query={"action": "request-refresh"})
    client.done(f"source {name} is read")


@click.group()
def driver() -> None:
    """Drivers: the kinds of data sources."""


@driver.command("list")
@verb
def driver_list(client: Client) -> None:
    """All drivers.

    Example: congress driver list
    """
    client.listing(client.service.get("v1", "system", "drivers")["results"], ("id", "description"))


@driver.command("show")
@click.argument("name")
@verb
def driver_show(client: Client, name: str) -> None:
    """One driver with its options.

    Example: congress driver show file
    """
    found = client.service.get("v1", "system", "drivers", name)
    if client.form != "table":
        client.record(found)
        return
    say(f"{found['id']}: {found['description']}\n")
    described = found.get("options")
    if described:
        client.listing(described, ("name", "type", "required", "default", "description"))
    else:
        client.listing([{"option": name, "": need} for name, need in found["config"].items()], ("option", ""))


def _options(pairs: tuple[str, ...], config_file: Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if config_file is not None:
        try:
            read = yaml.safe_load(config_file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise Failure(f"{config_file}: not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(read, dict):
            raise Failure(f"{config_file}: the file must hold a map from options to values")
        options.update(read)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Failure(f"--config {pair!r} is not of the form OPTION=VALUE")
        options[name] = value
    return options
