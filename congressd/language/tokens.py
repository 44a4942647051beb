"""Text to tokens: one regular expression, and the values that constants have.

Dots are part of names, as in ``servers.pause``, and also end statements. A dot after a name ends the statement unless
more of the name follows at once; a dot before a name is part of it only if nothing stands directly before the dot.
``5.`` is a number where an operator, comma or parenthesis follows.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from congressd.language.problems import problem
from congressd.language.syntax import Span
from congressd.model.errors import CongressError
from congressd.model.values import FALSE, TRUE, Value

#: Longest text in characters, and longest number in digits (Python converts at most 4,300).
MAX_TEXT: Final = 1_000_000
MAX_DIGITS: Final = 4_000

# Kinds of tokens: the groups of _MASTER.
WORD: Final = 1
NUMBER: Final = 2
STRING: Final = 3
PUNCTUATION: Final = 4
BAD: Final = 5
END: Final = 6

_FIRST = r"[^\x00-@\[-\^`{-\x7f\s]"  # a letter, _ or anything beyond ASCII but blanks; the latter is checked later
_NEXT = r"[^\x00-/:-@\[-\^`{-\x7f\s]"  # the same, or a digit
_ALONE = r"(?<![\w.)\]\"'])"
_SKIP = r"(?:\s++|//[^\n]*+|\#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+"

_MASTER: Final = re.compile(
    rf"""{_SKIP}(?:
    ( (?:{_ALONE}\.++)?{_FIRST}{_NEXT}*+(?:\.+{_NEXT}++)*+ )
  | ( (?: 0[xX][0-9A-Fa-f]++ | 0[oO][0-7]++ | 0[bB][01]++
        | [0-9]++\.(?=\s*+(?:[,)*+<>=-]|!=|/(?![/*])))
        | (?: [0-9]++\.[0-9]++ | {_ALONE}\.[0-9]++ | [0-9]++\.(?=[eE]) | [0-9]++ )(?:[eE][+-]?[0-9]++)?
      )(?!{_NEXT}) )
  | ( "(?:[^"\\\n\r]++|\\[^\n\r])*+" | '(?:[^'\\\n\r]++|\\[^\n\r])*+' )
  | ( :-|<=|>=|==|!=|[()\[\],:;.=<>+\-*!]|/(?!\*) )
  | ( [0-9]{_NEXT}*+|/\*|. )
  | ( \Z )
)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(
    r"\"(?:[^\"\\\n\r]++|\\[^\n\r])*+\"|'(?:[^'\\\n\r]++|\\[^\n\r])*+'"
    r"|(//[^\n]*+|\#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)"
)
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.))", re.DOTALL)
_ESCAPES: Final = {
    '"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip

#: Words that are values.
CONSTANTS: Final[dict[str, Value]] = {
    "true": TRUE,
    "True": TRUE,
    "false": FALSE,
    "False": FALSE,
    "null": None,
    "None": None,
}
NEGATIONS: Final = frozenset(["not", "NOT", "!"])
MODALS: Final = frozenset(["execute", "insert", "delete"])
#: Words that cannot be names of tables or variables.
KEYWORDS: Final = frozenset(["not", "NOT", *MODALS])


class Tokens:
    """The tokens of a text as parallel lists: kinds, texts, offsets. The last is of kind `END`."""

    __slots__ = ("code", "kinds", "starts", "text", "texts")

    def __init__(self, text: str, code: str) -> None:
        """Raises CongressError ``code`` if the text is too long or has characters that no text may have."""
        self.text = text
        self.code = code
        self.kinds: list[int] = []
        self.texts: list[str] = []
        self.starts: list[int] = []
        if len(text) > MAX_TEXT:
            raise problem(
                code, "too_long", f"the text has {len(text)} characters; at most {MAX_TEXT} are allowed", "", (0, 0)
            )
        if not text.isascii() and (half := _HALF.search(text)):
            raise self.problem(half.span(), "half of a surrogate pair stands alone; it is no character")
        kinds, texts, starts = self.kinds, self.texts, self.starts
        for match in _MASTER.finditer(text, 1 if text.startswith("\ufeff") else 0):
            kind = match.lastindex or END
            kinds.append(kind)
            texts.append(match[kind])
            starts.append(match.start(kind))
        if not text.isascii():
            for index, (kind, word) in enumerate(zip(kinds, texts, strict=True)):
                if kind == WORD and not word.isascii():
                    self._check_word(index)

    def span(self, index: int) -> Span:
        """Start and end of a token."""
        return self.starts[index], self.starts[index] + len(self.texts[index])

    def end(self, index: int) -> int:
        """Where a token ends."""
        return self.starts[index] + len(self.texts[index])

    def problem(self, span: Span, sentence: str, reason: str = "lex") -> CongressError:
        """The error for a part of the text that is no token."""
        return problem(self.code, reason, sentence, self.text, span, found=self.text[slice(*span)][:50], show=True)

    def bad(self, index: int) -> CongressError:
        """The error for a token of kind `BAD`."""
        found, span = self.texts[index], self.span(index)
        if found in "\"'":
            line_end = self.text.find("\n", span[0])
            whole = (span[0], line_end if line_end >= 0 else len(self.text))
            return self.problem(
                whole, f"the string that begins here has no closing {found} on its line; write a line break as \\n"
            )
        if found == "/*":
            return self.problem(span, "the comment that begins here has no closing */")
        if found[0].isdecimal():
            return self.problem(
                span,
                f"`{found[:50]}` is neither a number nor a name; names do not begin with a digit, digits have no _",
            )
        return self.problem(span, _about(found))

    def _check_word(self, index: int) -> None:
        """Refuse a word that has characters beyond ASCII which are neither letters nor digits."""
        word, start = self.texts[index], self.starts[index]
        offset = 0
        for part in word.split("."):
            if part and not part.isidentifier() and not f"_{part}".isidentifier():
                at = next(at for at in range(len(part)) if not f"_{part[: at + 1]}".isidentifier())
                place = start + offset + at
                raise self.problem((place, place + 1), _about(part[at]))
            offset += len(part) + 1

    def constant(self, index: int, sign: str = "") -> Value:
        """The value of a token of kind `NUMBER` or `STRING`."""
        text = self.texts[index]
        if self.kinds[index] == STRING:
            return self._string(index) if "\\" in text else text[1:-1]
        if text.isdecimal() and (text[0] != "0" or not text.strip("0")):
            self._check_size(index)
            return int(sign + text)
        if text[:2].lower() in ("0x", "0o", "0b"):
            self._check_size(index)
            return int(sign + text, 0)
        if text.isdecimal():
            raise self.problem(
                self.span(index),
                f"{text[:50]} begins with 0; write {text.lstrip('0')[:50]}, or 0o... for an octal number",
            )
        number = float(sign + text)
        if number - number != 0:
            raise self.problem(self.span(index), f"{text[:50]} is out of the range of numbers (about 1.8e308)")
        return number

    def _check_size(self, index: int) -> None:
        digits = len(self.texts[index])
        if digits > MAX_DIGITS:
            raise self.problem(self.span(index), f"the number has {digits} digits; at most {MAX_DIGITS} are allowed")

    def _string(self, index: int) -> str:
        start = self.starts[index] + 1

        def replaced(match: re.Match[str]) -> str:
            first, second, single = match.groups()
            span = (start + match.start(), start + match.end())
            if first is None:
                if single in _ESCAPES:
                    return _ESCAPES[single]
                raise self.problem(
                    span,
                    f"\\{single} is no escape of strings; those are \\\" \\' \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX, "
                    "and a backslash itself is written \\\\",
                )
            code = int(first, 16)
            if second is not None and 0xD800 <= code < 0xDC00:
                return chr(0x10000 + ((code - 0xD800) << 10) + int(second, 16) - 0xDC00)
            if 0xD800 <= code < 0xE000:
                raise self.problem(span, f"\\u{first} is half of a surrogate pair; it is no character")
            return chr(code) + (chr(int(second, 16)) if second is not None else "")

        return _ESCAPE.sub(replaced, self.texts[index][1:-1])


def comments(text: str) -> list[tuple[int, str]]:
    """Offset and text of each comment, in order; the text must be free of lexical errors."""
    return [(match.start(), match[1]) for match in _COMMENT.finditer(text) if match[1] is not None]


def _about(char: str) -> str:
    """Why a character cannot stand in a text outside strings and comments."""
    name = unicodedata.name(char, "a control character" if not char.isprintable() else "a character without a name")
    shown = f"`{char}` ({name}, U+{ord(char):04X})" if char.isprintable() else f"U+{ord(char):04X} ({name})"
    if "QUOTATION MARK" in name or char == "`":
        return f"{shown} is no quote of strings; those are \" and '"
    advice = {
        "|": "for an alternative write a second rule with the same head",
        "&": "conditions are joined by a comma",
        "@": "names are made of letters, digits, _ and .",
        "$": "names are made of letters, digits, _ and .",
        "?": "names are made of letters, digits, _ and .",
        "%": "comments begin with // or #; the remainder is builtin:mod(x, y, z)",
        "\\": "a backslash stands in strings only",
        "{": "a value is a string, a number, true, false or null",
        "}": "a value is a string, a number, true, false or null",
    }.get(char, "outside strings and comments only names, numbers and the signs of the language can stand")
    return f"{shown} cannot stand here: {advice}"
