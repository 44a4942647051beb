"""Problems in a text, told so that its writer can mend it: where, what is wrong, what could stand there."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from congressd.language.syntax import Span
from congressd.model.errors import CongressError

_WIDTH: Final = 100  # characters of a line that an excerpt shows


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """What goes to the client as the data of an error; lines and columns count from 1, in characters.

    ``reason`` is a word for programs (``parse``, ``lex``, ``unsafe``, ``arity``...), ``found`` what stands there,
    ``expected`` what could, ``excerpt`` the line with a caret under the place.
    """

    reason: str
    line: int
    column: int
    excerpt: str
    found: str = ""
    expected: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """The problem as JSON."""
        data: dict[str, Any] = {
            "reason": self.reason,
            "line": self.line,
            "column": self.column,
            "excerpt": self.excerpt,
        }
        if self.found:
            data["found"] = self.found
        if self.expected:
            data["expected"] = list(self.expected)
        return data


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def excerpt(text: str, span: Span) -> str:
    """The line of ``span`` and below it a caret and tildes under the part."""
    start, end = span
    begin = text.rfind("\n", 0, start) + 1
    finish = text.find("\n", start)
    line = text[begin : finish if finish >= 0 else len(text)].rstrip("\r")
    at = min(start - begin, len(line))
    cut = max(0, at - _WIDTH * 2 // 3)
    shown = "".join(char if char.isprintable() else " " for char in line[cut : cut + _WIDTH])
    lead, at = ("..." if cut else ""), at - cut
    tail = "..." if cut + _WIDTH < len(line) else ""
    pad = len(lead) + sum(_columns(char) for char in shown[:at])
    marked = sum(_columns(char) for char in shown[at : at + max(end - start, 1)])
    return f"{lead}{shown}{tail}\n{' ' * pad}^{'~' * (marked - 1)}"


def problem(
    code: str,
    reason: str,
    sentence: str,
    text: str,
    span: Span,
    *,
    found: str = "",
    expected: tuple[str, ...] = (),
    show: bool = False,
) -> CongressError:
    """The error to raise. ``show`` puts place and excerpt into the sentence too, for those who see nothing else."""
    line, column = position(text, span[0])
    marked = excerpt(text, span)
    details = SyntaxProblem(reason, line, column, marked, found, expected)
    if show:
        lead = "Lex failure." if reason == "lex" else "Parse failure."
        sentence = f"{lead} line:{line},col:{column}: {sentence}\n{marked}"
    return CongressError(code, sentence, details.data())


def choice(options: tuple[str, ...]) -> str:
    """``a, b or c``."""
    if len(options) < 2:
        return "".join(options)
    return f"{', '.join(options[:-1])} or {options[-1]}"


def clip(text: str, limit: int = 200) -> str:
    """A text on one line, cut if it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[:limit]}..."


def _columns(char: str) -> int:
    """How many columns of a terminal a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
