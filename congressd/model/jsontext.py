"""JSON text in and out: integers of any size, no NaN, fast where the data allow it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import orjson

from congressd.model.values import json_default


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def loads(text: bytes | str) -> Any:
    """Decode JSON. Raises ValueError with line and column. (orjson would turn integers over 64 bits to floats.)"""
    return json.loads(text, parse_constant=_refuse)


def dumps(item: Any) -> bytes:
    """Encode as compact UTF-8 JSON; knows `congressd.model.values.Bool`."""
    try:
        return orjson.dumps(item, default=json_default)
    except TypeError:
        text = json.dumps(item, default=json_default, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode("utf-8", "surrogatepass")
