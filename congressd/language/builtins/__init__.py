"""The builtins: one table of all of them, by name. Each group has a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from congressd.language.builtins.arithmetic import ARITHMETIC
from congressd.language.builtins.comparison import COMPARISON
from congressd.language.builtins.datetimes import DATETIMES
from congressd.language.builtins.networks import NETWORKS
from congressd.language.builtins.signature import Builtin, BuiltinError
from congressd.language.builtins.strings import STRINGS
from congressd.language.builtins.validation import VALIDATION

__all__ = ["BUILTINS", "GROUPS", "Builtin", "BuiltinError"]

#: The groups in the order of the documentation.
GROUPS: Final[Mapping[str, tuple[Builtin, ...]]] = MappingProxyType(
    {
        "Comparison and null": COMPARISON,
        "Arithmetic": ARITHMETIC,
        "Strings": STRINGS,
        "Dates and times": DATETIMES,
        "Networks": NETWORKS,
        "Validation": VALIDATION,
    }
)

BUILTINS: Final[Mapping[str, Builtin]] = MappingProxyType(
    {builtin.name: builtin for group in GROUPS.values() for builtin in group}
)
