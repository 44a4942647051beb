"""Checks policies without a service: syntax, safety, names, columns, recursion, over several files at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from congressd.cli.policyfile import FilePolicy, FileRule
from congressd.language import syntax
from congressd.language.catalog import DATASOURCE, StaticCatalog
from congressd.language.check import check_rule, rule_key
from congressd.language.dependencies import DependencyGraph
from congressd.language.parser import parse_rule
from congressd.model.errors import CongressError

#: Tables by source, columns by table.
Schemas = Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong (``error``) or doubtful (``warning``) at a place in a file."""

    file: str
    line: int | None
    policy: str
    severity: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.severity}: {self.message}"

    def document(self) -> dict[str, str | int | None]:
        """The finding as an object for JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "policy": self.policy,
            "severity": self.severity,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Parsed:
    """A rule with where it came from."""

    policy: FilePolicy
    source: FileRule
    tree: syntax.Rule


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the files: the kinds and tables of other policies, and the schemas of sources."""

    schemas: Schemas = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)


def check_policies(policies: Sequence[FilePolicy], known: Known) -> list[Finding]:
    """Everything that is wrong or doubtful in ``policies``, which are checked as if they were loaded together.

    Where the columns of a source are not known, the columns that the rules name are taken to exist, and a warning
    says so.
    """
    findings: list[Finding] = []
    rules: list[Parsed] = []
    for policy in policies:
        for rule in policy.rules:
            try:
                rules.append(Parsed(policy, rule, parse_rule(rule.text)))
            except CongressError as error:
                findings.append(_finding(policy, rule, "error", error))
    findings += doubled(policies)
    catalog, guessed = _catalog(policies, rules, known)
    findings += (
        Finding(policies[0].path, None, "", "warning", f"the columns of {name} are not known, so not checked")
        for name in sorted(guessed)
    )
    findings += _check(rules, catalog, guessed)
    return findings


def _check(rules: Iterable[Parsed], catalog: StaticCatalog, guessed: Collection[str]) -> Iterator[Finding]:
    graph = DependencyGraph()
    seen: dict[object, FileRule] = {}
    for each in rules:
        try:
            checked = check_rule(each.tree, each.policy.name, catalog)
            graph.add([checked.rule])
        except CongressError as error:
            yield _finding(each.policy, each.source, "error", error)
            continue
        for warning in checked.warnings:
            yield Finding(each.policy.path, each.source.line, each.policy.name, "warning", warning)
        key = (each.policy.name, rule_key(checked.rule))
        if key in seen:
            first = f" (line {seen[key].line})" if seen[key].line else ""
            message = f"the same rule stands in the policy already{first}"
            yield Finding(each.policy.path, each.source.line, each.policy.name, "error", message)
        seen.setdefault(key, each.source)


def doubled(policies: Sequence[FilePolicy]) -> Iterator[Finding]:
    """Policies that stand in the files more than once."""
    first: dict[str, str] = {}
    for policy in policies:
        if policy.name in first:
            message = f"the policy {policy.name} stands in {first[policy.name]} already"
            yield Finding(policy.path, None, policy.name, "error", message)
        first.setdefault(policy.name, policy.path)


def _finding(policy: FilePolicy, rule: FileRule, severity: str, error: CongressError) -> Finding:
    """The finding at the line of the file; the parser counts lines from the beginning of the rule."""
    inner = line_of(error)
    line = rule.line if rule.line is None or inner is None else rule.line + inner - 1
    return Finding(policy.path, line, policy.name, severity, message_of(error))


def line_of(error: CongressError) -> int | None:
    """The line that an error of the language is about, from 1, if it is about one."""
    line = error.data.get("line") if isinstance(error.data, dict) else None
    return line if isinstance(line, int) else None


def message_of(error: CongressError) -> str:
    """The error's sentence without its own line and column, which do not count from the beginning of the file."""
    return re.sub(r"line:\d+,col:\d+:? ?", "", error.detail)


def _catalog(
    policies: Sequence[FilePolicy], rules: Sequence[Parsed], known: Known
) -> tuple[StaticCatalog, frozenset[str]]:
    """The catalogue of the files and what is known besides, and the names of sources whose columns were guessed."""
    kinds = dict(known.policies) | dict.fromkeys(known.schemas, DATASOURCE)
    kinds |= {policy.name: policy.kind for policy in policies}
    schemas: dict[str, dict[str, tuple[str, ...] | int]] = {
        name: dict(tables) for name, tables in known.schemas.items()
    }
    for each in rules:
        for head in each.tree.heads:
            if head.service is None and head.modal is None:
                schemas.setdefault(each.policy.name, {}).setdefault(head.table, len(head.arguments))
    guessed: dict[str, dict[str, list[str]]] = {}
    for each in rules:
        for atom in _body_atoms(each.tree):
            if atom.service is None or atom.service in kinds or atom.service == "builtin":
                continue
            columns = guessed.setdefault(atom.service, {}).setdefault(atom.table, [])
            for position, argument in enumerate(atom.arguments):
                name = argument.column if isinstance(argument.column, str) else f"column{argument.column or position}"
                if name not in columns:
                    columns.append(name)
    for source, tables in guessed.items():
        kinds[source] = DATASOURCE
        schemas[source] = {table: tuple(columns) for table, columns in tables.items()}
    return StaticCatalog(kinds, schemas), frozenset(guessed)


def _body_atoms(rule: syntax.Rule) -> Iterator[syntax.Atom]:
    for item in rule.body:
        if isinstance(item.condition, syntax.Atom):
            yield item.condition
