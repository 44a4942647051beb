"""The verbs that ask more of a policy than its rows: ``query``, ``simulate`` and ``explain``."""

from __future__ import annotations

from typing import Any

import click

from congressd.cli.changing import warn
from congressd.cli.context import Client, Exit, Failure, verb
from congressd.cli.explanation import atom, literals, tree
from congressd.cli.fetched import counted, end, exit_code_option, fetched, limit_option, limited, rows_of
from congressd.cli.output import cell, say


@click.command()
@click.argument("policy_name", metavar="POLICY")
@click.argument("text", metavar="QUERY")
@limit_option
@exit_code_option
@verb
def query(client: Client, policy_name: str, text: str, limit: int | None, exit_code: bool) -> None:
    """The rows that an atom or a rule matches.

    \b
    Example: congress query security 'error("web-1", why)'
             congress query security 'q(x) :- error(x, why), cloud:servers(name=x, owner="ada")'
    """
    found = fetched(client.service.get("v1", "policies", policy_name, "query", query={"q": text} | limited(limit)))
    warn({"warnings": found.warnings})
    client.rows(found.names, found.rows, found.items)
    end(exit_code and bool(found.rows))


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
        say(line)
    for sentence, key in (("would run", "actions"), ("would no longer be wanted", "actions_ended")):
        for each in answer.get(key, ()):
            say(f"{sentence}: {each['service']}:{each['action']}({literals(each['args'])})")
    if trace:
        say(f"\n{answer['trace']}")


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
    found = rows_of(client, policy_name, table_name)
    warn({"warnings": found.warnings})
    wanted = [row for row in found.rows if set(values) <= set(map(cell, row))]
    explanations = [each for row in wanted[:most] for each in _explanations(client, policy_name, table_name, row)]
    if client.form in ("json", "yaml"):
        client.record({"columns": found.names, "explanations": explanations, "more": len(wanted[most:])})
        return
    if not wanted:
        raise Failure(f"{policy_name}:{table_name} has no row with {', '.join(values) or 'any value'}", Exit.NO)
    for each in explanations:
        say(tree(each))
    if more := wanted[most:]:
        say(f"({counted(len(more), 'more row')}: give values that they contain, or --most {len(wanted)})")


def _explanations(client: Client, policy_name: str, table_name: str, row: list[Any]) -> list[dict[str, Any]]:
    """Why one row holds; nothing if it went meanwhile."""
    query = {"q": atom(table_name, row), "trace": "true"}
    answer = client.service.get("v1", "policies", policy_name, "query", query=query)
    return [each for each in answer["explanations"] if each["data"] == row]
