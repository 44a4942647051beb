"""The execution log in the database: what shall be done to the world, and what became of it.

Each step is one conditional update, so it happens once or not at all. Steps of the datasource node are refused when
its epoch is over (`epochs.guard`); steps of people (approve, cancel, resolve) need none. ``now`` must be taken outside
of the work that is run again: a step whose answer from COMMIT was lost is recognised by it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exc, insert, or_, select, update
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.store import epochs, models, records
from congressd.store.retry import LostRace
from congressd.store.rows import matched


class State(StrEnum):
    """PENDING waits for its turn, AWAITING for approval; UNKNOWN was running when its node died: it may have acted."""

    PENDING = "pending"
    AWAITING = "awaiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


#: Which states may follow which.
FOLLOWS: Final[dict[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.RUNNING, State.AWAITING, State.CANCELLED}),
    State.AWAITING: frozenset({State.PENDING, State.CANCELLED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.UNKNOWN, State.PENDING}),
    State.UNKNOWN: frozenset({State.SUCCEEDED, State.FAILED, State.PENDING}),
    State.FAILED: frozenset({State.PENDING}),
    State.SUCCEEDED: frozenset(),
    State.CANCELLED: frozenset(),
}
FINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class NewActivation:
    """What to open. ``key`` is unique for ever; ``subject`` is the same for every activation of the same row.

    ``standing`` ones stand for a row of an execute table, until `close`; others were asked for once. ``args`` and
    ``why`` are JSON. ``not_before`` in seconds since 1970.
    """

    key: str
    subject: str
    source: str
    action: str
    args: Any = None
    why: Any = None
    policy: str = ""
    rule_id: str = ""
    requested_by: str = ""
    standing: bool = True
    state: State = State.PENDING
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """One activation of the log; times in seconds since 1970. ``epoch`` and ``node`` are those that ran it last."""

    id: str
    key: str
    subject: str
    policy: str
    rule_id: str
    source: str
    action: str
    args: Any
    why: Any
    requested_by: str
    state: State
    epoch: int
    node: str
    attempts: int
    result: Any
    not_before: float
    created_at: float
    updated_at: float
    started_at: float | None
    finished_at: float | None
    closed_at: float | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which activations to list: None means any. ``is_open``: whether the row that it stands for still holds."""

    states: Collection[State] | None = None
    policy: str | None = None
    rule_id: str | None = None
    source: str | None = None
    action: str | None = None
    subject: str | None = None
    is_open: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing, newest first; ``following`` is handed in for the next part, None at the end."""

    records: tuple[ActivationRecord, ...]
    following: tuple[float, str] | None


def open_many(
    session: Session, new: Sequence[NewActivation], now: float, epoch: int | None
) -> tuple[ActivationRecord, ...]:
    """Open activations; those opened by this call. A key that exists already opens nothing. For `Database.run`.

    ``epoch`` is the datasource node's, None for what a person asks for. Raises epochs.StaleEpoch.
    """
    if epoch is not None:
        epochs.guard(session, epochs.DSD, epoch)
    table = models.Activation
    known = set(session.scalars(select(table.key).where(table.key.in_([each.key for each in new]))))
    rows = [_columns(each, now) for each in {each.key: each for each in new}.values() if each.key not in known]
    if rows:
        try:
            session.execute(insert(table), rows)
        except exc.IntegrityError as error:
            raise LostRace("another node opened one of these activations") from error
    return tuple(_record(models.Activation(**row)) for row in rows)


def claim(session: Session, ids: Collection[str], epoch: int, node: str, now: float) -> tuple[str, ...]:
    """Take pending activations whose time has come: only those returned may be run. For `Database.run`.

    Raises epochs.StaleEpoch.
    """
    epochs.guard(session, epochs.DSD, epoch)
    table = models.Activation
    claimed = []
    for each in ids:
        ready = (table.not_before <= now,)
        values = {"epoch": epoch, "node": node, "attempts": table.attempts + 1, "started_at": now, "finished_at": None}
        if _move(session, each, State.PENDING, State.RUNNING, now, values, ready):
            claimed.append(each)
    return tuple(claimed)


def finish(
    session: Session, activation_id: str, to: State, result: Any, epoch: int, now: float, not_before: float = 0.0
) -> bool:
    """Record the outcome of a run: SUCCEEDED, FAILED, UNKNOWN, or PENDING for another try at ``not_before``.

    False if it is not running in this epoch. For `Database.run`. Raises epochs.StaleEpoch.
    """
    epochs.guard(session, epochs.DSD, epoch)
    values = {"result": _json(result), "not_before": not_before, "finished_at": None if to is State.PENDING else now}
    return _move(session, activation_id, State.RUNNING, to, now, values, (models.Activation.epoch == epoch,))


def orphan(session: Session, epoch: int, now: float) -> int:
    """What an earlier epoch left running becomes UNKNOWN; how many. The first work of a new epoch.

    Raises epochs.StaleEpoch.
    """
    epochs.guard(session, epochs.DSD, epoch)
    table = models.Activation
    left = update(table).where(table.state == State.RUNNING, table.epoch < epoch)
    return matched(session, left.values(state=State.UNKNOWN, updated_at=now, finished_at=now))


def close(session: Session, ids: Collection[str], epoch: int, now: float) -> int:
    """The rows that these activations stand for hold no longer; how many were open. Their state stays.

    Raises epochs.StaleEpoch.
    """
    epochs.guard(session, epochs.DSD, epoch)
    table = models.Activation
    return matched(session, update(table).where(table.id.in_(ids), table.closed_at.is_(None)).values(closed_at=now))


def settle(session: Session, activation_id: str, to: State, result: Any, now: float) -> ActivationRecord:
    """A person's step: approve (PENDING), cancel, resolve (SUCCEEDED, FAILED), try again (PENDING).

    What is running can only be settled by the node that runs it. Raises CongressError: "not_found", and "conflict" if
    ``to`` cannot follow its state.
    """
    seen = get(session, activation_id)
    if seen.state is State.RUNNING or to is State.RUNNING or to not in FOLLOWS[seen.state]:
        if seen.state is to and seen.updated_at == now:
            return seen
        allowed = ", ".join(sorted(FOLLOWS[seen.state] - {State.RUNNING})) or "nothing"
        if seen.state is State.RUNNING:
            allowed = "nothing, until its run has ended"
        raise CongressError(
            "conflict", f"activation {activation_id} is {seen.state} and cannot become {to}; allowed: {allowed}"
        )
    values = {"result": _json(result), "finished_at": now if to in FINAL else None, "not_before": 0.0}
    if not _move(session, activation_id, seen.state, to, now, values):
        raise LostRace(f"activation {activation_id} has changed meanwhile")
    session.expire_all()
    return get(session, activation_id)


def get(session: Session, activation_id: str) -> ActivationRecord:
    """One activation. Raises CongressError("not_found")."""
    row = session.scalar(select(models.Activation).where(models.Activation.id == activation_id))
    if row is None:
        raise CongressError("not_found", f"there is no activation with the id {activation_id!r}")
    return _record(row)


def find(session: Session, wanted: Filter, limit: int, following: tuple[float, str] | None = None) -> Page:
    """A page of at most ``limit`` activations, newest first. For `Database.read`."""
    table = models.Activation
    conditions: list[ColumnElement[bool]] = []
    for name in ("policy", "rule_id", "source", "action", "subject"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(getattr(table, name) == value)
    if wanted.states is not None:
        conditions.append(table.state.in_(wanted.states))
    if wanted.is_open is not None:
        conditions.append(table.closed_at.is_(None) if wanted.is_open else table.closed_at.is_not(None))
    if following is not None:
        at, last_id = following
        conditions.append(or_(table.created_at < at, and_(table.created_at == at, table.id < last_id)))
    newest_first = (table.created_at.desc(), table.id.desc())
    rows = session.scalars(select(table).where(*conditions).order_by(*newest_first).limit(limit + 1)).all()
    page = tuple(_record(row) for row in rows[:limit])
    return Page(page, (page[-1].created_at, page[-1].id) if len(rows) > limit else None)


def prune(session: Session, older_than: float, keep: int, limit: int = 1000) -> int:
    """Forget closed activations in a final state that ended before ``older_than``, or are not among the ``keep``
    newest; at most ``limit`` at once (call again until 0). UNKNOWN ones stay until they are settled."""
    table = models.Activation
    border = session.scalar(
        select(table.created_at).order_by(table.created_at.desc(), table.id.desc()).offset(max(keep - 1, 0)).limit(1)
    )
    old: list[ColumnElement[bool]] = [table.finished_at < older_than]
    if border is not None:
        old.append(table.created_at < border)
    final = (table.state.in_(FINAL), table.closed_at.is_not(None))
    ids = session.scalars(select(table.id).where(*final, or_(*old)).limit(limit)).all()
    return matched(session, delete(table).where(table.id.in_(ids), *final)) if ids else 0


def _move(
    session: Session,
    activation_id: str,
    before: State,
    to: State,
    now: float,
    values: dict[str, Any],
    conditions: tuple[ColumnElement[bool], ...] = (),
) -> bool:
    """One step; also True if exactly this step was committed before (its ``now`` tells)."""
    if to not in FOLLOWS[before]:
        raise ValueError(f"{to} cannot follow {before}")
    table = models.Activation
    step = update(table).where(table.id == activation_id, table.state == before, *conditions)
    if matched(session, step.values(state=to, updated_at=now, **values)):
        return True
    done = select(table.id).where(table.id == activation_id, table.state == to, table.updated_at == now)
    return session.scalar(done) is not None


def _columns(new: NewActivation, now: float) -> dict[str, Any]:
    return {
        "id": records.new_id(),
        "key": new.key,
        "subject": new.subject,
        "policy": new.policy,
        "rule_id": new.rule_id,
        "source": new.source,
        "action": new.action,
        "args": _json(new.args),
        "why": _json(new.why),
        "requested_by": new.requested_by,
        "state": new.state.value,
        "epoch": 0,
        "node": "",
        "attempts": 0,
        "result": _json(None),
        "not_before": new.not_before,
        "created_at": now,
        "updated_at": now,
        "started_at": None,
        "finished_at": None,
        "closed_at": None if new.standing else now,
    }


def _record(row: models.Activation) -> ActivationRecord:
    values = {each.name: getattr(row, each.name) for each in fields(ActivationRecord)}
    for name in ("args", "why", "result"):
        values[name] = jsontext.loads(values[name])
    return ActivationRecord(**(values | {"state": State(row.state)}))


def _json(item: Any) -> str:
    return records.json_text(item, "the activation")
