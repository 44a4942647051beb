"""The verbs about the service as a whole: ``status`` and ``history``."""

from __future__ import annotations

from typing import Any

import click

from congressd.cli.context import Client, Exit, verb
from congressd.cli.fetched import counted
from congressd.cli.output import say


@click.command()
@verb
def status(client: Client) -> None:
    """The state of nodes, policies and sources.

    Ends with exit code 6 if the service is not ready.

    Example: congress status
    """
    service = client.service.get("v1", "system", "status")
    policies = {
        each["name"]: client.service.get("v1", "policies", each["name"], "status")
        for each in client.service.get("v1", "policies")["results"]
    }
    sources = {
        each["name"]: client.service.get("v1", "data-sources", each["name"], "status")
        for each in client.service.get("v1", "data-sources")["results"]
    }
    if client.form in ("json", "yaml"):
        client.record({"service": service, "policies": policies, "sources": sources})
    else:
        _show(client, service, policies, sources)
    if not service["ready"]:
        raise SystemExit(int(Exit.FAILED))


@click.command()
@click.option("--since", type=click.IntRange(min=0), help="The revisions after this one. [default: the last ones]")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@verb
def history(client: Client, since: int | None, limit: int) -> None:
    """Who changed which policies, rules and sources, and when; the newest last.

    \b
    Example: congress history
             congress history --since 120 --limit 100
    """
    query = {"limit": str(limit)} | ({} if since is None else {"since": str(since)})
    found = client.service.get("v1", "revisions", query=query)["results"]
    lines = [
        {"revision": each["revision"], "at": each["at"], "author": each["author"], "what": _told(each)}
        for each in found
    ]
    client.listing(lines if client.for_people else found, ("revision", "at", "author", "what"))


def _show(client: Client, service: dict[str, Any], policies: dict[str, Any], sources: dict[str, Any]) -> None:
    state = "ready" if service["ready"] else f"NOT ready: {'; '.join(service['missing'])}"
    say(f"{client.service.endpoint} is {state}")
    engine, answers = service["engine"], service["answers"]
    say(
        f"revision {service['revision']}, epoch {service['epoch']}, bus {service['bus']}, "
        f"{service['backlog']} batches and heartbeats to apply\n"
        f"the engine holds {engine['rows']} rows of {engine['tables']} tables, and runs {engine['rules']} rules; "
        f"{answers['kept']} answers are kept"
    )
    if service["access"] != "fine":
        say(f"access: {service['access']}")
    say("")
    client.listing([_node(each) for each in service["nodes"]], ("node", "role", "state", "epoch", "revision", "note"))
    say("")
    client.listing(
        [{"policy": name, "rules": _rule_counts(each)} for name, each in policies.items()], ("policy", "rules")
    )
    say("")
    held = {each["source"]: each for each in service["sources"]}
    lines = [_source(name, each, held.get(name)) for name, each in sources.items()]
    client.listing(lines, ("source", "state", "rows", "error", "age", "behind"))
    for each in service["failures"]:
        times = f"{counted(each['count'], 'time')} since {each['since']}"
        say(f"\nfailed {times}: {each['rule']}\n  last: {each['last'][-1]}")


def _node(node: dict[str, Any]) -> dict[str, Any]:
    """A node in one line."""
    notes = [f"no {name}" for name in ("bus", "database") if not node.get(name)]
    if node.get("failing"):
        notes.append(f"{len(node['failing'])} of {node['sources']} sources fail")
    if node["state"] == "silent":
        notes = [f"not heard for {node['silent_seconds']:.0f} s"]
    notes += [node["reason"]] if node.get("reason") else []
    return {
        "node": node["node"],
        "role": node["role"],
        "state": node["state"],
        "epoch": node.get("epoch") or "",
        "revision": node["revision"],
        "note": ", ".join(notes),
    }


def _source(name: str, status: dict[str, Any], held: dict[str, Any] | None) -> dict[str, Any]:
    """A source in one line; ``behind`` is what the node that was asked has not taken yet, if it reads the source."""
    age = status.get("age_seconds")
    behind = []
    if held is not None and held["behind"]:
        behind.append(f"{held['behind']} batches")
    if held is not None and held["pushes_waiting"]:
        behind.append(f"{held['pushes_waiting']} pushes")
    return {
        "source": name,
        "state": status.get("state"),
        "rows": sum((status.get("rows") or {}).values()),
        "age": "" if age is None else f"{age:.0f} s",
        "error": "" if status["last_error"] == "None" else status["last_error"],
        "behind": ", ".join(behind),
    }


def _rule_counts(status: dict[str, Any]) -> str:
    counts = status.get("rules", {})
    return ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "none"


def _told(revision: dict[str, Any]) -> str:
    """The changes of a revision, each in a line; many of a kind as their number."""
    lines: dict[str, list[str]] = {}
    for change in revision["changes"]:
        lines.setdefault(change["kind"], []).append(_change(change))
    told = []
    for kind, each in lines.items():
        told += each if len(each) <= 3 else [f"{len(each)} x {kind.replace('_', ' ')}"]
    if more := revision["count"] - len(revision["changes"]):
        told.append(f"and {more} more changes")
    return "\n".join(told)


def _change(change: dict[str, Any]) -> str:
    noun, _, what = change["kind"].partition("_")
    name = change.get("policy") or change.get("source") or change["policy_id"]
    text = f": {' '.join(change['record']['rule'].split())}" if noun == "rule" else ""
    return f"{noun} {what}: {name}{text}" if noun != "rule" else f"rule {what} in {name}{text}"
