"""Comparing values, null, and the two conditions that always and never hold."""

from __future__ import annotations

from typing import Any, Final

from congressd.language.builtins.signature import Builtin, BuiltinError, kind
from congressd.model.values import Value

# The parameters are Any where Python's own operator is the type check: it raises TypeError for exactly the pairs
# that have no order (a string and a number, booleans, null), and costs nothing on the hot path.


def _no_order(x: Value, y: Value) -> BuiltinError:
    return BuiltinError(f"{kind(x)} and {kind(y)} have no order; only two numbers or two strings can be compared")


def less(x: Any, y: Any) -> bool:
    try:
        return x < y  # type: ignore[no-any-return]
    except TypeError:
        raise _no_order(x, y) from None


def less_or_equal(x: Any, y: Any) -> bool:
    try:
        return x <= y  # type: ignore[no-any-return]
    except TypeError:
        raise _no_order(x, y) from None


def greater(x: Any, y: Any) -> bool:
    try:
        return x > y  # type: ignore[no-any-return]
    except TypeError:
        raise _no_order(x, y) from None


def greater_or_equal(x: Any, y: Any) -> bool:
    try:
        return x >= y  # type: ignore[no-any-return]
    except TypeError:
        raise _no_order(x, y) from None


def equal(x: Value, y: Value) -> bool:
    return x == y


def largest(x: Any, y: Any) -> tuple[Value]:
    return (x if greater_or_equal(x, y) else y,)


def smallest(x: Any, y: Any) -> tuple[Value]:
    return (x if less_or_equal(x, y) else y,)


def is_null(x: Value) -> bool:
    return x is None


def coalesce(x: Value, y: Value) -> tuple[Value]:
    return (y if x is None else x,)


def always() -> bool:
    return True


def never() -> bool:
    return False


_XY: Final = ("x", "y")
_XYZ: Final = ("x", "y", "z")

COMPARISON: Final = (
    Builtin("lt", _XY, 2, less, "x is less than y. Also written `x < y`.", "lt(1, 2)"),
    Builtin("lteq", _XY, 2, less_or_equal, "x is less than or equal to y. Also written `x <= y`.", "lteq(2, 2)"),
    Builtin(
        "equal",
        _XY,
        2,
        equal,
        'x and y are the same value; 1 and 1.0 are, 1 and "1" are not. Also written `x == y`, and `x != y` is its '
        "negation.",
        "equal(1, 1.0)",
    ),
    Builtin("gt", _XY, 2, greater, "x is greater than y. Also written `x > y`.", 'gt("b", "a")'),
    Builtin(
        "gteq", _XY, 2, greater_or_equal, "x is greater than or equal to y. Also written `x >= y`.", "gteq(2.5, 2)"
    ),
    Builtin("max", _XYZ, 2, largest, "z is the greater of x and y.", "max(3, 7, 7)"),
    Builtin("min", _XYZ, 2, smallest, "z is the lesser of x and y.", "min(3, 7, 3)"),
    Builtin("is_null", ("x",), 1, is_null, "x is null.", "is_null(null)"),
    Builtin("coalesce", _XYZ, 2, coalesce, "z is x, or y if x is null.", 'coalesce(null, "none", "none")'),
    Builtin("true", (), 0, always, "always holds.", "true()"),
    Builtin("false", (), 0, never, "never holds.", "not false()"),
)
