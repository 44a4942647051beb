"""The verbs of tables and rows: listing, queries, explanations, simulation, violations, pushes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from congressd.cli.changing import warn
from congressd.cli.columns import names_of
from congressd.cli.context import Client, Exit, Failure, verb
from congressd.cli.explanation import atom, tree
from congressd.cli.output import cell
from congressd.cli.rowfile import RowError, read_rows

_watch = click.option(
    "--watch", is_flag=True, help="Look again every second and print what changes, until Ctrl-C ends it."
)
_exit_code = click.option("--exit-code", is_flag=True, help=f"End with exit code {int(Exit.NO)} if there are rows.")

#: The names of the columns, the rows, and the same rows as the service's objects.
Named = tuple[list[str], list[list[Any]], list[dict[str, Any]]]


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
@_watch
@_exit_code
@verb
def row_list(client: Client, name: str, table_name: str, watch: bool, exit_code: bool) -> None:
    """The rows of a table.

    Example: congress row list security error
    """
    if watch:
        _follow(lambda: {(): _rows(client, name, table_name)})
    names, rows, items = _rows(client, name, table_name)
    client.rows(names, rows, items)
    _end(exit_code and bool(rows))


@click.command()
@click.argument("policy_name", metavar="POLICY")
@click.argument("text", metavar="QUERY")
@_exit_code
@verb
def query(client: Client, policy_name: str, text: str, exit_code: bool) -> None:
    """The rows that an atom or a rule matches.

    \b
    Example: congress query security 'error("web-1", why)'
             congress query security 'q(x) :- error(x, why), cloud:servers(name=x, owner="ada")'
    """
    answer = client.service.get("v1", "policies", policy_name, "query", query={"q": text})
    warn(answer)
    names, rows, items = _named(answer)
    client.rows(names, rows, items)
    _end(exit_code and bool(rows))


@click.command()
@click.argument("policy_name", metavar="POLICY")
@click.argument("text", metavar="QUERY")
@click.argument("sequence")
@click.option("--action-policy", default="action", show_default=True, help="The policy that says what actions do.")
@click.option("--delta", is_flag=True, help="Only what the sequence changes, as table+(...) and table-(...).")
@click.option("--trace", is_flag=True, help="Explain each row.")
@verb
def simulate(
    client: Client, policy_name: str, text: str, sequence: str, action_policy: str, delta: bool, trace: bool
) -> None:
    """What QUERY would answer after changes.

    The changes of SEQUENCE, such as 'p+(1) p-(2)', are made in a copy; nothing real is changed.

    Example: congress simulate security 'error(x, why)' 'cloud:servers-("web-1", "ada")' --delta
    """
    flags = {"action": "simulate", "delta": str(delta).lower(), "trace": str(trace).lower()}
    body = {"query": text, "sequence": sequence, "action_policy": action_policy}
    answer = client.service.call("POST", "v1", "policies", policy_name, body=body, query=flags)
    if client.form in ("json", "yaml"):
        client.record(answer)
        return
    for line in answer["result"]:
        click.echo(line)
    for sentence, key in (("would run", "actions"), ("would no longer be wanted", "actions_ended")):
        for each in answer.get(key, ()):
            click.echo(f"{sentence}: {each['service']}:{each['action']}({', '.join(map(cell, each['args']))})")
    if trace:
        click.echo(f"\n{answer['trace']}")


@click.command()
@click.argument("policy_name", metavar="POLICY")
@click.argument("table_name", metavar="TABLE")
@click.argument("values", metavar="[VALUE]...", nargs=-1)
@click.option(
    "--most", type=click.IntRange(min=1), default=20, show_default=True, help="How many rows to explain at most."
)
@verb
def explain(client: Client, policy_name: str, table_name: str, values: tuple[str, ...], most: int) -> None:
    """Why the rows of a table hold.

    Shows the rules and the rows that they come from. With VALUEs, only the rows that contain all of them.

    Example: congress explain security error web-1
    """
    names, rows, _ = _rows(client, policy_name, table_name)
    wanted = [row for row in rows if set(values) <= set(map(cell, row))]
    explanations = [each for row in wanted[:most] for each in _explanations(client, policy_name, table_name, row)]
    if client.form in ("json", "yaml"):
        client.record({"columns": names, "explanations": explanations, "more": len(wanted[most:])})
        return
    if not wanted:
        raise Failure(f"{policy_name}:{table_name} has no row with {', '.join(values) or 'any value'}", Exit.NO)
    for each in explanations:
        click.echo(tree(each))
    if more := wanted[most:]:
        click.echo(f"({_counted(len(more), 'more row')}: give values that they contain, or --most {len(wanted)})")


def _explanations(client: Client, policy_name: str, table_name: str, row: list[Any]) -> list[dict[str, Any]]:
    """Why one row holds; nothing if it went meanwhile."""
    query = {"q": atom(table_name, row), "trace": "true"}
    answer = client.service.get("v1", "policies", policy_name, "query", query=query)
    return [each for each in answer["explanations"] if each["data"] == row]


@click.command()
@click.argument("policies", metavar="[POLICY]...", nargs=-1)
@click.option(
    "--table", "tables", multiple=True, default=("error",), show_default=True, help="The tables of violations."
)
@_watch
@_exit_code
@verb
def violations(
    client: Client, policies: tuple[str, ...], tables: tuple[str, ...], watch: bool, exit_code: bool
) -> None:
    """What is wrong now, by policy.

    Shows the rows of the table `error` of every policy that has one, or of those named.

    \b
    Example: congress violations
             congress violations --watch
             congress violations security --exit-code     (for scripts: exit code 1 if there are any)
    """
    if watch:
        _follow(lambda: _violations(client, policies, tables))
    found = _violations(client, policies, tables)
    if client.form in ("json", "yaml"):
        items = [
            {"policy": name, "table": table_name, "results": items}
            for (name, table_name), (_, _, items) in found.items()
        ]
        client.listing(items, ())
    elif client.form == "csv":
        rows = [[*where, *row] for where, (_, rows, _) in found.items() for row in rows]
        width = max((len(row) for row in rows), default=2) - 2
        padded = [row + [None] * (width + 2 - len(row)) for row in rows]
        client.rows(["policy", "table", *(f"value{number}" for number in range(1, width + 1))], padded, [])
    else:
        _show_violations(client, found)
    _end(exit_code and any(rows for _, rows, _ in found.values()))


def _show_violations(client: Client, found: dict[tuple[str, ...], Named]) -> None:
    for (name, table_name), (names, rows, items) in found.items():
        if rows:
            click.echo(f"{name}:{table_name}")
            client.rows(names, rows, items)
            click.echo()
    total = sum(len(rows) for _, rows, _ in found.values())
    clean = [name for (name, _), (_, rows, _) in found.items() if not rows]
    sentence = f"{total} {'violation' if total == 1 else 'violations'} of {_counted(len(found), 'table')}"
    click.echo(sentence + (f"; clean: {', '.join(clean)}" if clean else ""))


def _violations(client: Client, policies: Sequence[str], tables: Sequence[str]) -> dict[tuple[str, ...], Named]:
    names = policies or [each["name"] for each in client.service.get("v1", "policies")["results"]]
    found: dict[tuple[str, ...], Named] = {}
    for name in names:
        there = {each["id"] for each in client.service.get("v1", "policies", name, "tables")["results"]}
        for table_name in tables:
            if table_name in there:
                found[name, table_name] = _rows(client, name, table_name)
    return found


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
    client.done(f"{source}:{table_name} now has the {_counted(len(rows), 'row')} of the file")


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
    _patch(client, source, table_name, "delete", _file(table_name, file))


def _patch(client: Client, source: str, table_name: str, what: str, rows: list[Any]) -> None:
    client.service.call("PATCH", "v1", "data-sources", source, "tables", table_name, "rows", body={what: rows})
    client.done(f"{source}:{table_name}: {what} of {_counted(len(rows), 'row')}")


def _file(table_name: str, file: Path) -> list[Any]:
    try:
        if str(file) == "-":
            return read_rows(table_name, None, sys.stdin.buffer.read())
        return read_rows(table_name, file.suffix.lower(), file.read_bytes())
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}") from None
    except RowError as problem:
        raise Failure(f"{'standard input' if str(file) == '-' else file}: {problem}") from None


def _rows(client: Client, name: str, table_name: str) -> Named:
    return _named(client.service.get("v1", "policies", name, "tables", table_name, "rows"))


def _named(answer: dict[str, Any]) -> Named:
    return names_of(answer), [item["data"] for item in answer["results"]], answer["results"]


def _follow(look: Callable[[], dict[tuple[str, ...], Named]], period: float = 1.0) -> None:
    """Print rows as they come (+) and go (-), one line each, until interrupted. Never returns."""
    seen: set[str] = set()
    while True:
        now = {
            "  ".join([":".join(where), *map(cell, row)]).strip()
            for where, (_, rows, _) in look().items()
            for row in rows
        }
        at = time.strftime("%H:%M:%S")
        for sign, lines in (("-", seen - now), ("+", now - seen)):
            for line in sorted(lines):
                click.echo(f"{at} {sign} {line}")
        sys.stdout.flush()
        seen = now
        time.sleep(period)


def _end(no: bool) -> None:
    if no:
        raise SystemExit(int(Exit.NO))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
