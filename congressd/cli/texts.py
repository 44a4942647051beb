"""The verbs that work on policy files: ``check`` and ``fmt``."""

from __future__ import annotations

import difflib
from pathlib import Path

import click
import yaml

from congressd.cli.checking import Finding, Known, check_policies, line_of, message_of
from congressd.cli.context import Client, Exit, Failure, verb
from congressd.cli.output import put_exactly, say
from congressd.cli.policyfile import (
    STANDARD_INPUT,
    TEXT_SUFFIXES,
    YAML_SUFFIXES,
    FileError,
    FilePolicy,
    read_policies,
    read_text,
)
from congressd.cli.yamlrules import format_yaml
from congressd.language.formatter import format_text
from congressd.model.errors import CongressError

_files = click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, allow_dash=True, dir_okay=False, path_type=Path),
)


@click.command()
@_files
@click.option(
    "--schema",
    "schema_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML or JSON file with the columns of sources: {source: {table: [column, ...]}}.",
)
@click.option("--service", is_flag=True, help="Take the sources' columns and other policies from the running service.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@verb
def check(client: Client, files: tuple[Path, ...], schema_files: tuple[Path, ...], service: bool, strict: bool) -> None:
    """Find mistakes in policy FILES.

    The files (YAML, or rules in .congress and .dl; "-" is rules on standard input) are checked as if they were loaded
    together. Finds errors of syntax, unsafe variables, recursion over all files, unknown builtins and, with --schema
    or --service, unknown tables and columns. Nothing is sent. Ends with exit code 1 if there are errors.

    \b
    Example: congress check security.congress --service
             congress check - < security.congress
    """
    policies: list[FilePolicy] = []
    findings: list[Finding] = []
    for path in files:
        try:
            policies.extend(read_policies(path))
        except FileError as problem:
            findings.append(Finding(str(path), problem.line, "", "error", str(problem)))
        except CongressError as error:
            findings.append(Finding(str(path), line_of(error), "", "error", message_of(error)))
    findings += check_policies(policies, _known(client, schema_files, service))
    if client.form == "table":
        for finding in findings:
            say(str(finding))
        click.echo(_summary(policies, findings))
    else:
        client.listing([finding.document() for finding in findings], tuple(Finding.__match_args__))
    if any(finding.severity == "error" or strict for finding in findings):
        raise SystemExit(int(Exit.NO))


@click.command()
@_files
@click.option("--check", "mode", flag_value="check", help="Only name the files that would change; exit code 1 if any.")
@click.option("--diff", "mode", flag_value="diff", help="Show what would change; exit code 1 if anything.")
@click.option("--write", "mode", flag_value="write", help="Change the files in place.")
def fmt(files: tuple[Path, ...], mode: str | None) -> None:
    """Lay out policy FILES in the one style.

    Comments are kept. Without an option the result is printed. In YAML the rules that are written as blocks
    (`rule: |`) are laid out, everything else stays as it is.

    \b
    Example: congress fmt security.congress --diff
             congress fmt - < security.congress
    """
    changed = False
    for path in files:
        before = _source(path)
        after = _formatted(path, before)
        changed |= after != before
        if mode is None:
            put_exactly(after)
        elif after == before:
            continue
        elif mode == "check":
            click.echo(f"{path} would change")
        elif mode == "diff":
            lines = difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), str(path), f"{path} formatted"
            )
            put_exactly("".join(lines))
        elif path == STANDARD_INPUT:
            put_exactly(after)
        else:
            _write(path, after)
            click.echo(f"{path} changed")
    if changed and mode in ("check", "diff"):
        raise SystemExit(int(Exit.NO))


def _source(path: Path) -> str:
    try:
        return read_text(path)
    except FileError as problem:
        raise Failure(f"{path}{f':{problem.line}' if problem.line else ''}: {problem}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from None


def _formatted(path: Path, text: str) -> str:
    try:
        if path.suffix in YAML_SUFFIXES:
            return format_yaml(text)
        if path == STANDARD_INPUT or path.suffix in TEXT_SUFFIXES:
            return format_text(text)
    except CongressError as error:
        raise Failure(f"{path}: {error.detail}", Exit.NO) from None
    except yaml.YAMLError as error:
        raise Failure(f"{path}: not YAML: {' '.join(str(error).split())}", Exit.NO) from None
    raise Failure(f"{path}: not a policy file; their names end in {', '.join(YAML_SUFFIXES + TEXT_SUFFIXES)}")


def _known(client: Client, schema_files: tuple[Path, ...], service: bool) -> Known:
    schemas: dict[str, dict[str, tuple[str, ...]]] = {}
    policies: dict[str, str] = {}
    if service:
        for source in client.service.get("v1", "data-sources")["results"]:
            tables = client.service.get("v1", "data-sources", source["name"], "schema")["tables"]
            schemas[source["name"]] = {
                table["table_id"]: tuple(column["name"] for column in table["columns"]) for table in tables
            }
        for policy in client.service.get("v1", "policies")["results"]:
            policies[policy["name"]] = policy["kind"]
    for path in schema_files:
        try:
            read = yaml.safe_load(path.read_text(encoding="utf-8"))
            for source, tables in read.items():
                schemas[str(source)] = {str(name): tuple(map(str, columns)) for name, columns in tables.items()}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise Failure(f"{path}: not YAML: {' '.join(str(error).split())}") from None
        except (AttributeError, TypeError):
            raise Failure(f"{path}: must be a map from sources to maps from tables to lists of columns") from None
    return Known(schemas, policies)


def _summary(policies: list[FilePolicy], findings: list[Finding]) -> str:
    rules = sum(len(policy.rules) for policy in policies)
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    found = ", ".join(_counted(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number)
    return f"{_counted(len(policies), 'policy')}, {_counted(rules, 'rule')}: {found or 'nothing to complain about'}"


def _counted(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
