"""Values as msgpack, and back, without loss: what `congressd.bus.codec` and the control plane share.

Three msgpack extension types carry what msgpack has not: integers beyond 64 bits, congressd's booleans (which are
not Python's, see `congressd.model.values`) and tuples. Strings may hold lone surrogates, as JSON's may.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

from congressd.model.values import FALSE, TRUE, Bool

_INTEGER: Final = 1
_BOOL: Final = 2
_TUPLE: Final = 3
#: Python refuses to convert longer decimal texts, and no policy needs them; in bytes, so about 300,000 digits.
_LONGEST_INTEGER: Final = 128 * 1024


class DecodeError(ValueError):
    """Bytes from the bus that are not what this module, or the codec, writes."""


def _default(item: object) -> Any:
    if isinstance(item, Bool):
        return msgpack.ExtType(_BOOL, b"\1" if item.truth else b"\0")
    if isinstance(item, int):
        return msgpack.ExtType(_INTEGER, item.to_bytes(item.bit_length() // 8 + 1, "little", signed=True))
    if isinstance(item, tuple):
        return msgpack.ExtType(_TUPLE, pack(list(item)))
    raise TypeError(f"{type(item).__name__} cannot travel over the bus: {str(item)[:80]!r}")


def _ext_hook(code: int, data: bytes) -> Any:
    if code == _BOOL and data in (b"\0", b"\1"):
        return TRUE if data == b"\1" else FALSE
    if code == _INTEGER and len(data) <= _LONGEST_INTEGER:
        return int.from_bytes(data, "little", signed=True)
    if code == _TUPLE:
        items = unpack(data)
        if isinstance(items, list):
            return tuple(items)
    raise DecodeError(f"msgpack extension {code} with {len(data)} bytes is not one of congressd's")


def pack(item: Any) -> bytes:
    """``item`` (dicts, lists, tuples, values) as msgpack. Raises TypeError for anything else."""
    packed: bytes = msgpack.packb(item, default=_default, strict_types=True, unicode_errors="surrogatepass")
    return packed


def unpack(data: bytes) -> Any:
    """What was packed. Raises `DecodeError` for bytes that `pack` cannot have written."""
    try:
        return msgpack.unpackb(data, ext_hook=_ext_hook, unicode_errors="surrogatepass")
    except DecodeError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError, MemoryError, msgpack.UnpackException) as error:
        raise DecodeError(f"{len(data)} bytes are not msgpack: {error or type(error).__name__}") from None
