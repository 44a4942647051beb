"""The verbs of actions: what was done to the world, and what people say to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
import yaml

from congressd.cli.context import Client, Exit, Failure, verb
from congressd.cli.output import cell, say
from congressd.cli.rules import find_rule, rules_of

_COLUMNS = ("id", "state", "what", "policy", "attempts", "created_at", "result")
_PAGE = 500
_STATES = ("pending", "awaiting", "running", "succeeded", "failed", "unknown", "cancelled")

_ids = click.argument("ids", metavar="[ID]...", nargs=-1)
_rule = click.option("--rule", "rule_name", help="All that wait because of this rule, by its id or name.")
_policy = click.option("--policy", "policy_name", help="The policy of the rule, where several have one of the name.")


@click.group()
def actions() -> None:
    """Actions: what execute rules and people have done to the world, and wait to do."""


@actions.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these; may be given again.")
@click.option("--policy", "policy_name", help="Only what rules of this policy wanted.")
@click.option("--rule", "rule_name", help="Only what this rule wanted, by its id or name.")
@click.option("--service", help="Only those of this data source or service.")
@click.option("--action", "action_name", help="Only those of this action.")
@click.option("--open/--closed", "is_open", default=None, help="Only those whose row still holds, or does not.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="The most to show.")
@verb
def actions_list(
    client: Client,
    states: tuple[str, ...],
    policy_name: str | None,
    rule_name: str | None,
    service: str | None,
    action_name: str | None,
    is_open: bool | None,
    limit: int,
) -> None:
    """The log of actions, newest first.

    \b
    Example: congress actions list --state unknown --state failed
    """
    query = {
        "state": ",".join(states) or None,
        "policy": policy_name,
        "rule": None if rule_name is None else _rule_id(client, policy_name, rule_name),
        "service": service,
        "name": action_name,
        "open": None if is_open is None else str(is_open).lower(),
    }
    found = _find(client, query, limit)
    if policy_name is not None and not found:
        client.service.get("v1", "policies", policy_name)  # refused if there is none; of one that was, there is a log
    if client.for_people:
        client.listing([each | {"what": _what(each), "result": _brief(each)} for each in found], _COLUMNS)
    else:
        client.listing(found, _COLUMNS)


@actions.command("show")
@click.argument("identity", metavar="ID")
@verb
def actions_show(client: Client, identity: str) -> None:
    """One activation: what, why, when, by whom, with what result.

    Example: congress actions show 6f1d0a52-...
    """
    found = client.service.get("v1", "actions", identity)
    if not client.for_people:
        client.record(found)
        return
    why = found.pop("why") or {}
    client.record({"what": _what(found), **found})
    if rule := why.get("rule"):
        say(f"\nwanted by {rule}")
    for line in why.get("rows", ()):
        say(f"  {line}")


@actions.command("status")
@verb
def actions_status(client: Client) -> None:
    """What executes: the leading node, rules that are held back and why, activations by state.

    Example: congress actions status
    """
    client.record(client.service.get("v1", "system", "actions"))


@actions.command("run")
@click.argument("name", metavar="SERVICE:ACTION")
@click.argument("args", metavar="[VALUE]...", nargs=-1)
@verb
def actions_run(client: Client, name: str, args: tuple[str, ...]) -> None:
    """Ask for an action, once. VALUEs are read as YAML: 5 is a number, "5" is text.

    Example: congress actions run log:write 'the door is open'
    """
    body = {"name": name, "args": {"positional": [yaml.safe_load(each) for each in args]}}
    made = client.service.call("POST", "v1", "policies", "action", body=body, query={"action": "execute"})
    client.done(f"activation {made['id']} asked for", made)


@actions.command("approve")
@_ids
@_rule
@_policy
@verb
def actions_approve(client: Client, ids: tuple[str, ...], rule_name: str | None, policy_name: str | None) -> None:
    """Let activations be run that wait for approval, or since their rule wanted too many.

    \b
    Example: congress actions approve --rule pauser
             congress actions approve --policy operations --rule pauser
    """
    _settle_waiting(client, ids, policy_name, rule_name, "approve", "approved")


@actions.command("reject")
@_ids
@_rule
@_policy
@verb
def actions_reject(client: Client, ids: tuple[str, ...], rule_name: str | None, policy_name: str | None) -> None:
    """Do not let activations be run that wait for approval.

    Example: congress actions reject 6f1d0a52-...
    """
    _settle_waiting(client, ids, policy_name, rule_name, "reject", "rejected")


@actions.command("cancel")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@verb
def actions_cancel(client: Client, ids: tuple[str, ...]) -> None:
    """Do not run activations that have not begun.

    Example: congress actions cancel 6f1d0a52-...
    """
    _settle(client, ids, "cancel", "cancelled")


@actions.command("retry")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@verb
def actions_retry(client: Client, ids: tuple[str, ...]) -> None:
    """Run activations once more that failed, or of which nobody knows whether they were done.

    Example: congress actions retry 6f1d0a52-...
    """
    _settle(client, ids, "retry", "is tried again")


@actions.command("resolve")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--as", "outcome", type=click.Choice(["done", "failed", "retry"]), required=True, help="What it came to.")
@verb
def actions_resolve(client: Client, ids: tuple[str, ...], outcome: str) -> None:
    """Settle activations in the state unknown, after a look at the world.

    A node died while it ran them: they may have been done, or not.

    Example: congress actions resolve 6f1d0a52-... --as done
    """
    _settle(client, ids, "resolve", f"resolved as {outcome}", {"as": outcome})


def _settle_waiting(
    client: Client, ids: tuple[str, ...], policy_name: str | None, rule_name: str | None, what: str, past: str
) -> None:
    if bool(ids) == (rule_name is not None) or (policy_name is not None and rule_name is None):
        raise Failure("give the ids of activations, or --rule with the id or name of a rule")
    if rule_name is not None:
        rule_id = _rule_id(client, policy_name, rule_name)
        ids = tuple(each["id"] for each in _find(client, {"state": "awaiting", "rule": rule_id}, None))
        if not ids:
            raise Failure(f"nothing of the rule {rule_name} waits for approval")
    _settle(client, ids, what, past)


def _rule_id(client: Client, policy_name: str | None, name: str) -> str:
    """The id of a rule, of one policy or of any; of a rule that was deleted, too, while the log knows it.

    Raises Failure if no rule is known under the name, or more than one.
    """
    if _find(client, {"policy": policy_name, "rule": name}, 1):
        return name
    if policy_name is not None:
        return str(find_rule(client, policy_name, name)["id"])
    policies = [each["name"] for each in client.service.get("v1", "policies")["results"]]
    rules = [(policy, rule) for policy in policies for rule in rules_of(client, policy)]
    found = {rule["id"]: policy for policy, rule in rules if name in (rule["id"], rule["name"])}
    if not found:
        raise Failure(f"no policy has a rule with the id or name {name!r}", Exit.NOT_FOUND)
    if len(found) > 1:
        told = ", ".join(f"{identity} in {policy}" for identity, policy in found.items())
        raise Failure(f"there are {len(found)} rules with the name {name!r}; give an id, or --policy: {told}")
    return str(next(iter(found)))


def _settle(client: Client, ids: Sequence[str], what: str, past: str, body: dict[str, Any] | None = None) -> None:
    for identity in ids:
        found = client.service.call("POST", "v1", "actions", identity, body=body or {}, query={"action": what})
        client.done(f"activation {identity} {past}", found)


def _find(client: Client, query: dict[str, str | None], limit: int | None) -> list[dict[str, Any]]:
    """Activations, page by page; all that there are if ``limit`` is None."""
    given = {name: value for name, value in query.items() if value is not None}
    found: list[dict[str, Any]] = []
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        page = client.service.get("v1", "actions", query=given | {"limit": str(size)})
        found += page["results"]
        if page["next"] is None:
            break
        given["after"] = page["next"]
    return found


def _what(item: dict[str, Any]) -> str:
    """The call as the policy language writes it, cut short."""
    values = (json.dumps(each, ensure_ascii=False) for each in item["args"] or ())
    text = f"{item['service']}:{item['action']}({', '.join(values)})"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _brief(item: dict[str, Any]) -> str:
    """What is most worth to be seen of a result, and who had a say in it."""
    said = [f"{each['verb']} by {each['by']}" for each in item["settled"]]
    return "; ".join(filter(None, (_worth(item["result"]), *said)))


def _worth(result: Any) -> str:
    if not isinstance(result, dict):
        return ""
    for name in ("error", "held", "awaits", "cancelled", "note"):
        if name in result:
            text = f"{name}: {cell(result[name])}"
            return text if len(text) <= 80 else f"{text[:77]}..."
    return "dry run" if result.get("dry_run") else ""
