"""Epochs: fencing tokens for a role that only one node may have, and the lease that its holder renews.

The invariant: of two holders of a role the later one has the higher epoch, even if the database lost commits in
between, because an epoch is never below the time at which it was taken (ms). A write that calls `guard` is refused
once a higher epoch exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import exc, insert, select, update
from sqlalchemy.orm import Session

from congressd.model.errors import CongressError
from congressd.store import models
from congressd.store.retry import LostRace
from congressd.store.rows import matched


class StaleEpoch(CongressError):  # noqa: N818  # "stale" is the error
    """Another node took the role meanwhile: the caller must stop acting, then publishing, then exit."""

    def __init__(self, role: str, epoch: int) -> None:
        super().__init__("stale_epoch", f"epoch {epoch} of the role {role!r} is over; this node must stand by")
        self.role = role
        self.epoch = epoch


DSD: Final = "dsd"  #: the role of the active datasource node
RELEASED: Final = 0  #: the end of a lease that its holder gave back


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Who has a role: ``lease_until`` in ms since 1970 by the holder's clock (for people: never compare clocks)."""

    role: str
    epoch: int
    node: str
    lease_until: int


def take_epoch(session: Session, role: str, node: str, now_ms: int) -> int:
    """Make ``node`` the holder of a role; its epoch, ``max(epoch + 1, now_ms)``. For `Database.run`.

    Whether the node may do so is Pacemaker's decision, not the lease's: the previous holder is fenced by this call.
    """
    table = models.Epoch
    seen = session.scalar(select(table.epoch).where(table.role == role))
    if seen is None:
        try:
            session.execute(insert(table), _first(role, node, now_ms))
        except exc.IntegrityError as error:
            raise LostRace(f"another node took the first epoch of {role}") from error
        return now_ms
    epoch = max(seen + 1, now_ms)
    take = update(table).where(table.role == role, table.epoch == seen)
    if not matched(session, take.values(epoch=epoch, node=node, lease_until=now_ms)):
        raise LostRace(f"another node took an epoch of {role}")
    return epoch


def renew(session: Session, role: str, epoch: int, node: str, until: int) -> None:
    """Prolong the lease to ``until`` (ms since 1970). For `Database.run`.

    Raises StaleEpoch, also when the lease was given back.
    """
    table = models.Epoch
    mine = update(table).where(table.role == role, table.epoch == epoch, table.node == node)
    if not matched(session, mine.where(table.lease_until != RELEASED).values(lease_until=until)):
        raise StaleEpoch(role, epoch)


def release(session: Session, role: str, epoch: int, node: str) -> bool:
    """Give the lease back, so that a successor need not wait for its end; False if somebody has the role already.

    For `Database.run`; to be called only when the node has stopped acting and publishing.
    """
    table = models.Epoch
    mine = update(table).where(table.role == role, table.epoch == epoch, table.node == node)
    return bool(matched(session, mine.values(lease_until=RELEASED)))


def guard(session: Session, role: str, epoch: int) -> None:
    """Refuse the whole transaction unless ``epoch`` is still the role's. For any work of `Database.run`.

    It writes to the epoch's row, so that a takeover at the same moment conflicts with this transaction: on one server
    they wait for each other, on several nodes of Galera one of them fails its certification. Raises StaleEpoch.
    """
    table = models.Epoch
    mine = update(table).where(table.role == role, table.epoch == epoch)
    if not matched(session, mine.values(writes=table.writes + 1)):
        raise StaleEpoch(role, epoch)


def holder(session: Session, role: str) -> EpochRecord | None:
    """Who has the role, or None if nobody ever had."""
    table = models.Epoch
    row = session.scalar(select(table).where(table.role == role))
    return None if row is None else EpochRecord(row.role, row.epoch, row.node, row.lease_until)


def _first(role: str, node: str, now_ms: int) -> dict[str, object]:
    return {"role": role, "epoch": now_ms, "node": node, "lease_until": now_ms, "writes": 0}
