"""Strings and regular expressions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

from congressd.language.builtins.signature import MAX_STRING, Builtin, BuiltinError, kind, short, text, whole
from congressd.model.values import Value

#: Longest regular expression, in characters. RE2 matches in time linear in the subject, whatever the expression.
MAX_PATTERN: Final = 1_000


def _options(ignore_case: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    options.case_sensitive = not ignore_case
    return options


_OPTIONS: Final = {ignore_case: _options(ignore_case) for ignore_case in (False, True)}


@lru_cache(maxsize=512)
def _compile(pattern: str, ignore_case: bool) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise BuiltinError(f"the regular expression has {len(pattern)} characters; at most {MAX_PATTERN} are allowed")
    try:
        return re2.compile(pattern, _OPTIONS[ignore_case])
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else ""
        sentence = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(error)
        raise BuiltinError(f"{kind(pattern)} is not a regular expression: {sentence}") from None


def found(pattern: str, subject: str, ignore_case: bool = False) -> bool:
    """Whether a regular expression (RE2 syntax) matches somewhere; `BuiltinError` if it is none or too long."""
    try:
        return _compile(pattern, ignore_case).search(subject) is not None
    except UnicodeEncodeError:
        raise BuiltinError(f"{kind(subject)} has half of a surrogate pair, which no expression can match") from None


def concat(x: Value, y: Value) -> tuple[Value]:
    return (short(text("concat", x) + text("concat", y)),)


def length(x: Value) -> tuple[Value]:
    return (len(text("len", x)),)


def lower(x: Value) -> tuple[Value]:
    return (text("lower", x).lower(),)


def upper(x: Value) -> tuple[Value]:
    return (text("upper", x).upper(),)


def substring(x: Value, start: Value, count: Value) -> tuple[Value]:
    subject, first, number = text("substring", x), whole("substring", start), whole("substring", count)
    if first == 0:
        raise BuiltinError("substring counts characters from 1 (from -1 at the end); its start is 0")
    if number < 0:
        raise BuiltinError(f"substring cannot take {number} characters")
    begin = first - 1 if first > 0 else max(len(subject) + first, 0)
    return (subject[begin : begin + number],)


def starts_with(x: Value, y: Value) -> bool:
    return text("startswith", x).startswith(text("startswith", y))


def ends_with(x: Value, y: Value) -> bool:
    return text("endswith", x).endswith(text("endswith", y))


def contains(x: Value, y: Value) -> bool:
    return text("contains", y) in text("contains", x)


def matches(x: Value, pattern: Value) -> bool:
    return found(text("matches", pattern), text("matches", x))


def replace(x: Value, old: Value, new: Value) -> tuple[Value]:
    subject, given, put = text("replace", x), text("replace", old), text("replace", new)
    if not given:
        raise BuiltinError("replace cannot replace the empty string")
    if len(subject) * len(put) > MAX_STRING:  # else the result is small whatever the count
        size = len(subject) + subject.count(given) * (len(put) - len(given))
        if size > MAX_STRING:
            raise BuiltinError(f"the result has {size} characters; at most {MAX_STRING} are allowed")
    return (subject.replace(given, put),)


def split_part(x: Value, separator: Value, number: Value) -> tuple[Value]:
    subject, mark, index = text("split_part", x), text("split_part", separator), whole("split_part", number)
    if not mark:
        raise BuiltinError("split_part cannot split at the empty string")
    if index == 0:
        raise BuiltinError("split_part counts parts from 1 (from -1 at the end); its number is 0")
    parts = subject.split(mark)
    if abs(index) > len(parts):
        return ("",)
    return (parts[index - 1 if index > 0 else index],)


_XY: Final = ("x", "y")

STRINGS: Final = (
    Builtin("concat", ("x", "y", "z"), 2, concat, "z is the string x followed by y.", 'concat("vm-", "1", "vm-1")'),
    Builtin("len", _XY, 1, length, "y is the number of characters of the string x.", 'len("naïve", 5)'),
    Builtin("lower", _XY, 1, lower, "y is x in lower case.", 'lower("Web", "web")'),
    Builtin("upper", _XY, 1, upper, "y is x in upper case.", 'upper("web", "WEB")'),
    Builtin(
        "substring",
        ("x", "start", "count", "y"),
        3,
        substring,
        "y is the part of x that begins at character number start (the first is 1, the last is -1) and has at most "
        "count characters.",
        'substring("server-17", 1, 6, "server")',
    ),
    Builtin("startswith", _XY, 2, starts_with, "x begins with y.", 'startswith("vm-1", "vm-")'),
    Builtin("endswith", _XY, 2, ends_with, "x ends with y.", 'endswith("a.example.org", ".org")'),
    Builtin("contains", _XY, 2, contains, "y stands somewhere in x.", 'contains("production", "prod")'),
    Builtin(
        "matches",
        ("x", "regex"),
        2,
        matches,
        "the regular expression regex matches somewhere in x; `^` and `$` tie it to the ends. The syntax is RE2's: "
        "no back-references and no look-around, and no expression can take exponential time.",
        'matches("web-17", "^web-[0-9]+$")',
    ),
    Builtin(
        "replace",
        ("x", "old", "new", "y"),
        3,
        replace,
        "y is x with new in place of every old.",
        'replace("a-b-c", "-", ".", "a.b.c")',
    ),
    Builtin(
        "split_part",
        ("x", "separator", "number", "y"),
        3,
        split_part,
        "y is one of the parts into which separator splits x: the first is number 1, the last is -1. It is empty if "
        "there is no such part.",
        'split_part("eu-west-1", "-", 2, "west")',
    ),
)
