"""The one place where this node's state changes: the image of policies and the engine, in step.

Every step is taken under the *turn*, so that the image, the engine and the progress always fit together; nothing here
waits for the database or the bus. Rows come before the rules that a new schema makes active, and rules go before rows
whose columns change, so that no rule ever runs over rows of another shape than it was made for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from congressd.engine.engine import Engine
from congressd.language import core
from congressd.model.clock import Clock
from congressd.model.tables import Batch, TableSchema
from congressd.pe.actions_check import Services
from congressd.pe.book import PolicyBook
from congressd.pe.policyset import Image, Plan
from congressd.pe.progress import Progress
from congressd.pe.token import Position
from congressd.store import changes as kinds
from congressd.store.changes import (
    Change,
    PolicyCreated,
    RuleCreated,
    Snapshot,
    SourceCreated,
    SourceUpdated,
)
from congressd.store.records import SourceRecord

LOG = logging.getLogger(__name__)

#: What a source's configuration tells of its tables; None if only its rows can tell.
KnownTables = Callable[[SourceRecord], Sequence[TableSchema] | None]


class Observer(Protocol):
    """Who is told of every step, under the turn."""

    def before(self, added: Sequence[core.Rule]) -> None:
        """The engine is about to get these rules."""

    def seal(self, image: Image, revision: int, held: Mapping[str, Position]) -> None:
        """A step is complete: everything that changed since the last one belongs to this state."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Changes that may be made of the image ``base``, and the step that they make."""

    base: Image
    changes: Sequence[Change]
    plan: Plan


