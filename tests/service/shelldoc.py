"""Runs the shell blocks of a Markdown page, and compares what they print with what the page says they print.

A block marked ``sh`` is one script; a block marked ``text`` that follows it is what it prints, where a line ``...``
stands for any lines and ``...`` within a line for any characters.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One script of a page; ``expected`` is None where the page does not say what it prints."""

    page: str
    line: int
    script: str
    expected: str | None


def blocks(path: Path) -> Iterator[Block]:
    """The scripts of a page, in order."""
    text = path.read_text(encoding="utf-8")
    fences = list(_FENCE.finditer(text))
    for index, fence in enumerate(fences):
        if fence[1] != "sh":
            continue
        following = fences[index + 1] if index + 1 < len(fences) else None
        shown = following is not None and following[1] == "text"
        expected = following[2] if following is not None and shown else None
        yield Block(path.name, text.count("\n", 0, fence.start()) + 2, fence[2], expected)


def run(block: Block, folder: Path, environment: Mapping[str, str], timeout: float = 60.0) -> str:
    """What the script prints on standard output and standard error. A command that fails ends it: AssertionError."""
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", block.script],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{block.page}:{block.line} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what a page shows; blanks at the ends of lines do not count."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n"
    return (
        re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed.rstrip("\n").split("\n")) + "\n") is not None
    )
