"""The builtins: one table of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from congressd.language.builtins.signature import Builtin, BuiltinError

__all__ = ["BUILTINS", "Builtin", "BuiltinError"]

BUILTINS: Final[Mapping[str, Builtin]] = {}