class Holder:
    """Image, engine and progress of one node. All methods are thread-safe; `image` may be read at any time."""

    def __init__(
        self, engine: Engine, clock: Clock, known_tables: KnownTables, services: Services | None = None
    ) -> None:
        """``services`` are those that execute rules may ask to act; None if that is not looked at."""
        self.engine = engine
        self.observer: Observer | None = None  #: is told of every step
        self.progress = Progress(clock)
        self.fetched_at: dict[str, float] = {}  #: when each source's rows were read, seconds since 1970
        self._known_tables = known_tables
        self._book = PolicyBook(services)
        self._turn = threading.RLock()
        self._declared: dict[str, Sequence[TableSchema]] = {}
        self._wanted: frozenset[str] = frozenset()
        self._loaded = False

    @property
    def image(self) -> Image:
        """The policies, rules and sources that answers come from."""
        return self._book.image

    @property
    def loaded(self) -> bool:
        """Whether a revision of the database is held at all."""
        return self._loaded

    # -- policies ---------------------------------------------------------------------------------------------

    def check(self, build: Callable[[Image], Sequence[Change]]) -> Checked:
        """The changes that ``build`` makes of the current image, checked. Raises what `PolicyBook.plan` does."""
        with self._turn:
            image = self._book.image
            changes = build(image)
            return Checked(image, changes, self._book.plan(changes))

    def adopt(self, changes: Sequence[Change], revision: int, checked: Checked | None = None) -> None:
        """Take the committed changes that lead from the revision before to ``revision``; none if it is held already.

        ``checked`` is what `check` made of them; it is used if the image is still the one that they were checked for.
        """
        with self._turn:
            if self._book.image.revision >= revision:
                return
            self.progress.announce_revision(revision)
            if checked is not None and checked.base is self._book.image:
                plan = checked.plan
            else:
                plan = self._book.plan(changes, strict=False)
            self._step(plan, revision)
            for change in changes:
                if isinstance(change, SourceCreated | SourceUpdated):
                    self._learn(change.record)
            self.progress.reach_revision(revision)
            self._seal()

    def load(self, snapshot: Snapshot, before: int) -> None:
        """Take everything at once: at the start, and when the log does not reach back to the revision that is held.

        ``before`` is the revision that was held when that was found out; if it has changed, nothing is done.
        """
        with self._turn:
            image = self._book.image
            if image.revision != before:
                return
            self.progress.announce_revision(snapshot.revision)
            self._step(self._book.plan(_difference(image, snapshot), strict=False), snapshot.revision)
            for record in snapshot.sources.values():
                if record.name not in self._book.image.schemas:
                    self._learn(record)
            self._loaded = True
            self.progress.reach_revision(snapshot.revision)
            self._seal()

    def _step(self, plan: Plan, revision: int | None) -> None:
        """Bring engine and book from the current image to the plan's; all or nothing for the book."""
        gone = self._book.image.source_ids.keys() - plan.image.source_ids.keys()
        self._book.enter(plan)
        try:
            if gone:
                with self.engine.together():
                    self.engine.change_rules(remove=plan.removed)
                    for source in gone:
                        self._drop(source)
                    refused = self._run(plan.added)
            else:
                refused = self._run(plan.added, plan.removed)
        except BaseException:
            self._book.leave(plan)
            raise
        self._adopt(plan, refused, revision)

    def _run(self, add: Sequence[core.Rule], remove: Sequence[core.Rule] = ()) -> Mapping[str, str]:
        """Have the engine take rules in and out; for each that it refuses, by id, why.

        What was committed must be taken, and one rule that fails must not keep the others from being right.
        """
        if not add and not remove:
            return {}
        if self.observer is not None:
            self.observer.before(add)
        try:
            self.engine.change_rules(add=add, remove=remove)
            return {}
        except Exception:
            LOG.exception("rules_added=%d rules_removed=%d: the engine failed; one by one now", len(add), len(remove))
        self.engine.change_rules(remove=remove)
        refused = {}
        for rule in add:
            try:
                self.engine.change_rules(add=[rule])
            except Exception as error:
                LOG.error("rule=%s policy=%s is left out: the engine cannot run it: %s", rule.id, rule.policy, error)
                refused[rule.id] = f"the engine cannot run it ({type(error).__name__}: {error})"
        return refused

    def _adopt(self, plan: Plan, refused: Mapping[str, str], revision: int | None = None) -> None:
        if refused:
            ids = plan.image.policy_ids
            keys = {(ids[rule.policy], rule.id): refused[rule.id] for rule in plan.added if rule.id in refused}
            plan = replace(plan, image=plan.image.without(keys))
        self._book.adopt(plan, revision)

    # -- rows -------------------------------------------------------------------------------------------------

    def take(self, batch: Batch, replace: bool) -> None:
        """Apply a batch of a source: a snapshot replaces all its rows by difference, a delta changes them."""
        with self._turn:
            if batch.source not in self._wanted or batch.source not in self._book.image.source_ids:
                return
            held = self.progress.position(batch.source)
            push = batch.push if batch.push is not None else held.push if held else 0
            position = Position(batch.epoch, batch.sequence, push)
            self.progress.announce(batch.source, position)
            if self._declared.get(batch.source) != batch.schema or batch.source not in self._book.image.schemas:
                self._reshape(batch.source, batch.schema, lambda: self._put(batch, replace))
            else:
                self._put(batch, replace)
            self.fetched_at = {**self.fetched_at, batch.source: batch.fetched_at}
            self.progress.reach(batch.source, position)
            self._seal()

    def want(self, sources: frozenset[str], drop: Iterable[str]) -> None:
        """Take batches of exactly these sources from now on, and let go of the rows of others."""
        with self._turn:
            self._wanted = sources
            for source in drop:
                self._drop(source)
            self._seal()

    def tick(self) -> None:
        """Let time pass for rules that read the clock."""
        with self._turn:
            self.engine.tick()
            self._seal()

    def _seal(self) -> None:
        """A step is complete."""
        if self.observer is not None:
            self.observer.seal(self._book.image, self.progress.revision, self.progress.held())

    def _put(self, batch: Batch, replace: bool) -> None:
        if replace:
            rows = {schema.name: () for schema in batch.schema} | {
                name: change.added for name, change in batch.tables.items()
            }
            self.engine.replace(batch.source, rows)
        else:
            self.engine.apply(batch.source, batch.tables)

    def _drop(self, source: str) -> None:
        self.engine.drop_source(source)
        self._declared.pop(source, None)
        self.fetched_at = {name: at for name, at in self.fetched_at.items() if name != source}
        self.progress.forget(source)

    # -- schemas ----------------------------------------------------------------------------------------------

    def _learn(self, record: SourceRecord) -> None:
        """Take the tables that a source's configuration declares, before any row comes."""
        tables = self._known_tables(record)
        if tables is not None and self._declared.get(record.name) != tuple(tables):
            self._reshape(record.name, tuple(tables), lambda: None)

    def _reshape(self, source: str, schema: Sequence[TableSchema], put: Callable[[], None]) -> None:
        """Give a source another schema; ``put`` puts the rows that have it."""
        tables = {each.name: each for each in schema}
        plan = self._book.plan_schema(source, tables)
        self._book.enter(plan)
        try:
            with self.engine.together():
                if plan.removed:
                    self.engine.change_rules(remove=plan.removed)
                self.engine.declare(source, schema)
                put()
                refused = self._run(plan.added)
        except BaseException:
            self._book.leave(plan)
            raise
        self._adopt(plan, refused)
        self._declared[source] = schema
        LOG.log(
            logging.INFO if plan.removed else logging.DEBUG,  # at the start every source has one
            "source=%s tables=%d rules_added=%d rules_removed=%d: took a schema",
            source,
            len(tables),
            len(plan.added),
            len(plan.removed),
        )


def _difference(image: Image, snapshot: Snapshot) -> list[Change]:
    """The changes that make an image what a snapshot says; what stays the same is not touched."""
    out: list[Change] = []
    known = {rule.record.id: rule.record for rules in image.rules.values() for rule in rules.values()}
    out += [kinds.SourceDeleted(record) for key, record in image.sources.items() if key not in snapshot.sources]
    out += [kinds.PolicyDeleted(record) for key, record in image.policies.items() if key not in snapshot.policies]
    for source in snapshot.sources.values():
        if image.sources.get(source.id) != source:
            out.append(kinds.SourceUpdated(source) if source.id in image.sources else SourceCreated(source))
    for policy in snapshot.policies.values():
        if image.policies.get(policy.id) != policy:
            out.append(kinds.PolicyUpdated(policy) if policy.id in image.policies else PolicyCreated(policy))
    for record in known.values():
        if record.id not in snapshot.rules and record.policy_id in snapshot.policies:
            out.append(kinds.RuleDeleted(record))
    for record in snapshot.rules.values():
        if known.get(record.id) != record:
            out.append(kinds.RuleUpdated(record) if record.id in known else RuleCreated(record))
    return out
