"""Dates and times.

Texts are read in the many forms that dateutil knows. A text with an offset or ``Z`` is turned into UTC, one without
is taken as UTC, so that every two times can be compared. What a text leaves out is that of 1900-01-01 00:00:00, never
today's: the same text always means the same time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from dateutil import parser as dateutil_parser
from dateutil import tz

from congressd.language.builtins.signature import Builtin, BuiltinError, kind, whole
from congressd.model.values import Value

_START: Final = datetime(1900, 1, 1)
_MAX_TEXT: Final = 100
_UNITS: Final = (1, 60, 3600, 86400, 604800)  # seconds in a second, minute, hour, day, week


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    """The zone of a parsed text. Names mean different zones to different people, so only UTC's are known."""
    if offset is not None:
        return tz.tzoffset(None, offset)
    if name is None:
        return None
    if name.upper() in ("UTC", "GMT", "Z"):
        return UTC
    raise ValueError(f'"{name}" is not a time zone; write an offset such as +01:00')


@lru_cache(maxsize=8192)
def _parse(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = dateutil_parser.parse(text, default=_START, tzinfos=_zone)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment


def moment_of(value: Value) -> datetime:
    """The time that a text tells, in UTC, without a zone; `BuiltinError` if it tells none."""
    if not isinstance(value, str):
        raise BuiltinError(f"{kind(value)} is not a date or time: those are strings")
    if len(value) > _MAX_TEXT:
        raise BuiltinError(f"{kind(value)} is too long for a date or time")
    try:
        return _parse(value)
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError) as error:
        # dateutil leaks all of these on odd texts
        reason = (
            str(error) if isinstance(error, ValueError) and "time zone" in str(error) else "write YYYY-MM-DD HH:MM:SS"
        )
        raise BuiltinError(f"{kind(value)} is not a date or time: {reason}") from None


def _duration(name: str, value: Value) -> timedelta:
    """Seconds, or the text ``[[[weeks:]days:]hours:]minutes:seconds``."""
    seconds: float
    if isinstance(value, int | float):
        seconds = value
    elif isinstance(value, str):
        parts = value.split(":")
        if len(parts) > len(_UNITS):
            raise BuiltinError(
                f"{kind(value)} has too many parts: the longest form is weeks:days:hours:minutes:seconds"
            )
        try:
            seconds = sum(int(part) * unit for part, unit in zip(reversed(parts), _UNITS, strict=False))
        except ValueError:
            raise BuiltinError(
                f"{kind(value)} is not a duration: write seconds as a number, or weeks:days:hours:minutes:seconds"
            ) from None
    else:
        raise BuiltinError(f"{name} takes a duration, not {kind(value)}")
    try:
        return timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise BuiltinError(f"{kind(value)} is too long a duration") from None


def unpack_date(x: Value) -> tuple[Value, ...]:
    moment = moment_of(x)
    return moment.year, moment.month, moment.day


def unpack_time(x: Value) -> tuple[Value, ...]:
    moment = moment_of(x)
    return moment.hour, moment.minute, moment.second


def unpack_datetime(x: Value) -> tuple[Value, ...]:
    return unpack_date(x) + unpack_time(x)


def _parts(name: str, parts: tuple[Value, ...]) -> list[int]:
    return [whole(name, part) for part in parts]


def _check(name: str, date: list[int], time: list[int]) -> None:
    year, month, day = date
    hour, minute, second = time
    try:
        datetime(year, month, day, hour, minute, second)
    except (ValueError, OverflowError) as error:
        raise BuiltinError(f"{name}: {error}") from None


def pack_time(*parts: Value) -> tuple[Value]:
    time = _parts("pack_time", parts)
    _check("pack_time", [1900, 1, 1], time)
    return (":".join(map(str, time)),)


def pack_date(*parts: Value) -> tuple[Value]:
    date = _parts("pack_date", parts)
    _check("pack_date", date, [0, 0, 0])
    return ("-".join(map(str, date)),)


def pack_datetime(*parts: Value) -> tuple[Value]:
    numbers = _parts("pack_datetime", parts)
    date, time = numbers[:3], numbers[3:]
    _check("pack_datetime", date, time)
    return (f"{'-'.join(map(str, date))} {':'.join(map(str, time))}",)


def extract_date(x: Value) -> tuple[Value]:
    return (str(moment_of(x).date()),)


def extract_time(x: Value) -> tuple[Value]:
    return (str(moment_of(x).time()),)


def datetime_to_seconds(x: Value) -> tuple[Value]:
    seconds = (moment_of(x) - _START).total_seconds()
    return (int(seconds) if seconds.is_integer() else seconds,)


def datetime_plus(x: Value, y: Value) -> tuple[Value]:
    try:
        return (str(moment_of(x) + _duration("datetime_plus", y)),)
    except OverflowError:
        raise BuiltinError(f"{kind(x)} plus {kind(y)} is beyond the year 9999 or before the year 1") from None


