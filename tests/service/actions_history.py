"""The checker of executions: what was wanted, what the log says and what the world saw must fit together. Pure.

A history has three parts, recorded independently: the rows that were made to hold and whether they still do, the
execution log as the API tells it, and every call that the target saw, with the activation that it named.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(slots=True)
class History:
    """``appeared``: how often each row (by its key) came to hold; ``held``: those that hold at the end.

    ``log``: the activations, as GET /v1/actions has them; ``row_of``: the row's key of each activation.
    ``calls``: the ids of the activations in the order of the calls that the world saw.
    """

    appeared: Mapping[str, int]
    held: frozenset[str]
    log: Sequence[Mapping[str, Any]]
    row_of: Mapping[str, str]
    calls: Sequence[str]
    idempotent: frozenset[str] = field(default_factory=frozenset)  #: names of actions that may be repeated


def violations(history: History) -> list[str]:
    """Everything that must not be, as sentences; empty if the history is right."""
    return [
        *_calls(history),
        *_ends(history),
        *_rows(history),
    ]


def _calls(history: History) -> list[str]:
    """No action runs twice, none runs that is not on record, and what is said to be done was done."""
    found = []
    calls = Counter(history.calls)
    known = {each["id"]: each for each in history.log}
    for identity, number in calls.items():
        each = known.get(identity)
        if each is None:
            found.append(f"activation {identity} was called and is not in the log")
        elif number > 1 and each["action"] not in history.idempotent and not _asked_again(each):
            found.append(f"activation {identity} ({each['state']}) was called {number} times")
        elif number > each["attempts"]:
            found.append(f"activation {identity} was called {number} times in {each['attempts']} attempts")
    for identity, each in known.items():
        if each["state"] == "succeeded" and not calls[identity] and not _asked_again(each):
            found.append(f"activation {identity} is said to have succeeded, but nothing was called")
        if each["state"] == "cancelled" and calls[identity] and each["attempts"] == 0:
            found.append(f"activation {identity} was cancelled before it began, but was called")
    return found


def _asked_again(each: Mapping[str, Any]) -> bool:
    """Whether a person settled it."""
    return bool(each["settled"])


def _ends(history: History) -> list[str]:
    """Each activation ends in a final state, or is unknown."""
    return [
        f"activation {each['id']} is still {each['state']}"
        for each in history.log
        if each["state"] not in FINAL and each["state"] != "unknown"
    ]


def _rows(history: History) -> list[str]:
    """Each row that holds has one open activation, none has more activations than it came, none is lost."""
    found = []
    opened: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in history.log:
        opened[history.row_of[each["id"]]].append(each)
    for row, activations in opened.items():
        came = history.appeared.get(row, 0)
        if len(activations) > came:
            found.append(f"row {row} came {came} times and has {len(activations)} activations")
        still = [each["id"] for each in activations if each["open"]]
        if len(still) > 1:
            found.append(f"row {row} has {len(still)} open activations: {', '.join(still)}")
        if still and row not in history.held:
            found.append(f"row {row} holds no longer, but its activation {still[0]} is open")
    for row in sorted(history.held):
        current = [each for each in opened[row] if each["open"]]
        if not current:
            found.append(f"row {row} holds, and nothing was done: it was lost")
        elif current[0]["state"] == "cancelled":
            found.append(f"row {row} holds, but its activation {current[0]['id']} was cancelled")
    return found
