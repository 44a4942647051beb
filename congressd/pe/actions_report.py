"""Tells the datasource node what this node's execute rules want done: beats, reports, and the whole set when asked.

The bus may lose everything: a report that is not answered is followed by the whole set, and every beat carries the
digest of all that was told.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from congressd.actions.wanted import Report, RuleReport, encode_report
from congressd.bus.control import Control
from congressd.engine.engine import Engine
from congressd.engine.explain import lines
from congressd.language import core
from congressd.model.errors import CongressError
from congressd.model.values import Row
from congressd.pe.actions_watch import ActionWatch, News, Told
from congressd.pe.holder import Holder

LOG = logging.getLogger(__name__)

BEAT: Final = 0.2  #: seconds between signs of life; must be well below `congressd.actions.leader.Patience.dead`
CALL_TIMEOUT: Final = 2.0  #: seconds that the datasource node has to take a report
CALLS: Final = 5  #: calls in a row that may reach a datasource node that was replaced
PART_ROWS: Final = 500  #: rows in one message
EXPLAINED: Final = 1000  #: rows of a whole set that are explained; of news all are
WHY_LINES: Final = 40  #: lines of one explanation


class Reporter:
    """One thread that talks to the active datasource node, whichever that is."""

    def __init__(self, holder: Holder, control: Control, name: str | None = None) -> None:
        """``name`` is this node's among all policy engine nodes."""
        self._holder = holder
        self._control = control
        self._name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:4]}"
        self._boot = uuid.uuid4().hex
        self._wake = threading.Event()
        self._stopped = False
        self._number = 0
        self._told: str | None = None  # the digest of what was told to the node that listens; None if nobody does
        self._epoch = 0
        self.leads = False  #: whether the datasource node listens to this node
        self.watch = ActionWatch(holder.engine, self._wake.set)
        self._thread = threading.Thread(target=self._run, name="pe-actions", daemon=True)

    def start(self) -> None:
        """Begin to talk; to be called once."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Talk no more; another node takes the lead as soon as this one's silence is noticed."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(BEAT)
            self._wake.clear()
            if self._stopped or not self._holder.loaded:
                continue
            try:
                self._talk()
            except CongressError as error:
                LOG.debug("no datasource node listens: %s", error)
                self._lose()
            except Exception:
                LOG.exception("what policy wants done could not be told")
                self._lose()

    def _talk(self) -> None:
        """Tell what is new, or that there is nothing new."""
        told = self.watch.take() if self._told is not None else None
        if told is not None:
            reply = self._report(told, whole=False)
        else:
            digest = None if self._told is None else [self._number, self._told]
            reply = self._call("beat", digest=digest)
        self._obey(reply)

    def _obey(self, reply: Mapping[str, Any]) -> None:
        if reply["epoch"] != self._epoch:
            self._epoch = reply["epoch"]
            LOG.info("node=%s epoch=%d: a datasource node listens to policy engine nodes", self._name, self._epoch)
        if not reply["lead"]:
            self._lose()
            return
        if not self.leads:
            LOG.info("node=%s epoch=%d leads: its execute rules count", self._name, self._epoch)
            self.leads = True
        if reply["whole"]:
            reply = self._report(self.watch.take_all(), whole=True)
            if not reply["lead"] or reply["whole"]:
                self._lose()
                return
        if self.watch.restamp(reply["restamp"]):
            self._wake.set()

    def _lose(self) -> None:
        self._told = None
        self.leads = False
        self.watch.rest()

    def _report(self, told: Told, *, whole: bool) -> Mapping[str, Any]:
        """Send a report in as many parts as it needs; the reply to the last one."""
        self._told = None
        self._number += 1
        parts = list(_cut(told))
        reply: Mapping[str, Any] = {}
        for number, part in enumerate(parts):
            budget = max(0, EXPLAINED - number * PART_ROWS) if whole else PART_ROWS
            report = Report(
                self._number,
                whole,
                number,
                len(parts),
                told.revision,
                {rule_id: self._explained(news, budget) for rule_id, news in part.items()},
                told.gone if number == 0 else (),
            )
            reply = self._call("report", report=encode_report(report))
            if not reply["lead"] or reply["whole"]:
                return reply
        self._told = told.digest
        return reply

    def _explained(self, news: News, budget: int) -> RuleReport:
        engine = self._holder.engine
        added = tuple(
            (row, why(engine, news.table, row) if place < budget else ()) for place, row in enumerate(news.added)
        )
        return RuleReport(news.stamp, news.spec, added, tuple(news.removed))

    def _call(self, method: str, **args: Any) -> Mapping[str, Any]:
        """The answer of the datasource node of the highest epoch that was heard of.

        While one that was replaced serves too, a call reaches either of them: what it says counts for nothing.
        """
        common = {"pe": self._name, "boot": self._boot, "revision": self._holder.progress.revision}
        for _ in range(CALLS):
            reply: Mapping[str, Any] = self._control.call("dsd", method, common | args, CALL_TIMEOUT)
            if reply["epoch"] >= self._epoch:
                return reply
        raise CongressError("unavailable", f"only a datasource node older than epoch {self._epoch} answers")


def why(engine: Engine, table: core.Table, row: Row) -> tuple[str, ...]:
    """Why a row of an execute rule holds, as lines of text; empty if it does not hold any longer."""
    derivation = engine.explain(table, row)
    if derivation is None:
        return ()
    shared = f"{core.Table(table.policy, table.name, 'execute')}"
    return tuple(line.replace(str(table), shared) for line in lines(derivation, WHY_LINES))


def _cut(told: Told) -> Iterator[dict[str, News]]:
    """The news in parts of at most `PART_ROWS` rows; at least one."""
    part: dict[str, News] = {}
    room = PART_ROWS
    for rule_id, news in told.rules.items():
        added, removed = news.added, news.removed
        while True:
            some, added = added[:room], added[room:]
            less, removed = removed[: room - len(some)], removed[room - len(some) :]
            part[rule_id] = News(news.spec, news.stamp, news.table, some, less)
            room -= len(some) + len(less)
            if not added and not removed:
                break
            yield part
            part, room = {}, PART_ROWS
        if room <= 0:
            yield part
            part, room = {}, PART_ROWS
    yield part
