"""The options of a driver: one literal table a driver, and the check of a source's configuration against it.

A configuration comes as a flat map of strings from Congress' client, or as typed JSON: every option reads both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.model.nearest import hint, listing


class OptionType(StrEnum):
    """What an option's value is: text, a whole number, any number, true or false, or a JSON object or list."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``choices`` limits texts, ``minimum`` and ``maximum`` limit numbers; a secret is never shown."""

    name: str
    type: OptionType = OptionType.TEXT
    required: bool = False
    secret: bool = False
    default: object = None
    description: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


#: How values are handed on: as JSON has them, or as Congress' drivers did ("True", "False", "None" for these three).
VALUES: Final = ("json", "congress")

MAX_POLL_TIME: Final = 30 * 86400.0


def common_options(poll_time: float | None, values: str) -> tuple[Option, ...]:
    """The options that every source has, with a driver's defaults; a pushed source (None) has no poll time."""
    options = [
        Option(
            "values",
            default=values,
            choices=VALUES,
            description='"json" keeps true, false and null; "congress" makes them the texts "True", "False", "None"',
        )
    ]
    if poll_time is not None:
        options.append(
            Option(
                "poll_time",
                OptionType.NUMBER,
                default=poll_time,
                minimum=0,
                maximum=MAX_POLL_TIME,
                description="seconds from one poll to the next; 0 polls once, then on request only",
            )
        )
    return tuple(options)


def parse_config(driver: str, options: Sequence[Option], config: Mapping[str, object] | None) -> dict[str, Any]:
    """A value of the right type for every option, defaults included; made of what JSON has.

    Raises CongressError "source_config" that names the option, its value and what is allowed; secrets are not shown.
    """
    given = {} if config is None else config
    if not isinstance(given, Mapping):
        raise CongressError("source_config", f"The configuration is {given!r:.80}; it must be an object of options")
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            raise CongressError(
                "source_config",
                f'Driver "{driver}" has no option "{name}".{hint(str(name), known)} Its options are {listing(known)}.',
                {"option": str(name)},
            )
    parsed = {}
    for option in options:
        value = given.get(option.name)
        if value is None or (value == "" and option.type is not OptionType.TEXT):
            if option.required:
                raise _bad(option, "is required: " + option.description)
            parsed[option.name] = deepcopy(option.default)
        else:
            parsed[option.name] = _parse(option, value)
    return parsed


def _parse(option: Option, value: object) -> object:
    match option.type:
        case OptionType.TEXT:
            return _text(option, value)
        case OptionType.BOOLEAN:
            return _boolean(option, value)
        case OptionType.INTEGER | OptionType.NUMBER:
            return _number(option, value)
        case OptionType.JSON:
            return _json(option, value)


def _text(option: Option, value: object) -> str:
    if not isinstance(value, str):
        if isinstance(value, Mapping | list):
            raise _bad(option, f"is {_shown(option, value)}; it must be text")
        value = str(value)
    if option.choices and value not in option.choices:
        raise _bad(
            option, f"is {_shown(option, value)}; allowed are {listing(option.choices)}.{hint(value, option.choices)}"
        )
    if option.required and not value:
        raise _bad(option, "must not be empty: " + option.description)
    return value


_TRUTH: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _boolean(option: Option, value: object) -> bool:
    truth = _TRUTH.get(str(value).strip().lower())
    if truth is None:
        raise _bad(option, f"is {_shown(option, value)}; it must be true or false")
    return truth


def _number(option: Option, value: object) -> int | float:
    whole = option.type is OptionType.INTEGER
    number: int | float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            try:
                number = float(value)
            except ValueError:
                number = None
    if number is None or not math.isfinite(number) or (whole and number != int(number)):
        raise _bad(option, f"is {_shown(option, value)}; it must be a {'whole ' if whole else ''}number")
    if (option.minimum is not None and number < option.minimum) or (
        option.maximum is not None and number > option.maximum
    ):
        low = "" if option.minimum is None else f" from {option.minimum:g}"
        high = "" if option.maximum is None else f" up to {option.maximum:g}"
        raise _bad(option, f"is {_shown(option, value)}; it must be a number{low}{high}")
    return int(number) if whole else number


def _json(option: Option, value: object) -> object:
    if isinstance(value, str):
        try:
            value = jsontext.loads(value)
        except ValueError as error:
            raise _bad(option, f"is not JSON: {error}") from None
    if not isinstance(value, Mapping | list):
        raise _bad(option, f"is {_shown(option, value)}; it must be a JSON object or list")
    return value


def _shown(option: Option, value: object) -> str:
    return "a secret value" if option.secret else repr(value)[:80]


def _bad(option: Option, problem: str) -> CongressError:
    return CongressError("source_config", f'Option "{option.name}" {problem}', {"option": option.name})