def datetime_minus(x: Value, y: Value) -> tuple[Value]:
    try:
        return (str(moment_of(x) - _duration("datetime_minus", y)),)
    except OverflowError:
        raise BuiltinError(f"{kind(x)} minus {kind(y)} is beyond the year 9999 or before the year 1") from None


def datetime_less(x: Value, y: Value) -> bool:
    return moment_of(x) < moment_of(y)


def datetime_less_or_equal(x: Value, y: Value) -> bool:
    return moment_of(x) <= moment_of(y)


def datetime_greater(x: Value, y: Value) -> bool:
    return moment_of(x) > moment_of(y)


def datetime_greater_or_equal(x: Value, y: Value) -> bool:
    return moment_of(x) >= moment_of(y)


def datetime_equal(x: Value, y: Value) -> bool:
    return moment_of(x) == moment_of(y)


_XY: Final = ("x", "y")
_DATE: Final = ("year", "month", "day")
_TIME: Final = ("hour", "minute", "second")
_LENGTH: Final = "y is seconds, or a string `[[[weeks:]days:]hours:]minutes:seconds`."

DATETIMES: Final = (
    Builtin(
        "now",
        ("x",),
        0,
        None,
        "x is the present time in UTC, as `YYYY-MM-DD HH:MM:SS`; rules that read it follow the clock.",
        'now("2026-01-31 12:00:00")',
    ),
    Builtin(
        "unpack_date",
        ("x", *_DATE),
        1,
        unpack_date,
        "the parts of the date x.",
        'unpack_date("2026-01-31", 2026, 1, 31)',
    ),
    Builtin(
        "unpack_time", ("x", *_TIME), 1, unpack_time, "the parts of the time x.", 'unpack_time("10:20:30", 10, 20, 30)'
    ),
    Builtin(
        "unpack_datetime",
        ("x", *_DATE, *_TIME),
        1,
        unpack_datetime,
        "the parts of the date and time x.",
        'unpack_datetime("2026-01-31T10:20:30+02:00", 2026, 1, 31, 8, 20, 30)',
    ),
    Builtin(
        "pack_time",
        (*_TIME, "x"),
        3,
        pack_time,
        "x is the time of these parts, without padding.",
        'pack_time(1, 2, 3, "1:2:3")',
    ),
    Builtin(
        "pack_date",
        (*_DATE, "x"),
        3,
        pack_date,
        "x is the date of these parts, without padding.",
        'pack_date(2026, 1, 2, "2026-1-2")',
    ),
    Builtin(
        "pack_datetime",
        (*_DATE, *_TIME, "x"),
        6,
        pack_datetime,
        "x is the date and time of these parts, without padding.",
        'pack_datetime(2026, 1, 2, 3, 4, 5, "2026-1-2 3:4:5")',
    ),
    Builtin(
        "extract_date", _XY, 1, extract_date, "y is the date in x.", 'extract_date("2026-1-31 10:20:30", "2026-01-31")'
    ),
    Builtin(
        "extract_time",
        _XY,
        1,
        extract_time,
        "y is the time of day in x.",
        'extract_time("2026-01-31 1:2:3", "01:02:03")',
    ),
    Builtin(
        "datetime_to_seconds",
        _XY,
        1,
        datetime_to_seconds,
        "y is the seconds from 1900-01-01 00:00:00 to x.",
        'datetime_to_seconds("1900-01-02", 86400)',
    ),
    Builtin(
        "datetime_plus",
        ("x", "y", "z"),
        2,
        datetime_plus,
        f"z is the time x and y later; {_LENGTH}",
        'datetime_plus("2026-01-31 10:00:00", "1:0:0", "2026-01-31 11:00:00")',
    ),
    Builtin(
        "datetime_minus",
        ("x", "y", "z"),
        2,
        datetime_minus,
        f"z is the time y before x; {_LENGTH}",
        'datetime_minus("2026-01-31 10:00:00", 60, "2026-01-31 09:59:00")',
    ),
    Builtin("datetime_lt", _XY, 2, datetime_less, "x is before y.", 'datetime_lt("2026-01-31", "2026-02-01")'),
    Builtin(
        "datetime_lteq",
        _XY,
        2,
        datetime_less_or_equal,
        "x is y or before it.",
        'datetime_lteq("2026-1-31", "2026-01-31")',
    ),
    Builtin("datetime_gt", _XY, 2, datetime_greater, "x is after y.", 'datetime_gt("Feb 1 2026", "2026-01-31")'),
    Builtin(
        "datetime_gteq",
        _XY,
        2,
        datetime_greater_or_equal,
        "x is y or after it.",
        'datetime_gteq("2026-01-31 12:00", "2026-01-31")',
    ),
    Builtin(
        "datetime_equal",
        _XY,
        2,
        datetime_equal,
        "x and y are the same time.",
        'datetime_equal("2026-01-31T12:00:00+02:00", "2026-01-31 10:00:00")',
    ),
)
