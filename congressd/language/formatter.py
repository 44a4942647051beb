"""The one layout of policies.

A rule's head stands on a line of its own and so does each condition; facts take one line. What is written stays as it
is, numbers and strings included, but for blanks and the spelling of ``not``. A comment on a line of its own stays on
one, any other goes to the end of the line that it belongs to. One blank line between statements is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from congressd.language.parser import parse_program
from congressd.language.syntax import Atom, Program
from congressd.language.tokens import END, NEGATIONS, NUMBER, STRING, WORD, Tokens, comments

_INDENT: Final = "    "
_TIGHT_BEFORE: Final = frozenset([")", "]", ",", ";", ".", ":", "["])
_TIGHT_AFTER: Final = frozenset(["(", "[", ":"])
_SIGNS: Final = frozenset(["+", "-"])


def format_text(text: str) -> str:
    """The same program laid out in the one style, comments kept. Raises CongressError "rule_syntax".

    Formatting again changes nothing, and the program means what it meant.
    """
    program = parse_program(text)
    return _Layout(program).format()


class _Layout:
    """One pass over the tokens of a program, and over its comments beside them."""

    def __init__(self, program: Program) -> None:
        self.text = program.text
        self.tokens = Tokens(self.text, "rule_syntax")
        self.starts = {rule.span[0] for rule in program.statements}
        self.suffixes = {atom.name_span[1] - 1 for atom in _atoms(program) if atom.table[-1] in _SIGNS}
        self.comments = comments(self.text)
        self.next_comment = 0
        self.lines: list[str] = []
        self.line = ""
        self.behind: list[str] = []  # comments that wait for the end of the line
        self.end = 0  # of the last token or comment

    def format(self) -> str:
        """The whole text; empty if there is nothing in it."""
        kinds, texts = self.tokens.kinds, self.tokens.texts
        depth, in_body = 0, False
        for index, kind in enumerate(kinds):
            start = self.tokens.starts[index]
            before = texts[index - 1] if index else ""
            if start in self.starts or kind == END:
                self._comments(start, "", at_break=True)
                self._finish("")
                if kind == END:
                    break
                self._blank_line(start)
                depth, in_body = 0, False
            elif depth == 0 and (before == ":-" or (before == "," and in_body)):
                self._comments(start, _INDENT, at_break=True)
                self._finish(_INDENT)
                self.line = _INDENT
            else:
                self._comments(start, "", at_break=False)
                self.line += self._blank(index, depth)
            text = texts[index]
            depth += (text == "(") - (text == ")")
            in_body = in_body or text == ":-"
            self.line += "not" if text in NEGATIONS else text
            self.end = self.tokens.end(index)
        return "".join(f"{line}\n" for line in self.lines)

    def _blank(self, index: int, depth: int) -> str:
        """What stands between a token and the one before it on its line."""
        kinds, texts, starts = self.tokens.kinds, self.tokens.texts, self.tokens.starts
        text, before = texts[index], texts[index - 1]
        if text in _TIGHT_BEFORE or before in _TIGHT_AFTER or starts[index] in self.suffixes:
            return ""
        if text == "(" and (self._is_name(index - 1) or starts[index - 1] in self.suffixes):
            return ""
        if depth and "=" in (text, before):
            return ""
        if before in _SIGNS and starts[index - 1] not in self.suffixes:
            binary = self._is_name(index - 2) or kinds[index - 2] in (NUMBER, STRING) or texts[index - 2] == ")"
            return " " if binary else ""
        return " "

    def _is_name(self, index: int) -> bool:
        return self.tokens.kinds[index] == WORD and self.tokens.texts[index] not in NEGATIONS

    def _comments(self, until: int, indent: str, at_break: bool) -> None:
        """Take the comments before ``until``; one that begins a line of its own at a break keeps its line."""
        while self.next_comment < len(self.comments) and self.comments[self.next_comment][0] < until:
            start, text = self.comments[self.next_comment]
            self.next_comment += 1
            own_line = at_break and ("\n" in self.text[self.end : start] or not self.end)
            text = text.rstrip()
            if own_line:
                self._finish(indent)
                if not indent:
                    self._blank_line(start)
                self.lines.append(indent + text)
            else:
                self.behind.append(text)
            self.end = start + len(text)

    def _blank_line(self, start: int) -> None:
        """Keep one of the blank lines between the last token or comment and ``start``."""
        if self.lines and self.text[self.end : start].count("\n") > 1:
            self.lines.append("")

    def _finish(self, indent: str) -> None:
        """End the line at hand: one comment goes behind it, more go below it, where the next line will stand."""
        if self.behind:
            first, *others = self.behind
            self.lines.append(f"{self.line}  {first}" if self.line else first)
            self.lines.extend(indent + other for other in others)
            self.behind = []
        elif self.line:
            self.lines.append(self.line)
        self.line = ""


def _atoms(program: Program) -> Iterator[Atom]:
    for rule in program.statements:
        yield from rule.heads
        for literal in rule.body:
            if isinstance(literal.condition, Atom):
                yield literal.condition
