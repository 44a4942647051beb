"""The rows of this node's execute rules, each set with exactly the state that it was computed from.

The engine tells of rows while it commits; what it told is *sealed* when the node's step is complete, together with
the revision and positions that the step led to. Only what is sealed is ever told to the datasource node.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from congressd.actions.subject import Digest
from congressd.actions.wanted import CLOCK, Positions, RuleSpec, Stamp
from congressd.engine.engine import Engine
from congressd.engine.program import NOW
from congressd.language import core
from congressd.model.actions import RuleOptions, parse_options
from congressd.model.errors import CongressError
from congressd.model.values import Row
from congressd.pe.actions_check import EXECUTE
from congressd.pe.actions_rests import Rests, rests_of
from congressd.pe.forms import own_table
from congressd.pe.policyset import Image, RuleImage
from congressd.pe.token import Position


@dataclass(slots=True)
class _Watched:
    """One enabled execute rule. ``told`` is the stamp that was told last."""

    spec: RuleSpec
    rests: Rests
    table: core.Table
    rows: dict[Row, None] = field(default_factory=dict)
    told: Stamp | None = None


@dataclass(slots=True)
class News:
    """What is to be told of one rule."""

    spec: RuleSpec
    stamp: Stamp
    table: core.Table
    added: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be told: of these rules, of these that are no more; ``digest`` is that of the whole set after it."""

    revision: int
    rules: Mapping[str, News]
    gone: tuple[str, ...]
    digest: str


