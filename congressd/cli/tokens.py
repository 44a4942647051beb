"""``congressd token``: makes, lists and revokes the bearer tokens of ``auth_strategy = token``."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import click

from congressd.api import tokenfile
from congressd.api.tokenfile import TOKEN_ROLES, TokenFileError
from congressd.cli.configuration import config_option, data_dir_option, read_settings
from congressd.cli.output import grid
from congressd.daemon.wiring import tokens_file
from congressd.model.clock import iso

_SPANS: Final = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@click.group()
def token() -> None:
    """Bearer tokens, for `auth_strategy = token`.

    Each node reads a file of its own: copy it to all of them.
    """


@token.command()
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(TOKEN_ROLES), help="Each may do what those before it may.")
@click.option(
    "--expires",
    help="When it ends: after a span such as 12h, 90d or 4w, or at a time such as 2027-01-31. [default: never]",
)
@data_dir_option
@config_option
def create(name: str, role: str, expires: str | None, data_dir: Path | None, config: Path | None) -> None:
    """Make a token and print it, this once: only its digest is kept.

    NAME is what the log of changes has as their author. A running service takes the token at once.

    Example: congressd token create ci --role author --expires 90d
    """
    path = tokens_file(read_settings(config, data_dir))
    text, entry = tokenfile.new_token(name, role, None if expires is None else _end(expires))
    tokenfile.add(path, entry)
    click.echo(text)
    click.echo(f"{path} has {name} now: {role}, ends {_shown(entry.expires)}", err=True)


@token.command("list")
@data_dir_option
@config_option
def list_tokens(data_dir: Path | None, config: Path | None) -> None:
    """Show whose tokens there are; the tokens themselves are not kept.

    Example: congressd token list
    """
    now = time.time()
    rows = [
        [each.name, each.role, f"{_shown(each.expires)}{' (ended)' if each.over(now) else ''}", each.id]
        for each in tokenfile.read(tokens_file(read_settings(config, data_dir)))[0].entries
    ]
    click.echo(grid(("name", "role", "ends", "id"), rows, "table"))


@token.command()
@click.argument("name", metavar="NAME|ID")
@data_dir_option
@config_option
def revoke(name: str, data_dir: Path | None, config: Path | None) -> None:
    """End a token: a running service takes it no longer, from now on.

    Example: congressd token revoke ci
    """
    path = tokens_file(read_settings(config, data_dir))
    entry = tokenfile.remove(path, name)
    click.echo(f"{path} has {entry.name} no longer")


def _shown(expires: float | None) -> str:
    return tokenfile.NEVER if expires is None else iso(expires)


def _end(text: str) -> float:
    """When a token ends. Raises TokenFileError."""
    now = time.time()
    span = re.fullmatch(r"(\d{1,5})([hdw])", text)
    end = now + int(span[1]) * _SPANS[span[2]] if span else tokenfile.parse_time(text)
    if end <= now:
        raise TokenFileError(f"--expires {text} is not in the future")
    return end
