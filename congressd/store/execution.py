"""The steps of the datasource node in the execution log: each is one transaction, refused when its epoch is over.

A step that is run again since the answer to its COMMIT was lost recognises what it did by ids and by ``now``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, exc, insert, or_, select, update
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.model.actions import FINAL, State
from congressd.store import epochs, models
from congressd.store.activations import CHUNK, NewActivation, columns, result_text
from congressd.store.retry import LostRace
from congressd.store.rows import matched


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended: its new state (PENDING for another try at ``not_before``), and its result as JSON."""

    id: str
    state: State
    result: Any
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done as one. By id: ``closed``, ``started`` (were PENDING) and ``rerun`` (were UNKNOWN)."""

    opened: Sequence[NewActivation] = ()
    closed: Sequence[str] = ()
    started: Sequence[str] = ()
    ended: Sequence[Ended] = ()
    rerun: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """What a node must know of an activation to go on with it. ``closed``: its row holds no longer."""

    id: str
    subject: str
    policy: str
    rule_id: str
    source: str
    action: str
    args: Any
    state: State
    epoch: int
    attempts: int
    result: Any
    not_before: float
    created_at: float
    closed: bool


def carry_out(session: Session, steps: Steps, epoch: int, node: str, now: float) -> frozenset[str]:
    """Do these steps; the ids of those started or ended that were in another state, and stay so. For `Database.run`.

    Raises epochs.StaleEpoch, and nothing is done.
    """
    epochs.guard(session, epochs.DSD, epoch)
    refused = _end(session, steps.ended, epoch, now) if steps.ended else frozenset()
    for ids in _chunks(steps.closed):
        _close(session, ids, now)
    for ids in _chunks(steps.rerun):
        _move(session, ids, State.UNKNOWN, {"state": State.PENDING, "updated_at": now, "finished_at": None})
    for ids in _chunks(steps.started):
        refused |= _start(session, ids, epoch, node, now)
    if steps.opened:
        _open(session, steps.opened, epoch, node, now)
    return refused


def orphan(session: Session, epoch: int, now: float) -> int:
    """What an earlier epoch left running becomes UNKNOWN; how many. The first work of a new epoch.

    Raises epochs.StaleEpoch.
    """
    epochs.guard(session, epochs.DSD, epoch)
    table = models.Activation
    left = update(table).where(table.state == State.RUNNING, table.epoch < epoch)
    return matched(session, left.values(state=State.UNKNOWN, updated_at=now, finished_at=now))


def open_ones(session: Session, ids: Collection[str] | None = None) -> list[OpenRecord]:
    """All activations whose row holds or that are not final; or those with ``ids``, whatever they are."""
    table = models.Activation
    names = ("id", "subject", "policy", "rule_id", "source", "action", "args", "state", "epoch", "attempts", "result")
    chosen = [getattr(table, name) for name in (*names, "not_before", "created_at", "closed_at")]
    if ids is None:
        unfinished = [state for state in State if state not in FINAL]
        conditions = [or_(table.closed_at.is_(None), table.state.in_(unfinished))]
    else:
        conditions = [table.id.in_(part) for part in _chunks(list(ids))]
    return [_open_record(row) for condition in conditions for row in session.execute(select(*chosen).where(condition))]


def _open_record(row: Any) -> OpenRecord:
    return OpenRecord(
        row.id,
        row.subject,
        row.policy,
        row.rule_id,
        row.source,
        row.action,
        jsontext.loads(row.args),
        State(row.state),
        row.epoch,
        row.attempts,
        jsontext.loads(row.result),
        row.not_before,
        row.created_at,
        bool(row.rule_id) and row.closed_at is not None,
    )


def pending_ids(session: Session) -> list[str]:
    """The activations that wait for their turn, among them those that people asked for, approved or want again."""
    table = models.Activation
    return list(session.scalars(select(table.id).where(table.state == State.PENDING)))


def starts_since(session: Session, since: float) -> list[tuple[str, float]]:
    """The rules whose actions were started since then, with the times, so that rates hold over a takeover."""
    table = models.Activation
    rows = session.execute(
        select(table.rule_id, table.started_at).where(table.started_at >= since, table.rule_id != "")
    )
    return [(rule_id, at) for rule_id, at in rows if at is not None]


def _open(session: Session, new: Sequence[NewActivation], epoch: int, node: str, now: float) -> None:
    table = models.Activation
    known: set[str] = set()
    for keys in _chunks([each.key for each in new]):
        known.update(session.scalars(select(table.id).where(table.key.in_(keys))))
    rows = [columns(each, now, epoch, node) for each in new if each.id not in known]
    if rows:
        try:
            session.execute(insert(table), rows)
        except exc.IntegrityError as error:
            raise LostRace("one of these rows has an open activation that this node does not know") from error


def _close(session: Session, ids: Sequence[str], now: float) -> None:
    """What waits is cancelled, what runs or is over stays so; the key is free for the next time that the row holds."""
    table = models.Activation
    waiting = update(table).where(
        table.id.in_(ids), table.closed_at.is_(None), table.state.in_((State.PENDING, State.AWAITING))
    )
    reason = result_text({"cancelled": "the row holds no longer"})
    matched(session, waiting.values(state=State.CANCELLED, result=reason, updated_at=now, finished_at=now))
    matched(
        session,
        update(table).where(table.id.in_(ids), table.closed_at.is_(None)).values(closed_at=now, key=table.id),
    )


def _start(session: Session, ids: Sequence[str], epoch: int, node: str, now: float) -> frozenset[str]:
    table = models.Activation
    values = {
        "state": State.RUNNING,
        "epoch": epoch,
        "node": node,
        "attempts": table.attempts + 1,
        "started_at": now,
        "finished_at": None,
        "updated_at": now,
    }
    if _move(session, ids, State.PENDING, values) == len(ids):
        return frozenset()
    mine = select(table.id).where(
        table.id.in_(ids), table.state == State.RUNNING, table.epoch == epoch, table.updated_at == now
    )
    return frozenset(ids) - frozenset(session.scalars(mine))


def _end(session: Session, ended: Sequence[Ended], epoch: int, now: float) -> frozenset[str]:
    table = models.Activation
    one = (
        update(table)
        .where(table.id == bindparam("which"), table.state == State.RUNNING, table.epoch == epoch)
        .values(
            state=bindparam("to"),
            result=bindparam("outcome"),
            not_before=bindparam("due"),
            finished_at=bindparam("over"),
            updated_at=now,
        )
    )
    parameters = [
        {
            "which": each.id,
            "to": each.state,
            "outcome": result_text(each.result),
            "due": each.not_before,
            "over": None if each.state is State.PENDING else now,
        }
        for each in ended
    ]
    session.connection().execute(one, parameters)
    done: set[str] = set()
    for ids in _chunks([each.id for each in ended]):
        done.update(session.scalars(select(table.id).where(table.id.in_(ids), table.updated_at == now)))
    return frozenset(each.id for each in ended) - done


def _move(session: Session, ids: Sequence[str], before: State, values: dict[str, Any]) -> int:
    table = models.Activation
    return matched(session, update(table).where(table.id.in_(ids), table.state == before).values(**values))


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
