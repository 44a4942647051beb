"""Between the ledger's activations and those of the database, and the log's lines about them."""

from __future__ import annotations

import logging
from typing import Any

from congressd.actions.ledger import Entry, Opening, Step
from congressd.model import jsontext
from congressd.model.actions import State
from congressd.model.values import to_rows
from congressd.store.activations import NewActivation
from congressd.store.execution import Ended, OpenRecord, Steps

log = logging.getLogger(__name__)


def steps_of(step: Step) -> Steps:
    """A step as the database carries it out."""
    return Steps(
        [_new(each) for each in step.opened],
        step.closed,
        [each.id for each in step.started],
        [Ended(each.id, each.state, clean(each.result), each.not_before) for each in step.ended],
        step.rerun,
    )


def entry_of(record: OpenRecord) -> Entry:
    """An activation of the database as the ledger has it."""
    return Entry(
        record.id,
        record.subject,
        record.rule_id,
        record.policy,
        record.source,
        record.action,
        to_rows([record.args])[0],
        record.state,
        record.attempts,
        record.not_before,
        standing=bool(record.rule_id),
        closed=record.closed,
        held=isinstance(record.result, dict) and "held" in record.result,
        created_at=record.created_at,
    )


def clean(item: Any) -> Any:
    """JSON that every database can keep: half of a character is replaced."""
    try:
        jsontext.dumps(item).decode("utf-8")
    except UnicodeDecodeError:
        return jsontext.loads(jsontext.dumps(item).decode("utf-8", "replace"))
    return item


def tell(step: Step, refused: frozenset[str], epoch: int) -> None:
    """One line for each thing that happened."""
    for opened in step.opened:
        entry = opened.entry
        log.info(
            "activation=%s rule=%s action=%s:%s epoch=%d opened %s",
            *(entry.id, entry.rule_id, entry.service, entry.action, epoch, entry.state),
        )
    for started in step.started:
        if started.id not in refused:
            log.info("activation=%s attempt=%d epoch=%d begins", started.id, started.attempts, epoch)
    for ended in step.ended:
        level = logging.INFO if ended.state is State.SUCCEEDED else logging.WARNING
        outcome = "is tried again" if ended.state is State.PENDING else ended.state
        log.log(level, "activation=%s epoch=%d %s: %.300s", ended.id, epoch, outcome, ended.result)
    for closed in step.closed:
        log.info("activation=%s epoch=%d closed: its row holds no longer", closed, epoch)
    for rerun in step.rerun:
        log.warning("activation=%s epoch=%d is run again: nobody knows whether it was, and it may be", rerun, epoch)


def _new(opening: Opening) -> NewActivation:
    entry = opening.entry
    return NewActivation(
        entry.subject,
        entry.subject,
        entry.service,
        entry.action,
        clean(list(entry.args)),
        clean(dict(opening.why)),
        entry.policy,
        entry.rule_id,
        "policy",
        entry.state,
        entry.not_before,
        opening.result,
        entry.id,
    )
