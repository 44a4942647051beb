"""The options that name a configuration, and the reading of it, for every verb of ``congressd``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from congressd.config.load import load
from congressd.config.options import Settings

SYSTEM_FILE = Path("/etc/congressd/congressd.conf")

config_option = click.option(
    "--config",
    "--config-file",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"A configuration file. [default: {SYSTEM_FILE}, if there is one]",
)
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Directory for the database and all else that is kept."
)


def read_settings(
    config: Path | None, data_dir: Path | None = None, arguments: dict[tuple[str, str], object | None] | None = None
) -> Settings:
    """The configuration from file, environment and command line. Raises ConfigError."""
    files = [config] if config is not None else [SYSTEM_FILE] if SYSTEM_FILE.exists() else []
    given = {("DEFAULT", "data_dir"): data_dir} | (arguments or {})
    loaded = load(files, os.environ, {name: value for name, value in given.items() if value is not None})
    for warning in loaded.warnings:
        click.echo(f"congressd: warning: {warning}", err=True)
    return loaded.settings
