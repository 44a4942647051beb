"""The verb ``violations``: what is wrong now, in all policies."""

from __future__ import annotations

from collections.abc import Sequence

import click

from congressd.cli.context import Client, Exit, Failure, verb
from congressd.cli.fetched import Fetched, counted, end, rows_of, watch_option
from congressd.cli.output import say
from congressd.cli.watching import follow

#: By policy and table.
Found = dict[tuple[str, str], Fetched]


@click.command()
@click.argument("policies", metavar="[POLICY]...", nargs=-1)
@click.option(
    "--table", "tables", multiple=True, default=("error",), show_default=True, help="The tables of violations."
)
@watch_option
@click.option(
    "--exit-code",
    is_flag=True,
    help=f"End with exit code {int(Exit.NO)} if there are rows, or a table could not be checked.",
)
@verb
def violations(
    client: Client, policies: tuple[str, ...], tables: tuple[str, ...], watch: bool, exit_code: bool
) -> None:
    """What is wrong now, by policy.

    Shows the rows of the table `error` of every policy that has one, or of those named. A table from which rows may
    be missing is not called clean: it is listed as not checked, and a warning says why.

    \b
    Example: congress violations
             congress violations --watch
             congress violations security --exit-code     (for scripts: exit code 1 if there are any)
    """
    if watch:
        _look(client, policies, tables)
        follow(client, lambda: _find(client, policies, tables), with_place=True)
    found = _look(client, policies, tables)
    for (name, table), each in found.items():
        for warning in each.warnings:
            say(f"warning: {name}:{table}: {warning}", err=True)
    if client.form in ("json", "yaml"):
        items = [
            {"policy": name, "table": table, "results": each.items}
            | ({"warnings": list(each.warnings)} if each.warnings else {})
            for (name, table), each in found.items()
        ]
        client.listing(items, ())
    elif client.form == "csv":
        rows = [[*where, *row] for where, each in found.items() for row in each.rows]
        width = max((len(row) for row in rows), default=2) - 2
        padded = [row + [None] * (width + 2 - len(row)) for row in rows]
        client.rows(["policy", "table", *(f"value{number}" for number in range(1, width + 1))], padded, [])
    else:
        _show(client, found)
    end(exit_code and any(each.rows or each.warnings for each in found.values()))


def _show(client: Client, found: Found) -> None:
    for (name, table), each in found.items():
        if each.rows:
            say(f"{name}:{table}")
            client.rows(each.names, each.rows, each.items)
            say("")
    total = sum(len(each.rows) for each in found.values())
    clean = [name for (name, _), each in found.items() if not each.rows and not each.warnings]
    doubtful = [name for (name, _), each in found.items() if each.warnings]
    sentence = f"{counted(total, 'violation')} of {counted(len(found), 'table')}"
    for what, names in (("clean", clean), ("not checked", doubtful)):
        sentence += f"; {what}: {', '.join(names)}" if names else ""
    say(sentence)


def _look(client: Client, policies: Sequence[str], tables: Sequence[str]) -> Found:
    """The tables that there are. Raises Failure for a policy, and for a table, of which there is none at all."""
    found = _find(client, policies, tables)
    told = f"table {' or '.join(tables)}"
    for name in policies:
        if not any(name == policy for policy, _ in found):
            raise Failure(
                f"policy {name} has no {told}; `congress table list {name}` shows what it has", Exit.NOT_FOUND
            )
    for table in tables:
        if not any(table == each for _, each in found):
            raise Failure(f"no policy has a table {table}; `congress policy list` shows the policies", Exit.NOT_FOUND)
    return found


def _find(client: Client, policies: Sequence[str], tables: Sequence[str]) -> Found:
    names = policies or [each["name"] for each in client.service.get("v1", "policies")["results"]]
    found: Found = {}
    for name in names:
        there = {each["id"] for each in client.service.get("v1", "policies", name, "tables")["results"]}
        for table in tables:
            if table in there:
                found[name, table] = rows_of(client, name, table)
    return found
