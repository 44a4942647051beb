"""Changes that clients ask for: checked at a revision, committed on top of exactly it, and applied before the answer.

If another node commits first, this one catches up from the log and checks again: what was right then may be wrong now.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from congressd.bus.control import Control
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.pe.actions_check import EXECUTE
from congressd.pe.follower import Follower
from congressd.pe.holder import Checked, Holder
from congressd.pe.policyset import Image
from congressd.store import policies
from congressd.store.changes import Change, RuleCreated, RuleUpdated
from congressd.store.database import Database

DEADLINE: Final = 20.0  #: seconds that a change may take with all its retries

#: Makes the changes that a client asked for of the image that they will stand on; may be called several times.
Build = Callable[[Image], Sequence[Change]]


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks for a change. ``may_act``: whether rules that ask for actions may be among it."""

    name: str
    may_act: bool = True


class Writer:
    """One at a time in this node; any number of nodes against each other."""

    def __init__(
        self,
        database: Database,
        holder: Holder,
        follower: Follower,
        control: Control,
        clock: Clock,
        changed: Callable[[], None],
        learn: Callable[[Collection[str]], object],
    ) -> None:
        """``changed`` is called after every revision that was made here, before the answer.

        ``learn`` tries for a moment to get the schemas of sources, so that rules are checked against them.
        """
        self._changed = changed
        self._learn = learn
        self._database = database
        self._holder = holder
        self._follower = follower
        self._control = control
        self._clock = clock
        self._one = threading.Lock()

    def commit(self, build: Build, author: Author) -> Image:
        """Carry out what ``build`` makes, all or nothing; the image in which it is done.

        Raises CongressError: what the checks say, ``forbidden`` for a rule that asks for actions, which not everybody
        may make or change, ``unavailable`` if the database does not answer in time or other
        nodes always come first.
        """
        deadline = self._clock.monotonic() + DEADLINE
        if not self._one.acquire(timeout=DEADLINE):
            raise _too_busy()
        try:
            learned = False
            while True:
                checked = self._holder.check(build)
                if checked.plan.unknown and not learned:
                    learned = True
                    self._learn(checked.plan.unknown)
                    continue
                changes = checked.changes
                if not changes:
                    return checked.base
                if not author.may_act:
                    _refuse_actions(checked)
                try:
                    revision = self._write(
                        checked.base.revision, changes, author.name, deadline - self._clock.monotonic()
                    )
                except CongressError as error:
                    if error.code.name != "revision_conflict":
                        raise
                    if self._clock.monotonic() >= deadline:
                        raise _too_busy() from error
                    self._follower.catch_up()
                    continue
                self._holder.adopt(changes, revision, checked)
                self._changed()
                self._control.notify("revision", {"revision": revision})
                return self._holder.image
        finally:
            self._one.release()

    def _write(self, expected: int, changes: Sequence[Change], author: str, timeout: float) -> int:
        now = self._clock.now()
        return self._database.run(
            lambda session: policies.commit(session, expected, changes, author, now), max(timeout, 1.0)
        )


def _refuse_actions(checked: Checked) -> None:
    for change in checked.changes:
        if isinstance(change, RuleCreated | RuleUpdated):
            rule = checked.plan.image.rule((change.record.policy_id, change.record.id))
            if rule is not None and rule.form.head.modal == EXECUTE:
                text = " ".join(change.record.rule.split())[:200]
                raise CongressError(
                    "forbidden", f"the rule {text!r} asks for actions; to make or change it takes the role 'operator'"
                )


def _too_busy() -> CongressError:
    return CongressError("unavailable", f"the change could not be made within {DEADLINE:g} s; try again")
