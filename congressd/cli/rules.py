"""The verbs of rules."""

from __future__ import annotations

import sys
from typing import Any

import click
import yaml

from congressd.cli.changing import given, warn
from congressd.cli.context import Client, Exit, Failure, verb

_COLUMNS = ("id", "name", "state", "rule", "comment")

_options = click.option(
    "--options",
    metavar="MAP",
    help="How the actions of an execute rule are run, as YAML: dry_run, approval, delay, ...",
)


@click.group()
def rule() -> None:
    """Rules of a policy."""


@rule.command("list")
@click.argument("policy_name", metavar="POLICY")
@verb
def rule_list(client: Client, policy_name: str) -> None:
    """All rules of a policy, and whether each is active, waiting or disabled.

    Example: congress rule list security
    """
    rules = rules_of(client, policy_name)
    if not client.for_people:
        client.listing(rules, ())
        return
    idle = client.service.get("v1", "policies", policy_name, "status")["not_active"]
    states = {each["id"]: each["state"] for each in idle}
    client.listing([each | {"state": states.get(each["id"], "active")} for each in rules], _COLUMNS)


@rule.command("show")
@click.argument("policy_name", metavar="POLICY")
@click.argument("name", metavar="RULE")
@verb
def rule_show(client: Client, policy_name: str, name: str) -> None:
    """One rule, by id or name, and whether it works.

    Example: congress rule show security violation
    """
    found = find_rule(client, policy_name, name)
    status = client.service.get("v1", "policies", policy_name, "rules", found["id"], "status")
    client.record(found | {field: status[field] for field in ("state", "reason") if status.get(field)})


@rule.command("create")
@click.argument("policy_name", metavar="POLICY")
@click.argument("text", metavar="RULE")
@click.option("--name", help="A name for the rule.")
@click.option("--comment", help="Why the rule is there.")
@_options
@verb
def rule_create(
    client: Client, policy_name: str, text: str, name: str | None, comment: str | None, options: str | None
) -> None:
    """Add a rule to a policy; "-" reads it from standard input.

    \b
    Example: congress rule create security 'error(x) :- cloud:servers(name=x, status="ERROR")'
             congress rule create security 'execute[log:write(x)] :- error(x)' --options 'delay: 300'
    """
    body = given(rule=_text(text), name=name, comment=comment) | _with_options(options)
    made = client.service.call("POST", "v1", "policies", policy_name, "rules", body=body)
    client.done(f"rule {made['id']} created", made)
    warn(made)


@rule.command("update")
@click.argument("policy_name", metavar="POLICY")
@click.argument("name", metavar="RULE")
@click.option("--rule", "text", help='The new text; "-" reads it from standard input.')
@click.option("--name", "new_name", help="A new name.")
@click.option("--comment", help="A new comment.")
@click.option("--enable/--disable", "enabled", default=None, help="Let it have effect, or keep it without any.")
@_options
@verb
def rule_update(
    client: Client,
    policy_name: str,
    name: str,
    text: str | None,
    new_name: str | None,
    comment: str | None,
    enabled: bool | None,
    options: str | None,
) -> None:
    """Change a rule, found by id or name.

    \b
    Example: congress rule update security violation --comment "Agreed in May"
             congress rule update security violation --disable
    """
    found = find_rule(client, policy_name, name)
    body = given(
        rule=None if text is None else _text(text),
        name=new_name,
        comment=comment,
        enabled=enabled,
        options=_with_options(options).get("options"),
    )
    made = client.service.call("PATCH", "v1", "policies", policy_name, "rules", found["id"], body=body)
    client.done(f"rule {found['id']} updated", made)
    warn(made)


@rule.command("delete")
@click.argument("policy_name", metavar="POLICY")
@click.argument("names", metavar="RULE...", nargs=-1, required=True)
@verb
def rule_delete(client: Client, policy_name: str, names: tuple[str, ...]) -> None:
    """Delete rules, found by id or name.

    Example: congress rule delete security violation
    """
    for name in names:
        found = find_rule(client, policy_name, name)
        client.service.call("DELETE", "v1", "policies", policy_name, "rules", found["id"])
        client.done(f"rule {found['id']} deleted", found)


def rules_of(client: Client, policy_name: str) -> list[dict[str, Any]]:
    """All rules of a policy, as the service's objects."""
    results: list[dict[str, Any]] = client.service.get("v1", "policies", policy_name, "rules")["results"]
    return results


def find_rule(client: Client, policy_name: str, name: str) -> dict[str, Any]:
    """The rule with an id or name. Raises Failure if there is none, or more than one."""
    rules = rules_of(client, policy_name)
    found = [each for each in rules if each["id"] == name] or [each for each in rules if each["name"] == name]
    if not found:
        raise Failure(f"policy {policy_name} has no rule with the id or name {name!r}", Exit.NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        raise Failure(f"policy {policy_name} has {len(found)} rules with the name {name!r}; give an id: {ids}")
    return found[0]


def _with_options(text: str | None) -> dict[str, Any]:
    """The options of an execute rule, from YAML or JSON."""
    if text is None:
        return {}
    try:
        options = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Failure(f"--options is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(options, dict):
        raise Failure(f"--options must be a map from options to values, such as 'retries: 3', not {text!r}")
    return {"options": options}


def _text(argument: str) -> str:
    return sys.stdin.read() if argument == "-" else argument
