"""The verbs of tables and rows: listing them, and pushing rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from congressd.cli.changing import warn
from congressd.cli.context import Client, Failure, verb
from congressd.cli.explanation import LONGEST_ATOM, literals
from congressd.cli.fetched import counted, end, exit_code_option, limit_option, rows_of, watch_option
from congressd.cli.http import RefusedError
from congressd.cli.rowfile import RowError, read_rows
from congressd.cli.watching import follow

MOST_ASKED: Final = 100  #: rows to delete of which it is told whether they were there


@click.group()
def table() -> None:
    """Tables of policies and sources."""


@table.command("list")
@click.argument("name", metavar="POLICY|SOURCE")
@verb
def table_list(client: Client, name: str) -> None:
    """The tables of a policy or a source.

    Example: congress table list cloud
    """
    client.listing(client.service.get("v1", "policies", name, "tables")["results"], ("id",))


@click.group()
def row() -> None:
    """Rows of tables, and pushing rows to sources."""


@row.command("list")
@click.argument("name", metavar="POLICY|SOURCE")
@click.argument("table_name", metavar="TABLE")
@watch_option
@limit_option
@exit_code_option
@verb
def row_list(client: Client, name: str, table_name: str, watch: bool, limit: int | None, exit_code: bool) -> None:
    """The rows of a table.

    Example: congress row list security error
    """
    if watch:
        follow(client, lambda: {(name, table_name): rows_of(client, name, table_name, limit)}, with_place=False)
    found = rows_of(client, name, table_name, limit)
    warn({"warnings": found.warnings})
    client.rows(found.names, found.rows, found.items)
    end(exit_code and bool(found.rows))


@row.command("replace")
@click.argument("source")
@click.argument("table_name", metavar="TABLE")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path), default="-")
@verb
def row_replace(client: Client, source: str, table_name: str, file: Path) -> None:
    """Put the rows of FILE (CSV, JSON, JSON Lines, YAML; "-" is standard input) in the place of the whole table.

    Example: congress row replace approvals exceptions exceptions.csv
    """
    rows = _file(table_name, file)
    client.service.call("PUT", "v1", "data-sources", source, "tables", table_name, "rows", body=rows)
    client.done(f"{source}:{table_name} now has the {counted(len(rows), 'row')} of the file")


@row.command("upsert")
@click.argument("source")
@click.argument("table_name", metavar="TABLE")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path), default="-")
@verb
def row_upsert(client: Client, source: str, table_name: str, file: Path) -> None:
    """Add the rows of FILE, or put them in the place of rows with the same key.

    Example: echo '[{"server": "web-1", "until": "2030-01-01"}]' | congress row upsert approvals exceptions
    """
    _patch(client, source, table_name, "upsert", _file(table_name, file))


@row.command("delete")
@click.argument("source")
@click.argument("table_name", metavar="TABLE")
@click.argument("file", type=click.Path(allow_dash=True, path_type=Path), default="-")
@verb
def row_delete(client: Client, source: str, table_name: str, file: Path) -> None:
    """Take away the rows of FILE, given whole or by their key.

    Example: echo '[{"server": "web-1"}]' | congress row delete approvals exceptions
    """
    rows = _file(table_name, file)
    absent = _absent(client, source, table_name, rows)
    _patch(client, source, table_name, "delete", rows)
    if absent:
        warn(
            {"warnings": [f"{counted(absent, 'row')} of the file {'was' if absent == 1 else 'were'} not in the table"]}
        )


def _absent(client: Client, source: str, table_name: str, rows: list[Any]) -> int:
    """How many of the rows are not in the table, as far as that can be asked; of many rows it is not asked."""
    absent = 0
    for row in rows if len(rows) <= MOST_ASKED else ():
        given = (
            [f"{name}={literals([value])}" for name, value in row.items()] if isinstance(row, dict) else [literals(row)]
        )
        query = f"{table_name}({', '.join(given)})"
        if len(quote(query)) > LONGEST_ATOM:
            continue
        try:
            absent += not client.service.get("v1", "policies", source, "query", query={"q": query})["results"]
        except RefusedError:
            return 0  # such as a key without a name for its column; whether the push is right is told by itself
    return absent


def _patch(client: Client, source: str, table_name: str, what: str, rows: list[Any]) -> None:
    client.service.call("PATCH", "v1", "data-sources", source, "tables", table_name, "rows", body={what: rows})
    client.done(f"{source}:{table_name}: {what} of {counted(len(rows), 'row')}")


def _file(table_name: str, file: Path) -> list[Any]:
    try:
        if str(file) == "-":
            return read_rows(table_name, None, sys.stdin.buffer.read())
        return read_rows(table_name, file.suffix.lower(), file.read_bytes())
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}") from None
    except RowError as problem:
        raise Failure(f"{'standard input' if str(file) == '-' else file}: {problem}") from None
