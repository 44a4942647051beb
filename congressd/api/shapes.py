"""Shapes of JSON: what a request body or a query parameter may look like, checked by hand and told in OpenAPI.

A shape checks an item and returns it as the handlers want it. What does not fit is a CongressError that names the
field, the value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from congressd.model.errors import CongressError
from congressd.model.nearest import hint

JsonSchema = dict[str, Any]


class Shape(Protocol):
    """One kind of JSON item."""

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        """The item, fit for use. Raises CongressError ``code`` with ``where`` it stands and why it does not fit."""

    def schema(self) -> JsonSchema:
        """The same as JSON Schema, for OpenAPI."""


def shown(item: object) -> str:
    """A value as it stands in an error message: its text cut short, and what it is."""
    if item is None:
        return "null"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, list):
        return f"a list of {len(item)}"
    if isinstance(item, dict):
        return f"an object of {len(item)}"
    if isinstance(item, int) and abs(item) > 10**40:
        return "a huge number"
    text = repr(item)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _misfit(code: str, where: str, item: object, wanted: str) -> CongressError:
    return CongressError(code, f"{where}: {shown(item)} is not {wanted}")


@dataclass(frozen=True, slots=True)
class Text:
    """A string of ``least`` to ``most`` characters, one of ``allowed`` if that is given."""

    most: int = 255
    least: int = 0
    allowed: tuple[str, ...] = ()
    ignore_case: bool = False

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        if not isinstance(item, str):
            raise _misfit(code, where, item, "text")
        if not self.least <= len(item) <= self.most:
            raise CongressError(
                code, f"{where}: {shown(item)} has {len(item)} characters; {self.least} to {self.most} are allowed"
            )
        if self.allowed:
            text = item.lower() if self.ignore_case else item
            if text not in self.allowed:
                raise CongressError(code, f"{where}: {shown(item)} is not one of {', '.join(self.allowed)}")
            return text
        return item

    def schema(self) -> JsonSchema:
        schema: JsonSchema = {"type": "string", "maxLength": self.most}
        if self.least:
            schema["minLength"] = self.least
        if self.allowed:
            schema["enum"] = list(self.allowed)
        return schema


@dataclass(frozen=True, slots=True)
class Boolean:
    """``true`` or ``false``; as text (in a query string) also ``True``, ``1``, ``yes`` and their opposites."""

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        if isinstance(item, bool):
            return item
        if isinstance(item, str):
            if item.lower() in ("true", "1", "yes", "on"):
                return True
            if item.lower() in ("false", "0", "no", "off"):
                return False
        raise _misfit(code, where, item, "true or false")

    def schema(self) -> JsonSchema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from ``least`` to ``most``; as text in a query string. The result is a float."""

    least: float = 0
    most: float = 1e9

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        number: float | None = None
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            try:
                number = float(item)
            except (ValueError, OverflowError):
                number = None
        if number is None or not self.least <= number <= self.most:
            raise _misfit(code, where, item, f"a number from {self.least:g} to {self.most:g}")
        return number

    def schema(self) -> JsonSchema:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``least`` to ``most``; as text in a query string. The result is an int."""

    least: int
    most: int

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        if isinstance(item, str) and item.isascii() and item.isdigit() and len(item) <= 20:
            item = int(item)
        if not isinstance(item, int) or isinstance(item, bool) or not self.least <= item <= self.most:
            raise _misfit(code, where, item, f"a whole number from {self.least} to {self.most}")
        return item

    def schema(self) -> JsonSchema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON; the handler knows more."""

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        return item

    def schema(self) -> JsonSchema:
        return {}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of items of one shape."""

    item: Shape
    most: int = 1_000_000

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        if not isinstance(item, list):
            raise _misfit(code, where, item, "a list")
        if len(item) > self.most:
            raise CongressError(code, f"{where}: {len(item)} items are more than {self.most}")
        if isinstance(self.item, Anything):
            return item
        return [self.item.check(each, f"{where}[{index}]", code) for index, each in enumerate(item)]

    def schema(self) -> JsonSchema:
        return {"type": "array", "items": self.item.schema(), "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with any names and values of one shape."""

    item: Shape
    most: int = 1_000

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        if not isinstance(item, dict):
            raise _misfit(code, where, item, "an object")
        if len(item) > self.most:
            raise CongressError(code, f"{where}: {len(item)} entries are more than {self.most}")
        return {name: self.item.check(each, f"{where}.{name[:80]}", code) for name, each in item.items()}

    def schema(self) -> JsonSchema:
        return {"type": "object", "additionalProperties": self.item.schema()}


@dataclass(frozen=True, slots=True)
class Field:
    """One name in an object. ``code`` is the error when it is missing or does not fit; null counts as missing."""

    name: str
    shape: Shape
    doc: str
    required: bool = False
    code: str = "bad_request"
    example: object = None


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known fields. ``ignored`` names may be there and mean nothing: what a client got from a GET."""

    name: str
    fields: tuple[Field, ...]
    ignored: tuple[str, ...] = ()
    _known: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", {each.name: each for each in self.fields})

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        if not isinstance(item, dict):
            raise _misfit(code, where, item, "an object")
        prefix = f"{where}." if where != "body" else ""
        for name in item:
            if name not in self._known and name not in self.ignored:
                raise CongressError(
                    code,
                    f"{prefix}{name[:80]}: there is no such field; allowed are {', '.join(self._known)}."
                    f"{hint(name[:80], self._known)}",
                )
        result = {}
        for each in self.fields:
            value = item.get(each.name)
            if value is not None:
                result[each.name] = each.shape.check(value, f"{prefix}{each.name}", each.code)
            elif each.required:
                raise CongressError(each.code, f"{prefix}{each.name} is missing: {each.doc}")
        return result

    def schema(self) -> JsonSchema:
        properties = {}
        for each in self.fields:
            properties[each.name] = each.shape.schema() | {"description": each.doc}
            if each.example is not None:
                properties[each.name]["example"] = each.example
        schema: JsonSchema = {"type": "object", "properties": properties, "additionalProperties": False}
        for name in self.ignored:
            properties[name] = {"description": "ignored"}
        if required := [each.name for each in self.fields if each.required]:
            schema["required"] = required
        return schema


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """An object that fits ``many`` if it has that shape's first field, else ``one``."""

    one: Object
    many: Object

    def check(self, item: Any, where: str, code: str = "bad_request") -> Any:
        several = isinstance(item, dict) and self.many.fields[0].name in item
        return (self.many if several else self.one).check(item, where, code)

    def schema(self) -> JsonSchema:
        return {"oneOf": [self.one.schema(), self.many.schema()]}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter."""

    name: str
    shape: Shape
    doc: str
    default: Any = None
