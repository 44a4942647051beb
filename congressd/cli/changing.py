"""What the verbs that make or change policies and rules have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from congressd.cli.context import Failure
from congressd.cli.output import say


def given(**fields: object | None) -> dict[str, Any]:
    """The fields that were given, as a body; with none there is nothing to ask for."""
    body = {name: value for name, value in fields.items() if value is not None}
    if not body:
        raise Failure("nothing to change was given; see --help for what can be")
    return body


def warn(made: Mapping[str, Any]) -> None:
    """What the service found doubtful in an answer, a rule, or the rules of a policy."""
    for item in (made, *made.get("rules", ())):
        for warning in item.get("warnings", ()):
            say(f"warning: {warning}", err=True)
