"""One run of one action: from an activation that was claimed to what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from congressd.actions.ledger import Entry, Outcome
from congressd.datasources.action import ActionError, ActionRequest, Actor
from congressd.model import jsontext
from congressd.model.actions import ActionInfo, State
from congressd.model.nearest import hint

log = logging.getLogger(__name__)

LONGEST_RESULT: Final = 64 * 1024  #: bytes of a result that are kept

#: The actor of a service, None if there is none of that name.
FindActor = Callable[[str], Actor | None]


def find_action(actor: Actor | None, action: str) -> ActionInfo | None:
    """What an actor says of one of its actions; None if it has none of that name."""
    return next((each for each in (actor.actions() if actor else ()) if each.name == action), None)


def perform(entry: Entry, find: FindActor, may_act: Callable[[], bool]) -> Outcome:
    """Run an activation. Raises nothing. ``may_act`` is asked immediately before the world is touched."""
    actor = find(entry.service)
    info = find_action(actor, entry.action)
    if actor is None or info is None:
        return Outcome(entry.id, State.FAILED, {"error": _missing(entry, actor)})
    problem = info.check(entry.args)
    if problem is not None:
        return Outcome(entry.id, State.FAILED, {"error": problem})
    request = ActionRequest(entry.action, entry.args, entry.id, time.monotonic() + info.time_limit)
    if not may_act():
        return Outcome(
            entry.id, State.PENDING, {"note": "not begun: this node was no longer sure to be the active one"}
        )
    try:
        result = actor.act(request)
    except ActionError as error:
        return Outcome(entry.id, State.UNKNOWN if error.acted else State.FAILED, {"error": str(error)})
    except Exception as error:  # a driver may be anybody's code, and may have acted before it failed
        log.exception("activation=%s service=%s action=%s failed", entry.id, entry.service, entry.action)
        sentence = f"the driver failed with {type(error).__name__}: {error}"
        return Outcome(entry.id, State.UNKNOWN, {"error": sentence})
    return Outcome(entry.id, State.SUCCEEDED, {"output": _kept(result)})


def _missing(entry: Entry, actor: Actor | None) -> str:
    if actor is None:
        return f"there is no data source or service {entry.service!r}"
    names = [each.name for each in actor.actions()]
    return f"{entry.service!r} has no action {entry.action!r}.{hint(entry.action, names)}"


def _kept(result: Any) -> Any:
    """A result as the log keeps it: JSON that is not too long."""
    try:
        text = jsontext.dumps(result)
        if len(text) <= LONGEST_RESULT:
            text.decode("utf-8")
            return jsontext.loads(text)
    except (TypeError, ValueError):
        text = str(result).encode("utf-8", "replace")
    return text[:LONGEST_RESULT].decode("utf-8", "replace")
