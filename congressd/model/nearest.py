"""The nearest known name, for sentences such as "did you mean ...?"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like ``name``, or None when none is like it; case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    matches = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def hint(name: str, known: Iterable[str]) -> str:
    """The phrase that asks "did you mean ...?", with a leading blank; empty when nothing is near."""
    match = nearest(name, known)
    return f' Did you mean "{match}"?' if match else ""


def listing(names: Iterable[str], limit: int = 20) -> str:
    """Names in order, quoted, joined by commas; a long list is cut with the number of those left out."""
    ordered = sorted(names)
    text = ", ".join(f'"{name}"' for name in ordered[:limit])
    more = len(ordered) - limit
    return f"{text} and {more} more" if more > 0 else text or "none"
