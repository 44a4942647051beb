"""What the status of a source says: the facts that its runner notes, and the document that people read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from congressd.model import clock


@dataclass(slots=True)
class Facts:
    """What happened to a source since it was set up; times in seconds since 1970.

    ``error`` is why the last attempt failed as a whole, ``table_errors`` why single tables did; None and empty when
    it went well. ``updates`` counts the batches that were published.
    """

    last_success: float | None = None
    last_attempt: float | None = None
    error: str | None = None
    error_at: float | None = None
    table_errors: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    next_poll: float | None = None
    busy_since: float | None = None
    updates: int = 0
    unconfirmed: int = 0  #: batches that the bus did not confirm
    published_at: float | None = None  #: when the last batch was published, in monotonic seconds

    def failed(self, now: float, error: str) -> None:
        """The attempt failed as a whole."""
        self.last_attempt = self.error_at = now
        self.error = error

    def succeeded(self, now: float, table_errors: Mapping[str, str], warnings: tuple[str, ...]) -> None:
        """The attempt brought something, though perhaps not every table."""
        self.last_attempt = self.last_success = now
        self.error = None
        self.table_errors = dict(table_errors)
        self.warnings = warnings
        if table_errors:
            self.error_at = now


@dataclass(frozen=True, slots=True)
class Position:
    """Where the source's stream is."""

    epoch: int
    sequence: int
    push: int | None


def document(
    facts: Facts, position: Position, rows: Mapping[str, int], fetched_at: float | None, now: float, *, active: bool
) -> dict[str, Any]:
    """The status as JSON: Congress' fields (all strings), then ours.

    ``state`` is one of ``standby`` (this node does not poll), ``waiting`` (nothing has come yet), ``ok``, ``partial``
    (some tables could not be read) and ``failing`` (the last attempt failed; the rows are those of the last success).
    ``age_seconds`` is the time since the rows were read at the source.
    """
    last_error = facts.error or "; ".join(facts.table_errors[table] for table in sorted(facts.table_errors))
    return {
        "last_updated": iso(facts.last_success) or "None",
        "last_error": last_error or "None",
        "number_of_updates": str(facts.updates),
        "initialized": "True" if facts.last_success is not None else "False",
        "subscriptions": [],
        "subscribers": [],
        "state": _state(facts, active),
        "last_success": iso(facts.last_success),
        "last_attempt": iso(facts.last_attempt),
        "last_error_at": iso(facts.error_at),
        "error": facts.error,
        "table_errors": dict(facts.table_errors),
        "warnings": list(facts.warnings),
        "next_poll": iso(facts.next_poll),
        "busy_since": iso(facts.busy_since),
        "age_seconds": None if fetched_at is None else round(max(0.0, now - fetched_at), 3),
        "rows": dict(rows),
        "epoch": position.epoch,
        "sequence": position.sequence,
        "push": position.push,
        "unconfirmed": facts.unconfirmed,
    }


def iso(time: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601; None stays None."""
    return None if time is None else clock.iso(time)


def _state(facts: Facts, active: bool) -> str:
    if not active:
        return "standby"
    if facts.error is not None:
        return "failing"
    if facts.last_success is None:
        return "waiting"
    return "partial" if facts.table_errors else "ok"
