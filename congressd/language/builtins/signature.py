"""What a builtin is: its name, its parameters, its function, its documentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from congressd.model.values import Bool, Value, literal

#: Strings and whole numbers that a builtin may build: keeps a rule from filling the memory.
MAX_STRING: Final = 1_000_000
MAX_BITS: Final = 13_000  # about 3,900 digits; Python prints at most 4,300


class BuiltinError(Exception):
    """A builtin cannot do its work on these values; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """``builtin:name(parameters...)``: the first ``inputs`` parameters must be bound, the others are computed.

    ``function`` takes the inputs as positional arguments. A builtin without outputs is a test and returns a bool;
    any other returns the tuple of its outputs. It raises `BuiltinError` if it cannot. None means that the engine
    itself supplies the rows (``now``). ``example`` is a call that holds, outputs included: ``plus(1, 2, 3)``.
    """

    name: str
    parameters: tuple[str, ...]
    inputs: int
    function: Callable[..., Any] | None
    doc: str
    example: str

    @property
    def outputs(self) -> int:
        """How many parameters are computed."""
        return len(self.parameters) - self.inputs

    @property
    def signature(self) -> str:
        """For people: ``plus(x, y | z)``, inputs before the bar, outputs after it."""
        inputs = ", ".join(self.parameters[: self.inputs])
        if not self.outputs:
            return f"{self.name}({inputs})"
        return f"{self.name}({inputs}{' ' if inputs else ''}| {', '.join(self.parameters[self.inputs :])})"


def kind(value: Value) -> str:
    """A value with its kind, for sentences: ``the number 5``, ``the string "a"``, ``null``."""
    text = literal(value) if not isinstance(value, int) or value.bit_length() <= MAX_BITS else "(a huge one)"
    if len(text) > 60:
        text = text[:60] + "..."
    if isinstance(value, str):
        return f"the string {text}"
    if value is None:
        return "null"
    return f"the boolean {text}" if isinstance(value, Bool) else f"the number {text}"


def short(value: Value) -> Value:
    """The value, if it is small enough to go into a row; else `BuiltinError`."""
    if isinstance(value, str):
        if len(value) > MAX_STRING:
            raise BuiltinError(f"the result has {len(value)} characters; at most {MAX_STRING} are allowed")
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise BuiltinError(f"the result has more than {MAX_BITS} bits")
    return value


def text(name: str, value: Value) -> str:
    """The value if it is a string; else `BuiltinError` that names the builtin."""
    if isinstance(value, str):
        return value
    raise BuiltinError(f"{name} takes strings, not {kind(value)}")


def whole(name: str, value: Value) -> int:
    """The value if it is a whole number (``2.0`` is one); else `BuiltinError` that names the builtin."""
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise BuiltinError(f"{name} takes a whole number, not {kind(value)}")
