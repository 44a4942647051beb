"""The layout of rules inside a YAML policy file, whose own text and comments stay as they are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import yaml

from congressd.language.formatter import format_text


def format_yaml(text: str) -> str:
    """``text`` with each rule that is a block (``|``) laid out anew.

    Raises CongressError "rule_syntax" for a rule that cannot be parsed, yaml.YAMLError for what is no YAML.
    """
    blocks = [block for node in yaml.compose_all(text, Loader=yaml.SafeLoader) for block in _blocks(node)]
    for block in sorted(blocks, key=lambda each: each.start_mark.index, reverse=True):
        text = _replaced(text, block)
    return text


def _blocks(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if not isinstance(node, yaml.MappingNode):
        return
    rules = next((value for key, value in node.value if key.value == "rules"), None)
    for rule in rules.value if isinstance(rules, yaml.SequenceNode) else ():
        if isinstance(rule, yaml.MappingNode):
            rule = next((value for key, value in rule.value if key.value == "rule"), rule)
        if isinstance(rule, yaml.ScalarNode) and rule.style == "|":
            yield rule


def _replaced(text: str, block: yaml.ScalarNode) -> str:
    """``text`` with the lines of one block replaced; the block's indentation is kept."""
    begin = text.index("\n", block.start_mark.index) + 1
    end = block.end_mark.index
    # The mark of the end lies behind the indentation of what follows: go back to the beginning of that line.
    end = text.rfind("\n", 0, end) + 1 if end < len(text) else end
    old = text[begin:end]
    kept = old[len(old.rstrip()) :] if old.strip() else ""
    first = next((line for line in old.splitlines() if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    new = textwrap.indent(format_text(block.value).rstrip("\n"), indent)
    return text[:begin] + new + (kept or "\n") + text[end:]
