"""``congressd``: starts the service, and looks after its database and configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from congressd.api.tokenfile import TokenFileError
from congressd.cli import port as ports
from congressd.cli.configuration import config_option, data_dir_option, read_settings
from congressd.cli.datadir import DATABASE, StartError
from congressd.cli.doctor import bundle, doctor
from congressd.cli.tokens import token
from congressd.config import render
from congressd.config.load import ConfigError, load
from congressd.config.options import Settings
from congressd.daemon.start import identify
from congressd.model.errors import CongressError
from congressd.store import keys, migrate, schema
from congressd.store.check import check
from congressd.store.database import Database

_instance = click.option(
    "--instance", default="1", help="Tells the nodes of one kind on a machine apart: 1, 2, ... [default: 1]"
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="congressd")
def cli() -> None:
    """Policy as a service: watches live tables, keeps every violation of your policies up to date."""


@cli.command()
@data_dir_option
@click.option("--host", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on. [default: 1789]")
@click.option("--example", is_flag=True, help="Set up the example cloud, if the directory has none yet.")
@config_option
def serve(data_dir: Path | None, host: str | None, port: int | None, example: bool, config: Path | None) -> None:
    """Start the whole service as one process on this machine, with all that it keeps in --data-dir.

    Example: congressd serve --data-dir run/mine --port 1789
    """
    settings = read_settings(config, data_dir, {("DEFAULT", "bind_host"): host, ("DEFAULT", "bind_port"): port})
    if not settings.default.data_dir:
        raise StartError("a directory is needed for what the service keeps: give one with --data-dir")
    from congressd.cli import allinone  # with it come both nodes and the API

    allinone.serve(settings, example=example)


@cli.command()
@config_option
@_instance
@click.option("--host", help="Address that the API listens on. [default: bind_host]")
@click.option(
    "--port", type=int, help="Port that the API listens on. [default: bind_port, one more for each further instance]"
)
def pe(config: Path | None, instance: str, host: str | None, port: int | None) -> None:
    """Run a policy engine node of a cluster, with its API.

    Example: congressd pe --config-file /etc/congressd/congressd.conf --instance 2
    """
    settings = _node_settings(config, instance, host, port)
    with _libraries_of_a_cluster():
        from congressd.daemon import policy
    identity = identify(settings, "pe", instance)
    ports.check_free(settings.default.bind_host, settings.default.bind_port)
    policy.run(settings, identity, reread=lambda: _node_settings(config, instance, host, port))


@cli.command()
@config_option
@_instance
@click.option("--standby", is_flag=True, help="Be warm, and wait to be told to take over.")
def dsd(config: Path | None, instance: str, standby: bool) -> None:
    """Run a datasource node of a cluster: the active one, or one that stands by.

    Without --standby it becomes active once no other node can be. `activate` on its control socket makes it active at
    once.

    Example: congressd dsd --config-file /etc/congressd/congressd.conf --standby
    """
    settings = read_settings(config)
    with _libraries_of_a_cluster():
        from congressd.daemon import datasource
    identity = identify(settings, "dsd", instance)
    datasource.run(settings, identity, standby=standby, reread=lambda: read_settings(config))


@cli.group()
def db() -> None:
    """Look after the database."""


@db.command("upgrade")
@click.argument("revision", default="head")
@data_dir_option
@config_option
def db_upgrade(revision: str, data_dir: Path | None, config: Path | None) -> None:
    """Bring the database to the schema of this version, or to REVISION."""
    database = _database(config, data_dir)
    migrate.upgrade(database, revision)
    click.echo(f"{database.name} is at {schema.current(database)}")


@db.command("downgrade")
@click.argument("revision")
@data_dir_option
@config_option
def db_downgrade(revision: str, data_dir: Path | None, config: Path | None) -> None:
    """Take the database back to REVISION (`base` removes all tables, with all that they hold)."""
    database = _database(config, data_dir)
    migrate.downgrade(database, revision)
    click.echo(f"{database.name} is at {schema.current(database) or 'base'}")


@db.command("check")
@data_dir_option
@config_option
def db_check(data_dir: Path | None, config: Path | None) -> None:
    """Say whether the database is whole: its schema, its log, its pushes, its key. Exit code 1 if not."""
    from congressd.daemon import wiring  # brings the whole node along, which other commands need not wait for

    database = _database(config, data_dir)
    settings = read_settings(config, data_dir)
    file = wiring.key_file(settings.default.encryption_key_path or settings.default.data_dir or "")
    findings = check(database, keys.load(file, create=False) if file.is_file() else None)
    if findings:
        raise StartError(f"{database.name}: " + "; ".join(finding.detail for finding in findings))
    click.echo(f"{database.name} is at {schema.current(database)}, as this version needs it, and whole")


@db.command("key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def db_key(file: Path) -> None:
    """Make FILE with a new key for secrets, readable by its owner only; copy it to all nodes of a cluster."""
    if file.exists():
        raise StartError(f"{file} exists already; a key is never overwritten")
    keys.load(file, create=True)
    click.echo(f"{file} made")


@cli.group()
def config() -> None:
    """Look after the configuration."""


@config.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def config_check(file: Path) -> None:
    """Say everything that is wrong with a configuration FILE (environment included); exit code 1 if anything is."""
    try:
        loaded = load([file], os.environ)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem)
        raise SystemExit(1) from None
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"{file} is fine")


@config.command("sample")
def config_sample() -> None:
    """Print a configuration file with every option at its default."""
    click.echo(render.sample(), nl=False)


cli.add_command(token)
cli.add_command(doctor)
cli.add_command(bundle)


def _node_settings(config: Path | None, instance: str, host: str | None, port: int | None) -> Settings:
    """The configuration of a policy engine node: each instance on a machine has a port of its own."""
    settings = read_settings(config, None, {("DEFAULT", "bind_host"): host, ("DEFAULT", "bind_port"): port})
    if port is not None or instance == "1":
        return settings
    if not instance.isdecimal() or instance == "0":
        raise StartError(f"the instance {instance!r} is no number from 1, so its port must be given with --port")
    default = replace(settings.default, bind_port=settings.default.bind_port + int(instance) - 1)
    return replace(settings, default=default)


@contextmanager
def _libraries_of_a_cluster() -> Iterator[None]:
    """For importing what needs them: who has one machine need not have them installed. Raises StartError."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StartError(
            f"the Python package {error.name} is not installed; nodes of a cluster need it: `pip install "
            f"'congressd[cluster]'`, or `pip install -e '.[cluster]'` in a checkout. One machine needs none of it: "
            f"`congressd serve --data-dir DIR`"
        ) from None


def _database(config: Path | None, data_dir: Path | None) -> Database:
    settings = read_settings(config, data_dir)
    if settings.database.connection:
        return Database(settings.database.connection)
    if not settings.default.data_dir:
        raise StartError("which database? Give --data-dir, or [database]/connection in --config")
    directory = Path(settings.default.data_dir)
    if not directory.is_dir():
        raise StartError(f"there is no directory {directory}")
    return Database(f"sqlite:///{directory.resolve() / DATABASE}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``congressd``; exit code 0 if it worked, 1 if not, 2 for wrong usage or configuration."""
    try:
        cli.main(args=arguments, prog_name="congressd", standalone_mode=False)
        sys.exit(0)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"congressd: {problem}", err=True)
        sys.exit(2)
    except StartError as error:
        click.echo(f"congressd: {error}", err=True)
        sys.exit(1)
    except CongressError as error:
        click.echo(f"congressd: {error.detail}", err=True)
        sys.exit(1)
    except TokenFileError as error:
        click.echo(f"congressd: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


if __name__ == "__main__":
    main()
