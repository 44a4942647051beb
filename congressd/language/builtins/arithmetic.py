"""Numbers."""

from __future__ import annotations

import math
from typing import Any, Final

from congressd.language.builtins.signature import MAX_BITS, Builtin, BuiltinError, kind, short
from congressd.model.values import Value

_NUMBERS: Final = frozenset([int, float])


# The parameters are Any where the types are checked first, once for speed and clarity.


def _finite(result: float, name: str) -> float:
    if result - result == 0:  # neither infinite nor NaN
        return result
    raise BuiltinError(f"the result of {name} is out of the range of numbers")


def _overflow(name: str) -> BuiltinError:
    return BuiltinError(f"{name} of a fraction and a whole number that is too large for fractions")


def _mismatch(name: str, *values: Value) -> BuiltinError:
    wrong = next((value for value in values if type(value) not in _NUMBERS), values[0])
    return BuiltinError(f"{name} takes numbers, not {kind(wrong)}")


def plus(x: Any, y: Any) -> tuple[Value]:
    left, right = type(x), type(y)
    if left is str and right is str:
        return (short(x + y),)
    if left not in _NUMBERS or right not in _NUMBERS:
        raise BuiltinError(f"plus takes two numbers or two strings, not {kind(x)} and {kind(y)}")
    try:
        result = x + y
    except OverflowError:
        raise _overflow("plus") from None
    return (short(result) if type(result) is int else _finite(result, "plus"),)


def minus(x: Any, y: Any) -> tuple[Value]:
    if type(x) not in _NUMBERS or type(y) not in _NUMBERS:
        raise _mismatch("minus", x, y)
    try:
        result = x - y
    except OverflowError:
        raise _overflow("minus") from None
    return (short(result) if type(result) is int else _finite(result, "minus"),)


def multiply(x: Any, y: Any) -> tuple[Value]:
    if type(x) not in _NUMBERS or type(y) not in _NUMBERS:
        raise _mismatch("mul", x, y)
    try:
        result = x * y
    except OverflowError:
        raise _overflow("mul") from None
    return (short(result) if type(result) is int else _finite(result, "mul"),)


def divide(x: Any, y: Any) -> tuple[Value]:
    if type(x) not in _NUMBERS or type(y) not in _NUMBERS:
        raise _mismatch("div", x, y)
    if y == 0:
        raise BuiltinError(f"{kind(x)} cannot be divided by zero")
    if type(x) is int and type(y) is int:
        return (x // y,)
    try:
        return (_finite(x / y, "div"),)
    except OverflowError:
        raise _overflow("div") from None


def modulo(x: Any, y: Any) -> tuple[Value]:
    if type(x) not in _NUMBERS or type(y) not in _NUMBERS:
        raise _mismatch("mod", x, y)
    if y == 0:
        raise BuiltinError(f"{kind(x)} has no remainder by zero")
    try:
        return (x % y,)
    except OverflowError:
        raise _overflow("mod") from None


def absolute(x: Any) -> tuple[Value]:
    if type(x) not in _NUMBERS:
        raise _mismatch("abs", x)
    return (abs(x),)


def to_float(x: Any) -> tuple[Value]:
    if type(x) not in _NUMBERS and (not isinstance(x, str) or "_" in x):
        raise BuiltinError(f"float takes a number or a string that holds one, not {kind(x)}")
    try:
        result = float(x)
    except OverflowError:
        raise BuiltinError(f"{kind(x)} is too large for a fraction") from None
    except ValueError:
        raise BuiltinError(f"{kind(x)} does not hold a number") from None
    if not math.isfinite(result):
        raise BuiltinError(f"{kind(x)} is not a finite number")
    return (result,)


def to_int(x: Any) -> tuple[Value]:
    if isinstance(x, str):
        if "_" in x or len(x) > MAX_BITS * 3 // 10:
            raise BuiltinError(f"{kind(x)} does not hold a whole number, or too large a one")
        try:
            return (int(x),)
        except ValueError:
            raise BuiltinError(f"{kind(x)} does not hold a whole number") from None
    if type(x) not in _NUMBERS:
        raise BuiltinError(f"int takes a number or a string that holds a whole one, not {kind(x)}")
    return (int(x),)


_XYZ: Final = ("x", "y", "z")

ARITHMETIC: Final = (
    Builtin("plus", _XYZ, 2, plus, "z is x + y; two strings are joined. Also written `z = x + y`.", "plus(1, 2, 3)"),
    Builtin("minus", _XYZ, 2, minus, "z is x - y. Also written `z = x - y`.", "minus(1, 2, -1)"),
    Builtin("mul", _XYZ, 2, multiply, "z is x times y. Also written `z = x * y`.", "mul(6, 7, 42)"),
    Builtin(
        "div",
        _XYZ,
        2,
        divide,
        "z is x divided by y; of two whole numbers it is the whole number below. Division by zero is an error. Also "
        "written `z = x / y`.",
        "div(7, 2, 3)",
    ),
    Builtin(
        "mod",
        _XYZ,
        2,
        modulo,
        "z is what `div` leaves over; it has the sign of y. By zero is an error.",
        "mod(7, 2, 1)",
    ),
    Builtin("abs", ("x", "y"), 1, absolute, "y is x without its sign.", "abs(-5, 5)"),
    Builtin("float", ("x", "y"), 1, to_float, "y is x as a fraction; x may be a string.", 'float("1.5", 1.5)'),
    Builtin(
        "int",
        ("x", "y"),
        1,
        to_int,
        "y is x as a whole number, cut towards zero; x may be a string that holds a whole number.",
        "int(3.9, 3)",
    ),
)
