"""Queries read fast: texts that differ in their quoted strings only are parsed and checked once.

A service is asked ``error("vm-1")``, ``error("vm-2")``, ... thousands of times a second. The text is split at its
plain strings; what is left is the key under which the checked atom is kept, with places for the strings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from congressd.language.catalog import Catalog
from congressd.language.check import CheckedQuery, check_query
from congressd.language.core import Atom, Constant, Rule, Table, Term

#: Kept templates; more are forgotten all at once, for a client that builds a new query shape each time.
MOST_TEMPLATES: Final = 1024

#: A string without escapes. A text with a backslash or a single quote anywhere takes the long way.
_PLAIN: Final = re.compile(r'"([^"\\\n]*)"')


@dataclass(frozen=True, slots=True)
class _Template:
    """A checked atom; ``places`` says which of its arguments are the text's strings, in their order."""

    table: Table
    args: tuple[Term, ...]
    places: tuple[int, ...]
    warnings: tuple[str, ...]

    def filled(self, strings: Sequence[str]) -> CheckedQuery:
        args = list(self.args)
        for place, string in zip(self.places, strings, strict=True):
            args[place] = Constant(string)
        return CheckedQuery(Atom(self.table, tuple(args)), self.warnings)


class QueryReader:
    """Reads queries against one catalogue; make a new one when the catalogue changes."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._templates: dict[tuple[str, ...], _Template | None] = {}

    def table(self, policy: str, text: str) -> Table | None:
        """The table that a query asks for, if one of the same shape was read before."""
        template = self._templates.get((policy, *_PLAIN.split(text)[::2]))
        return None if template is None else template.table

    def read(self, policy: str, text: str) -> CheckedQuery:
        """The core form of a query asked of ``policy``. Raises CongressError "query_syntax"."""
        parts = _PLAIN.split(text)
        key = (policy, *parts[::2])
        template = self._templates.get(key)
        if template is not None:
            return template.filled(parts[1::2])
        checked = check_query(text, policy, self._catalog)
        if key not in self._templates:
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            self._templates[key] = _template(checked, text, parts[1::2])
        return checked


def _template(checked: CheckedQuery, text: str, strings: Sequence[str]) -> _Template | None:
    """The template that a text gives, or None if its strings do not stand one by one for arguments."""
    query = checked.query
    if isinstance(query, Rule) or "\\" in text or "'" in text or "#" in text or "/" in text:
        return None
    places = tuple(
        place for place, arg in enumerate(query.args) if isinstance(arg, Constant) and isinstance(arg.value, str)
    )
    found = [arg.value for arg in query.args if isinstance(arg, Constant) and isinstance(arg.value, str)]
    if sorted(found) != sorted(strings) or len(set(strings)) != len(strings):
        return None
    return _Template(
        query.table, query.args, tuple(places[found.index(string)] for string in strings), checked.warnings
    )
