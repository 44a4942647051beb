"""The service's explanations, for reading: one step a line becomes a tree, and single rows can be picked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

#: A fact, and behind `` by `` the rule that gives it; the words may stand in a string too.
_BY = re.compile(r'(?P<fact>(?:[^"]|"(?:[^"\\]|\\.)*")*?\)) by (?P<rule>.*)')
_LEAD = re.compile(r"[^:]*: (?P<bars>(?:\| )*)(?P<text>.*)")


def readable(trace: str, values: Collection[str]) -> str:
    """The steps of ``trace`` indented, a rule below the fact that it gives; only facts with all of ``values``."""
    return "\n".join(text for text in map("\n".join, _blocks(trace)) if _holds(text.split("\n")[0], values))


def _blocks(trace: str) -> Iterator[list[str]]:
    """The lines that explain each row."""
    block: list[str] = []
    for line in trace.splitlines():
        match = _LEAD.fullmatch(line)
        depth, text = (len(match["bars"]) // 2, match["text"]) if match else (0, line)
        if depth == 0 and block:
            yield block
            block = []
        block.append("    " * depth + text if not (by := _BY.fullmatch(text)) else "    " * depth + by["fact"])
        if by:
            block.append("    " * depth + "  by " + by["rule"])
    if block:
        yield block


def _holds(fact: str, values: Collection[str]) -> bool:
    words = {word.strip('"') for word in re.findall(r'"(?:[^"\\]|\\.)*"|[^\s(),]+', fact)}
    return words >= set(values)
