"""The names that the tests of the language share."""

from __future__ import annotations

from congressd.language.catalog import StaticCatalog
from congressd.language.check import Checked, check_rule
from congressd.model.errors import CongressError

CATALOG = StaticCatalog(
    kinds={
        "home": "nonrecursive",
        "other": "nonrecursive",
        "effects": "action",
        "cloud": "datasource",
        "silent": "datasource",
    },
    schemas={
        "home": {"p": 1, "q": 1, "r": 2},
        "other": {"t": 1, "named": ("first", "second")},
        "cloud": {"servers": ("id", "name", "status"), "servers:tags": ("id", "tag"), "flags": ("on",)},
    },
)


def check(text: str, policy: str = "home") -> Checked:
    """Check one rule against the catalogue."""
    return check_rule(text, policy, CATALOG)


def core(text: str, policy: str = "home") -> str:
    """The core form of a rule, as text."""
    return str(check(text, policy).rule)


def refusal(text: str, policy: str = "home") -> CongressError:
    """The error that a rule gets."""
    try:
        checked = check(text, policy)
    except CongressError as error:
        return error
    raise AssertionError(f"{text} was accepted as {checked.rule}")


def reason(error: CongressError) -> str:
    """The error's reason for programs."""
    assert isinstance(error.data, dict)
    return str(error.data["reason"])
