"""Checks of option values, made for tables that the ``config`` driver brings.

Each answers "" for a good value, else a sentence. An empty bound is no bound.
"""

from __future__ import annotations

from typing import Any, Final

from congressd.language.builtins.arithmetic import to_float, to_int
from congressd.language.builtins.signature import Builtin, BuiltinError, kind, text, whole
from congressd.language.builtins.strings import found
from congressd.model.values import Bool, Value


def _bound(value: Value) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, int | float):
        return value
    return to_float(value)[0]


def _flag(value: Value) -> bool:
    if value is None or value == "":
        return False
    if isinstance(value, Bool):
        return value.truth
    if isinstance(value, int | float):
        return value != 0
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise BuiltinError(f'validate_string takes true, false or "" for a flag, not {kind(value)}')


def _range(minimum: Any, maximum: Any, number: Any) -> str:
    if minimum is not None and number < minimum:
        return f"{number} is less than the minimum {minimum}"
    if maximum is not None and number > maximum:
        return f"{number} is greater than the maximum {maximum}"
    return ""


def validate_int(minimum: Value, maximum: Value, value: Value) -> tuple[Value]:
    least, greatest = _bound(minimum), _bound(maximum)
    if isinstance(value, float) and not value.is_integer():
        return (f"{kind(value)} is not a whole number",)
    try:
        (number,) = to_int(value)
    except BuiltinError as error:
        return (str(error),)
    return (_range(least, greatest, number),)


def validate_float(minimum: Value, maximum: Value, value: Value) -> tuple[Value]:
    least, greatest = _bound(minimum), _bound(maximum)
    try:
        (number,) = to_float(value)
    except BuiltinError as error:
        return (str(error),)
    return (_range(least, greatest, number),)


def validate_string(regex: Value, max_length: Value, quotes: Value, ignore_case: Value, value: Value) -> tuple[Value]:
    pattern = "" if regex is None else text("validate_string", regex)
    ignoring = _flag(ignore_case)
    longest = None if max_length in (None, "") else whole("validate_string", max_length)
    unquote = _flag(quotes)
    if not isinstance(value, str):
        return (f"{kind(value)} is not a string",)
    subject = value
    if unquote and subject[:1] in ("'", '"'):
        if len(subject) < 2 or subject[-1] != subject[0]:
            return (f"{kind(value)} has no closing quote",)
        subject = subject[1:-1]
    if longest is not None and len(subject) > longest:
        return (f"{kind(value)} has {len(subject)} characters, more than the maximum {longest}",)
    if pattern and not found(pattern, subject, ignoring):
        return (f"{kind(value)} does not match {kind(regex)}",)
    return ("",)


_RESULT: Final = 'r is "" if value is {what}, else a sentence that says why not; an empty bound is no bound.'

VALIDATION: Final = (
    Builtin(
        "validate_int",
        ("min", "max", "value", "r"),
        3,
        validate_int,
        _RESULT.format(what="a whole number from min to max"),
        'validate_int(0, "", 5, "")',
    ),
    Builtin(
        "validate_float",
        ("min", "max", "value", "r"),
        3,
        validate_float,
        _RESULT.format(what="a number from min to max"),
        'validate_float(0, 1, 0.5, "")',
    ),
    Builtin(
        "validate_string",
        ("regex", "max_length", "quotes", "ignore_case", "value", "r"),
        5,
        validate_string,
        _RESULT.format(what="a string that matches regex and has at most max_length characters")
        + " quotes takes quotes around value away first, ignore_case takes letters as equal to their capitals.",
        'validate_string("^[a-z]+$", 10, false, true, "Web", "")',
    ),
)
