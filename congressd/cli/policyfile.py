"""Policy files: YAML as Congress' ``policy create-from-file`` reads it, and plain text of the policy language.

A YAML file holds one policy or more, each a document of its own: ``name``, ``description``, ``kind``,
``abbreviation`` and ``rules``, a list of plain texts or of objects with ``rule``, ``name``, ``comment``, ``enabled``
(false for a rule that is kept and has no effect) and, for an execute rule, ``options``. A text file (``.congress``,
``.dl``) holds the rules of one policy, which has the name of the file; the comment above a rule is the rule's comment.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from congressd.language.parser import parse_program
from congressd.model.actions import parse_options
from congressd.model.errors import CongressError

TEXT_SUFFIXES = (".congress", ".dl", ".datalog")
STANDARD_INPUT = Path("-")
YAML_SUFFIXES = (".yaml", ".yml", ".json")
LONGEST_COMMENT = 255  # characters that the API takes
_FIELDS = ("name", "description", "kind", "abbreviation", "rules", "depends-on", "id", "owner_id")
_RULE_FIELDS = ("rule", "name", "comment", "enabled", "options", "id")


class FileError(Exception):
    """A file that cannot be read as a policy; the text is a sentence, ``line`` where it applies, from 1."""

    def __init__(self, sentence: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class FileRule:
    """A rule in a file; ``line`` is where its text begins, counted from 1, or None if that is not known."""

    text: str
    name: str | None = None
    comment: str = ""
    line: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """A policy in a file."""

    path: str
    name: str
    rules: tuple[FileRule, ...]
    description: str = ""
    kind: str = "nonrecursive"
    abbreviation: str | None = None

    def document(self) -> dict[str, Any]:
        """The body that POST and PUT of a policy take."""
        rules = []
        for rule in self.rules:
            item: dict[str, Any] = {"rule": rule.text}
            if rule.name:
                item["name"] = rule.name
            if rule.comment:
                item["comment"] = rule.comment
            if not rule.enabled:
                item["enabled"] = False
            if rule.options:
                item["options"] = dict(rule.options)
            rules.append(item)
        body: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "kind": self.kind,
            "rules": rules,
        }
        if self.abbreviation:
            body["abbreviation"] = self.abbreviation
        return body


def read_text(path: Path) -> str:
    """The text of a file, or of standard input. Raises FileError."""
    try:
        data = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise FileError(f"not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise FileError(f"{error.strerror or error}") from None
    if "\0" in text:
        raise FileError("not a text, since it has NUL characters", text.count("\n", 0, text.index("\0")) + 1)
    return text


def read_policies(path: Path) -> list[FilePolicy]:
    """The policies in a file; "-" is standard input, with the rules of one policy.

    Raises FileError, and CongressError "rule_syntax" from the text of a plain file.
    """
    text = read_text(path)
    if path == STANDARD_INPUT or path.suffix in TEXT_SUFFIXES:
        return [_from_text(path, text)]
    if path.suffix in YAML_SUFFIXES:
        return _from_yaml(path, text)
    raise FileError(
        f"cannot tell what this is; policies are in {', '.join(YAML_SUFFIXES)} or, as rules alone, "
        f"in {', '.join(TEXT_SUFFIXES)}"
    )


def _from_yaml(path: Path, text: str) -> list[FilePolicy]:
    try:
        policies = []
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            item = yaml.SafeLoader("").construct_document(node)
            if item is not None:
                policies.append(_policy(path, item, node))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise FileError(f"not YAML: {problem}", mark and mark.line + 1) from None
    if not policies:
        raise FileError("the file is empty; a policy has at least a name")
    return policies


def _policy(path: Path, item: Any, node: yaml.Node) -> FilePolicy:
    if not isinstance(item, Mapping):
        raise FileError(f"a policy is a map with a name and rules, not {type(item).__name__}")
    for key in item:
        if key not in _FIELDS:
            raise FileError(f"there is no field {key!r} in a policy; allowed are {', '.join(_FIELDS[:5])}")
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise FileError("the policy has no name")
    rules = item.get("rules") or []
    if not isinstance(rules, list):
        raise FileError(f"the rules of {name} are not a list")
    lines = _rule_lines(node)
    return FilePolicy(
        str(path),
        name,
        tuple(_rule(name, rule, lines.get(index)) for index, rule in enumerate(rules)),
        str(item.get("description") or ""),
        str(item.get("kind") or "nonrecursive"),
        item.get("abbreviation"),
    )


def _rule(policy: str, item: Any, line: int | None) -> FileRule:
    if isinstance(item, str):
        return FileRule(item.strip(), line=line)
    if not isinstance(item, Mapping) or not isinstance(item.get("rule"), str):
        raise FileError(f"a rule of {policy} is a text, or a map with the text under `rule`", line)
    for key in item:
        if key not in _RULE_FIELDS:
            raise FileError(f"there is no field {key!r} in a rule; allowed are {', '.join(_RULE_FIELDS[:5])}", line)
    enabled = item.get("enabled", True)
    if not isinstance(enabled, bool):
        raise FileError(f"a rule of {policy}: enabled must be true or false, not {enabled!r}", line)
    options = item.get("options") or {}
    try:
        parse_options(options)
    except CongressError as error:
        raise FileError(f"a rule of {policy}: {error.detail}", line) from None
    return FileRule(item["rule"].strip(), item.get("name"), str(item.get("comment") or ""), line, options, enabled)


def _rule_lines(node: yaml.Node) -> dict[int, int]:
    """Where the text of each rule begins in the file."""
    lines: dict[int, int] = {}
    if not isinstance(node, yaml.MappingNode):
        return lines
    rules = next((value for key, value in node.value if key.value == "rules"), None)
    if not isinstance(rules, yaml.SequenceNode):
        return lines
    for index, item in enumerate(rules.value):
        text = item
        if isinstance(item, yaml.MappingNode):
            text = next((value for key, value in item.value if key.value == "rule"), item)
        block = isinstance(text, yaml.ScalarNode) and text.style in ("|", ">")
        lines[index] = text.start_mark.line + (2 if block else 1)
    return lines


def policy_name(path: Path) -> str:
    """The name of the policy in a plain file: the file's, with what a name cannot have made ``_``."""
    name = re.sub(r"[^A-Za-z0-9_.]", "_", path.stem)
    return name if re.match(r"[A-Za-z_.]", name) else f"_{name}"


def _from_text(path: Path, text: str) -> FilePolicy:
    """The statements of a plain file; a comment that ends on the line above a statement is its comment."""
    rules = []
    lines = text.splitlines()
    for statement in parse_program(text).statements:
        line = text.count("\n", 0, statement.span[0])
        rules.append(FileRule(statement.source, None, _comment_above(lines, line), line + 1))
    return FilePolicy(str(path), policy_name(path), tuple(rules))


def _comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and (match := re.match(r"\s*(?://|#)\s?(.*)", lines[line - 1])):
        found.insert(0, match[1].strip())
        line -= 1
    text = " ".join(found).strip()
    return text if len(text) <= LONGEST_COMMENT else text[: LONGEST_COMMENT - 3] + "..."
