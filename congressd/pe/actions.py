"""What people may do with the execution log: look, ask for an action, approve, cancel, settle; all on record."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from congressd.bus.control import Control
from congressd.model.actions import State
from congressd.model.clock import Clock
from congressd.model.errors import CongressError
from congressd.model.values import Row, Value, to_value
from congressd.pe.actions_check import Services, find_action
from congressd.pe.holder import Holder
from congressd.pe.policyset import Image
from congressd.store import activations
from congressd.store.activations import ActivationRecord, Filter, NewActivation, Page, Settled
from congressd.store.database import Database
from congressd.store.records import new_id

STATUS_TIMEOUT: Final = 2.0  #: seconds that the datasource node has to say what it executes
COUNTS_KEPT: Final = 2.0  #: seconds for which the numbers of activations are not asked for again


@dataclass(frozen=True, slots=True)
class Verb:
    """A person's step: from which states to which, and what it is called in the log."""

    before: frozenset[State]
    to: State
    past: str


_WAITING: Final = frozenset({State.PENDING, State.AWAITING})

#: What a person may do with an activation.
VERBS: Final[Mapping[str, Verb]] = {
    "approve": Verb(frozenset({State.AWAITING}), State.PENDING, "approved"),
    "reject": Verb(frozenset({State.AWAITING}), State.CANCELLED, "rejected"),
    "cancel": Verb(_WAITING, State.CANCELLED, "cancelled"),
    "retry": Verb(frozenset({State.FAILED, State.UNKNOWN}), State.PENDING, "tried again"),
}
#: How an activation of which nobody knows whether it was done may be settled.
RESOLUTIONS: Final[Mapping[str, Verb]] = {
    "done": Verb(frozenset({State.UNKNOWN}), State.SUCCEEDED, "resolved as done"),
    "failed": Verb(frozenset({State.UNKNOWN}), State.FAILED, "resolved as failed"),
    "retry": Verb(frozenset({State.UNKNOWN}), State.PENDING, "resolved as to be tried again"),
}


class Actions:
    """The execution log for the API."""

    def __init__(self, database: Database, holder: Holder, services: Services, control: Control, clock: Clock) -> None:
        self._database = database
        self._holder = holder
        self._services = services
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: tuple[float, Mapping[State, int]] | None = None

    # -- reading ----------------------------------------------------------------------------------------------

    def find(self, wanted: Filter, limit: int, following: tuple[float, str] | None) -> Page:
        """A page of the log, newest first."""
        return self._database.read(lambda session: activations.find(session, wanted, limit, following))

    def get(self, activation: str) -> ActivationRecord:
        """One activation. Raises CongressError ``not_found``."""
        return self._database.read(lambda session: activations.get(session, activation))

    def counts(self) -> Mapping[State, int]:
        """How many activations are in each state, not older than `COUNTS_KEPT` seconds; empty if nobody can tell."""
        with self._lock:
            now = time.monotonic()
            if self._counts is None or now - self._counts[0] > COUNTS_KEPT:
                try:
                    found = self._database.read(activations.counts, deadline=1.0)
                except CongressError:
                    return {}
                self._counts = (now, {state: found.get(state, 0) for state in State})
            return self._counts[1]

    def status(self) -> dict[str, Any]:
        """Who leads, and what holds rules back. Raises CongressError ``unavailable`` if nobody executes."""
        status: dict[str, Any] = self._control.call("dsd", "execution", {}, STATUS_TIMEOUT)
        names = {
            rule_id: self._holder.image.policies[policy_id].name
            for policy_id, rules in self._holder.image.rules.items()
            for rule_id in rules
            if rule_id in status["blocked"]
        }
        status["blocked"] = [
            {"rule_id": rule_id, "policy": names.get(rule_id), "reason": reason}
            for rule_id, reason in sorted(status["blocked"].items())
        ]
        return status

    # -- writing ----------------------------------------------------------------------------------------------

    def settle(self, activation: str, verb: str, author: str, resolution: str | None = None) -> ActivationRecord:
        """Do a verb of `VERBS`, or ``resolve`` with one of `RESOLUTIONS`.

        Raises CongressError ``not_found``, ``conflict``.
        """
        step = RESOLUTIONS[resolution] if resolution is not None else VERBS[verb]
        said = Settled(step.past, author, self._clock.now())
        record = self._database.run(lambda session: activations.settle(session, activation, step.before, step.to, said))
        self._control.notify("actions", {"ids": [record.id]})
        return record

    def request(
        self, service: str, action: str, args: Sequence[Any], author: str, key: str | None = None
    ) -> ActivationRecord:
        """Ask for an action, once. With a ``key`` the same request again is the same activation.

        Raises CongressError ``execute_error`` for an action that does not exist, ``execute_action_args_syntax``, and
        ``conflict`` for a key that stands for another request.
        """
        image = self._holder.image
        info = find_action(self._services, service, action, _sources(image), "execute_error")
        values: list[Value] = []
        for position, item in enumerate(args):
            try:
                values.append(to_value(item))
            except ValueError as error:
                raise CongressError("execute_action_args_syntax", f"args.positional[{position}]: {error}") from None
        problem = info.check(values)
        if problem is not None:
            raise CongressError("execute_action_args_syntax", problem)
        now = self._clock.now()
        identity = new_id()
        own = identity if key is None else f"request:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()}"
        new = NewActivation(own, own, service, action, values, {}, requested_by=author, id=identity)
        record = self._database.run(lambda session: activations.request(session, new, now))
        if (record.source, record.action, _row(record.args)) != (service, action, tuple(values)):
            raise CongressError(
                "conflict", f"the Idempotency-Key {str(key)[:80]!r} was used for another request; take a new one"
            )
        self._control.notify("actions", {"ids": [record.id]})
        return record


def _sources(image: Image) -> Mapping[str, Any]:
    return {record.name: record for record in image.sources.values()}


def _row(args: Sequence[Any]) -> Row:
    return tuple(map(to_value, args))
