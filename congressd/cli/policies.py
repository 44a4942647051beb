"""The verbs of policies and rules."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from congressd.cli.context import Client, Exit, Failure, verb
from congressd.cli.http import RefusedError
from congressd.cli.policyfile import FileError, FilePolicy, read_policies
from congressd.model.errors import CongressError

KINDS = ("nonrecursive", "action", "database", "materialized", "z3")
_POLICY_COLUMNS = ("name", "kind", "description")
_RULE_COLUMNS = ("id", "name", "rule", "comment")

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
        _warn(made)


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
            _warn(made)
        except RefusedError as refusal:
            if refusal.status != 404:
                raise
            made = client.service.call("POST", "v1", "policies", body=body)
            client.done(f"policy {each.name} created, {_count(made)}", made)
            _warn(made)


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
            for field in ("name", "comment", "rule", "options")
            if rule.get(field)
        }
        for rule in rules
    ]
    if client.form == "json":
        client.record(document)
    else:
        click.echo(yaml.dump(document, Dumper=_Readable, allow_unicode=True, sort_keys=False, width=120), nl=False)


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
    body = _given(name=new_name, description=description, abbreviation=abbreviation)
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


_rule_options = click.option(
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
    """All rules of a policy.

    Example: congress rule list security
    """
    client.listing(_rules(client, policy_name), _RULE_COLUMNS)


@rule.command("show")
@click.argument("policy_name", metavar="POLICY")
@click.argument("name", metavar="RULE")
@verb
def rule_show(client: Client, policy_name: str, name: str) -> None:
    """One rule, by id or name, and whether it works.

    Example: congress rule show security violation
    """
    found = _find_rule(client, policy_name, name)
    status = client.service.get("v1", "policies", policy_name, "rules", found["id"], "status")
    client.record(found | {field: status[field] for field in ("state", "reason") if status.get(field)})


@rule.command("create")
@click.argument("policy_name", metavar="POLICY")
@click.argument("text", metavar="RULE")
@click.option("--name", help="A name for the rule.")
@click.option("--comment", help="Why the rule is there.")
@_rule_options
@verb
def rule_create(
    client: Client, policy_name: str, text: str, name: str | None, comment: str | None, options: str | None
) -> None:
    """Add a rule to a policy; "-" reads it from standard input.

    \b
    Example: congress rule create security 'error(x) :- cloud:servers(name=x, status="ERROR")'
             congress rule create security 'execute[log:write(x)] :- error(x)' --options 'delay: 300'
    """
    body = _given(rule=_text(text), name=name, comment=comment) | _with_options(options)
    made = client.service.call("POST", "v1", "policies", policy_name, "rules", body=body)
    client.done(f"rule {made['id']} created", made)
    _warn(made)


@rule.command("update")
@click.argument("policy_name", metavar="POLICY")
@click.argument("name", metavar="RULE")
@click.option("--rule", "text", help='The new text; "-" reads it from standard input.')
@click.option("--name", "new_name", help="A new name.")
@click.option("--comment", help="A new comment.")
@_rule_options
@verb
def rule_update(
    client: Client,
    policy_name: str,
    name: str,
    text: str | None,
    new_name: str | None,
    comment: str | None,
    options: str | None,
) -> None:
    """Change a rule, found by id or name.

    Example: congress rule update security violation --comment "Agreed in May"
    """
    found = _find_rule(client, policy_name, name)
    given = _with_options(options)
    body = _given(rule=None if text is None else _text(text), name=new_name, comment=comment, options=options) | given
    made = client.service.call("PATCH", "v1", "policies", policy_name, "rules", found["id"], body=body)
    client.done(f"rule {found['id']} updated", made)
    _warn(made)


@rule.command("delete")
@click.argument("policy_name", metavar="POLICY")
@click.argument("names", metavar="RULE...", nargs=-1, required=True)
@verb
def rule_delete(client: Client, policy_name: str, names: tuple[str, ...]) -> None:
    """Delete rules, found by id or name.

    Example: congress rule delete security violation
    """
    for name in names:
        found = _find_rule(client, policy_name, name)
        client.service.call("DELETE", "v1", "policies", policy_name, "rules", found["id"])
        client.done(f"rule {found['id']} deleted", found)


def _rules(client: Client, policy_name: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = client.service.get("v1", "policies", policy_name, "rules")["results"]
    return results


def _find_rule(client: Client, policy_name: str, name: str) -> dict[str, Any]:
    rules = _rules(client, policy_name)
    found = [each for each in rules if each["id"] == name] or [each for each in rules if each["name"] == name]
    if not found:
        raise Failure(f"policy {policy_name} has no rule with the id or name {name!r}", Exit.NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        raise Failure(f"policy {policy_name} has {len(found)} rules with the name {name!r}; give an id: {ids}")
    return found[0]


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
    return policies


def _given(**fields: str | None) -> dict[str, str]:
    body = {name: value for name, value in fields.items() if value is not None}
    if not body:
        raise Failure("nothing to change was given; see --help for what can be")
    return body


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


def _warn(made: Mapping[str, Any]) -> None:
    """What the service found doubtful in a rule, or in the rules of a policy."""
    for item in (made, *made.get("rules", ())):
        for warning in item.get("warnings", ()):
            click.echo(f"warning: {warning}", err=True)


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