class ActionWatch:
    """``before``, ``seal`` and the engine's calls come under the node's turn; all else from any thread."""

    def __init__(self, engine: Engine, woken: Callable[[], None]) -> None:
        """``woken`` is called when there is something to tell."""
        self._engine = engine
        self._woken = woken
        self._stops: dict[core.Table, Callable[[], None]] = {}
        self._buffer: dict[core.Table, dict[Row, bool]] = {}  # rows that came or went in this step
        self._image: Image | None = None
        self._suspended: frozenset[str] = frozenset()  # ids of rules that the engine has stopped
        self._lock = threading.Lock()  # for what follows
        self._rules: dict[str, _Watched] = {}
        self._changed: dict[str, dict[Row, bool]] = {}  # since the last `take`
        self._respecified: set[str] = set()
        self._gone: set[str] = set()
        self._tracking = False
        self._revision = 0
        self._held: Mapping[str, Position] = {}
        self._clock = 0
        self._digest = Digest()

    # -- under the turn -----------------------------------------------------------------------------------------

    def before(self, added: Sequence[core.Rule]) -> None:
        """The engine is about to get these rules: watch the tables of execute rules before they have rows."""
        for rule in added:
            table = rule.head.table
            if (table.modal or "").startswith(f"{EXECUTE} ") and table not in self._stops:
                self._stops[table] = self._engine.watch(table, self._listener(table))

    def seal(self, image: Image, revision: int, held: Mapping[str, Position]) -> None:
        """A step is complete: everything that was told since the last one belongs to this state."""
        if not self._stops and not self._rules and image is self._image:
            return
        buffer, self._buffer = self._buffer, {}
        stop: list[core.Table] = []
        suspended = frozenset(rule.id for rule in self._engine.suspended())
        with self._lock:
            epochs = _epochs(self._held) != _epochs(held)
            self._revision, self._held = revision, held
            if any(rule.rests.clock for rule in self._rules.values()):
                self._clock = self._time()
            if image is not self._image or suspended != self._suspended:
                self._image, self._suspended = image, suspended
                stop = self._follow(image)
            by_table = {rule.table: rule_id for rule_id, rule in self._rules.items()} if buffer else {}
            for table, rows in buffer.items():
                if table in by_table:
                    self._take_rows(by_table[table], rows)
            news = bool(self._changed or self._respecified or self._gone or epochs)
        for table in stop:
            self._stops.pop(table)()
        if news:
            self._woken()

    def _listener(self, table: core.Table) -> Callable[[Sequence[Row], Sequence[Row]], None]:
        def changed(added: Sequence[Row], removed: Sequence[Row]) -> None:
            rows = self._buffer.setdefault(table, {})
            rows.update(dict.fromkeys(removed, False))
            rows.update(dict.fromkeys(added, True))

        return changed

    def _follow(self, image: Image) -> list[core.Table]:
        """Take the rules of another image; the tables that need not be watched any longer."""
        wanted = {
            rule_id: rule
            for rules in image.rules.values()
            for rule_id, rule in rules.items()
            if rule.form.head.modal == EXECUTE and rule.record.enabled
        }
        for rule_id in [rule_id for rule_id in self._rules if rule_id not in wanted]:
            self._digest.remove(rule_id, self._known(rule_id))
            del self._rules[rule_id]
            self._changed.pop(rule_id, None)
            self._respecified.discard(rule_id)
            self._gone.add(rule_id)
        for rule_id, rule in wanted.items():
            rests = rests_of(image, rule, self._suspended)
            spec = _spec(rule, rests)
            known = self._rules.get(rule_id)
            table = own_table(core.Rule(core.Atom(rule.form.head, ()), id=rule_id))
            if known is None:
                self._gone.discard(rule_id)
                self._rules[rule_id] = _Watched(spec, rests, table)
                self._respecified.add(rule_id)
                continue
            if known.table != table:  # it asks for something else now; its old rows go with the old table
                self._take_rows(rule_id, dict.fromkeys(known.rows, False))
            if (known.spec, known.rests, known.table) != (spec, rests, table):
                known.spec, known.rests, known.table = spec, rests, table
                self._respecified.add(rule_id)
        kept = {rule.table for rule in self._rules.values()}
        return [table for table in self._stops if table not in kept]

    def _take_rows(self, rule_id: str, rows: Mapping[Row, bool]) -> None:
        rule = self._rules[rule_id]
        for row, present in rows.items():
            if present == (row in rule.rows):
                continue
            if present:
                rule.rows[row] = None
            else:
                del rule.rows[row]
            if self._tracking:
                changed = self._changed.setdefault(rule_id, {})
                if row in changed:
                    del changed[row]  # it is again as it was told
                else:
                    changed[row] = present

    def _time(self) -> int:
        (row,) = self._engine.query(core.Atom(NOW, (core.Variable("x"),)))
        return int(datetime.strptime(str(row[0]), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())

    # -- for the reporter -----------------------------------------------------------------------------------------

    def take(self) -> Told | None:
        """What is new since the last time, None if nothing is."""
        with self._lock:
            ids = {*self._changed, *self._respecified}
            ids |= {rule_id for rule_id, rule in self._rules.items() if self._moved(rule)}
            if not ids and not self._gone:
                return None
            changed, self._changed = self._changed, {}
            self._respecified = set()
            news = {}
            for rule_id in ids:
                rows = changed.get(rule_id, {})
                each = news[rule_id] = self._news(rule_id)
                each.added = [row for row, present in rows.items() if present]
                each.removed = [row for row, present in rows.items() if not present]
                self._digest.add(rule_id, each.added)
                self._digest.remove(rule_id, each.removed)
            gone, self._gone = tuple(self._gone), set()
            return Told(self._revision, news, gone, self._digest.text)

    def take_all(self) -> Told:
        """Everything; what is new is counted from here."""
        with self._lock:
            self._tracking = True
            self._changed, self._respecified, self._gone = {}, set(), set()
            self._digest = Digest()
            news = {}
            for rule_id, rule in self._rules.items():
                each = news[rule_id] = self._news(rule_id)
                each.added = list(rule.rows)
                self._digest.add(rule_id, each.added)
            return Told(self._revision, news, (), self._digest.text)

    def rest(self) -> None:
        """Nobody listens: do not keep what is new."""
        with self._lock:
            self._tracking = False
            self._changed, self._respecified, self._gone = {}, set(), set()

    def restamp(self, rule_ids: Iterable[str]) -> bool:
        """The state of these rules' rows is asked for; whether it is another one than was told."""
        with self._lock:
            ids = {each for each in rule_ids if each in self._rules and self._stamp(each) != self._rules[each].told}
            self._respecified |= ids
            return bool(ids)

    @property
    def digest(self) -> str:
        """The digest of all that was told."""
        with self._lock:
            return self._digest.text

    def _news(self, rule_id: str) -> News:
        rule = self._rules[rule_id]
        rule.told = self._stamp(rule_id)
        return News(replace(rule.spec, base=self._base(rule)), rule.told, rule.table)

    def _stamp(self, rule_id: str) -> Stamp:
        rests = self._rules[rule_id].rests
        sources: dict[str, tuple[int, int, int] | None] = {
            name: (at.epoch, at.sequence, at.push) if (at := self._held.get(name)) else None for name in rests.tables
        }
        if rests.clock:
            sources[CLOCK] = (0, self._clock, 0)
        return Stamp(self._revision, sources)

    def _moved(self, rule: _Watched) -> bool:
        """Whether a source of the rule is in another epoch than was told."""
        told: Positions = rule.told.sources if rule.told else {}
        for name in rule.rests.tables:
            before, after = told.get(name), self._held.get(name)
            if (before[0] if before else None) != (after.epoch if after else None):
                return True
        return False

    def _base(self, rule: _Watched) -> int:
        count = self._engine.count
        tables = (core.Table(source, name) for source, names in rule.rests.tables.items() for name in names)
        return max(map(count, tables), default=0)

    def _known(self, rule_id: str) -> list[Row]:
        """The rows of a rule as they were told."""
        changed = self._changed.get(rule_id, {})
        held = [row for row in self._rules[rule_id].rows if not changed.get(row, False)]
        return held + [row for row, present in changed.items() if not present]


def _spec(rule: RuleImage, rests: Rests) -> RuleSpec:
    try:
        options = parse_options(rule.record.options)
    except CongressError:  # a later version of congressd wrote them: a person shall look before anything is done
        options = RuleOptions(approval=True)
    head = rule.form.head
    return RuleSpec(
        rule.record.id,
        rule.policy,
        head.policy,
        head.name,
        " ".join(rule.record.rule.split()),
        options,
        {name: tuple(sorted(tables)) for name, tables in rests.tables.items()},
        runs=bool(rule.runs) and not rests.waits,
    )


def _epochs(held: Mapping[str, Position]) -> dict[str, int]:
    return {name: position.epoch for name, position in held.items()}
