"""The verbs of policies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import yaml

from congressd.cli.changing import given, warn
from congressd.cli.checking import doubled
from congressd.cli.context import Client, Failure, verb
from congressd.cli.http import RefusedError
from congressd.cli.output import put_exactly
from congressd.cli.policyfile import FileError, FilePolicy, read_policies
from congressd.model.errors import CongressError

KINDS = ("nonrecursive", "action", "database", "materialized", "z3")
_POLICY_COLUMNS = ("name", "kind", "description")

_files = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def policy() -> None:
    """Policies: named sets of rules."""


@policy.command("list")
@verb
def policy_list(client: Client) -> None:
    """All policies.

    Example: congress policy list
    """
    client.listing(client.service.get("v1", "policies")["results"], _POLICY_COLUMNS)


@policy.command("show")
@click.argument("name")
@verb
def policy_show(client: Client, name: str) -> None:
    """One policy, by name or id.

    Example: congress policy show security
    """
    client.record(client.service.get("v1", "policies", name))


@policy.command("create")
@click.argument("name")
@click.option("--description", default="", help="What the policy is about.")
@click.option("--abbreviation", help="At most five characters, for traces.")
@click.option("--kind", type=click.Choice(KINDS), default="nonrecursive", show_default=True)
@verb
def policy_create(client: Client, name: str, description: str, abbreviation: str | None, kind: str) -> None:
    """Make an empty policy.

    Example: congress policy create security --description "What must not be open"
    """
    body = {"name": name, "description": description, "kind": kind}
    if abbreviation is not None:
        body["abbreviation"] = abbreviation
    made = client.service.call("POST", "v1", "policies", body=body)
    client.done(f"policy {made['name']} created", made)


@policy.command("create-from-file")
@_files
@verb
def policy_create_from_file(client: Client, files: tuple[Path, ...]) -> None:
    """Make the policies of FILES, each with all its rules or not at all.

    A file is YAML as Congress' (name, description, kind, abbreviation, rules), or the rules alone in a .congress or
    .dl file, whose name is then the policy's.

    Example: congress policy create-from-file security.yaml
    """
    for each in _read(files):
        made = client.service.call("POST", "v1", "policies", body=each.document())
        client.done(f"policy {each.name} created, {_count(made)}", made)
        warn(made)


@policy.command("apply")
@_files
@verb
def policy_apply(client: Client, files: tuple[Path, ...]) -> None:
    """Make the policies of FILES, or change the existing ones until they are as the files say.

    Each policy changes as a whole or not at all; rules that stay the same keep their ids. Edit, apply, look, repeat.

    Example: congress policy apply security.congress
    """
    for each in _read(files):
        body = each.document()
        try:
            made = client.service.call("PUT", "v1", "policies", each.name, body=body)
            client.done(f"policy {each.name} applied, {_count(made)}", made)
            warn(made)
        except RefusedError as refusal:
            if refusal.status != 404:
                raise
            made = client.service.call("POST", "v1", "policies", body=body)
            client.done(f"policy {each.name} created, {_count(made)}", made)
            warn(made)


@policy.command("export")
@click.argument("name")
@verb
def policy_export(client: Client, name: str) -> None:
    """A policy with its rules as the YAML that `policy apply` reads.

    Example: congress policy export security > security.yaml
    """
    found = client.service.get("v1", "policies", name)
    rules = client.service.get("v1", "policies", found["name"], "rules")["results"]
    document = {field: found[field] for field in ("name", "description", "kind", "abbreviation")}
    document["rules"] = [
        {
            field: _lines(rule[field]) if isinstance(rule[field], str) else rule[field]
            for field in ("name", "comment", "enabled", "rule", "options")
            if (rule[field] is False if field == "enabled" else rule.get(field))
        }
        for rule in rules
    ]
    if client.form == "json":
        client.record(document)
    else:
        put_exactly(yaml.dump(document, Dumper=_Readable, allow_unicode=True, sort_keys=False, width=120))


@policy.command("update")
@click.argument("name")
@click.option("--name", "new_name", help="A new name.")
@click.option("--description", help="A new description.")
@click.option("--abbreviation", help="A new abbreviation.")
@verb
def policy_update(
    client: Client, name: str, new_name: str | None, description: str | None, abbreviation: str | None
) -> None:
    """Rename or describe a policy anew.

    Example: congress policy update security --description "Nothing is open"
    """
    body = given(name=new_name, description=description, abbreviation=abbreviation)
    client.done(f"policy {name} updated", client.service.call("PATCH", "v1", "policies", name, body=body))


@policy.command("delete")
@click.argument("names", nargs=-1, required=True)
@verb
def policy_delete(client: Client, names: tuple[str, ...]) -> None:
    """Delete policies with their rules.

    Example: congress policy delete security
    """
    for name in names:
        client.done(f"policy {name} deleted", client.service.call("DELETE", "v1", "policies", name))


def _read(files: tuple[Path, ...]) -> list[FilePolicy]:
    """All policies of all files; a file at fault stops the command before anything is sent."""
    policies = []
    for path in files:
        try:
            policies.extend(read_policies(path))
        except FileError as problem:
            raise Failure(f"{path}{f':{problem.line}' if problem.line else ''}: {problem}") from None
        except CongressError as error:
            raise Failure(f"{path}: {error.detail}") from None
    for finding in doubled(policies):
        raise Failure(f"{finding.file}: {finding.message}")
    return policies


def _count(made: dict[str, Any]) -> str:
    number = len(made.get("rules", ()))
    return "1 rule" if number == 1 else f"{number} rules"


def _lines(text: str) -> str:
    """A text of several lines with its last line ended, which is a plain block in YAML."""
    return text.rstrip("\n") + "\n" if "\n" in text else text


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _block)
