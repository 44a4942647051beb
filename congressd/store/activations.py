"""The execution log in the database: what shall be done to the world, and what became of it.

Here is what people read and settle (approve, cancel, resolve); the steps of the datasource node, all under its epoch,
are in `congressd.store.execution`. Each step is one conditional update, so it happens once or not at all. ``now`` must
be taken outside of the work that is run again: a step whose answer from COMMIT was lost is recognised by it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exc, func, insert, or_, select, update
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.model.actions import FINAL, FOLLOWS, State
from congressd.model.errors import CongressError
from congressd.store import models, records
from congressd.store.retry import LostRace
from congressd.store.rows import matched

CHUNK: Final = 500  #: ids in one statement


@dataclass(frozen=True, slots=True)
class NewActivation:
    """What to open. ``subject`` is the same for every activation of the same row.

    ``key`` is unique: that of one that stands for a row of a rule is its subject, until it is closed, so that there
    is one at most; then its id. One without ``rule_id`` stands for no row, but was asked for once. ``args``, ``why``
    and ``result`` are JSON. ``not_before`` in seconds since 1970. One that is RUNNING is in its first attempt.
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
    state: State = State.PENDING
    not_before: float = 0.0
    result: Any = None
    id: str = field(default_factory=records.new_id)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a person said to an activation (``approved``), who, and when, in seconds since 1970."""

    verb: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class ActivationRecord:
    """One activation of the log; times in seconds since 1970. ``epoch`` and ``node`` are those that ran it last.

    ``settled`` is all that people said to it, in order; it stays whatever the result.
    """

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
    settled: tuple[Settled, ...]
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


def request(session: Session, new: NewActivation, now: float) -> ActivationRecord:
    """Open an activation that somebody asks for; the one that has the key, if there is one. For `Database.run`."""
    table = models.Activation
    known = session.scalar(select(table).where(table.key == new.key))
    if known is not None:
        return _record(known)
    try:
        session.execute(insert(table), [columns(new, now, 0, "")])
    except exc.IntegrityError as error:
        raise LostRace("another node opened this activation") from error
    return get(session, new.id)


def settle(
    session: Session, activation_id: str, before: Collection[State], to: State, said: Settled
) -> ActivationRecord:
    """A person's step from one of the states ``before``: approve, retry (PENDING), cancel, resolve (SUCCEEDED, FAILED).

    Raises CongressError: "not_found", and "conflict" if it is in another state, or should be tried again although its
    row holds no longer. For `Database.run`.
    """
    now = said.at
    seen = get(session, activation_id)
    if seen.state is to and seen.updated_at == now:
        return seen  # this very step was committed before
    if seen.state not in before:
        wanted = " or ".join(sorted(before))
        raise CongressError(
            "conflict", f"activation {activation_id} is {seen.state}; only one that is {wanted} can be {said.verb}"
        )
    if to is State.PENDING and seen.rule_id and seen.closed_at is not None:
        raise CongressError(
            "conflict",
            f"the row that activation {activation_id} stands for holds no longer, so it is not run again; resolve it "
            "as done or failed",
        )
    settled = _json([[each.verb, each.by, each.at] for each in (*seen.settled, said)])
    values: dict[str, Any] = {"settled": settled, "finished_at": now if to in FINAL else None}
    if seen.state is not State.AWAITING:
        values["not_before"] = 0.0
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


def counts(session: Session) -> dict[State, int]:
    """How many activations are in each state. For `Database.read`."""
    table = models.Activation
    rows = session.execute(select(table.state, func.count()).group_by(table.state))
    return {State(state): number for state, number in rows}


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


def columns(new: NewActivation, now: float, epoch: int, node: str) -> dict[str, Any]:
    """The row of an activation that is opened ``now``."""
    running = new.state is State.RUNNING
    return {
        "id": new.id,
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
        "epoch": epoch if running else 0,
        "node": node if running else "",
        "attempts": int(running),
        "result": _json(new.result),
        "settled": None,
        "not_before": new.not_before,
        "created_at": now,
        "updated_at": now,
        "started_at": now if running else None,
        "finished_at": now if new.state in FINAL else None,
        "closed_at": None if new.rule_id else now,
    }


def _record(row: models.Activation) -> ActivationRecord:
    values = {each.name: getattr(row, each.name) for each in fields(ActivationRecord)}
    for name in ("args", "why", "result"):
        values[name] = jsontext.loads(values[name])
    said = [] if row.settled is None else jsontext.loads(row.settled)
    values["settled"] = tuple(Settled(*each) for each in said)
    return ActivationRecord(**(values | {"state": State(row.state)}))


def result_text(result: Any) -> str:
    """A result as the database keeps it."""
    return _json(result)


def _json(item: Any) -> str:
    return records.json_text(item, "the activation")
