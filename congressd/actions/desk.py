"""Where the datasource node takes what policy engine nodes want: one leader, nothing out of date, nothing too early.

The invariants: rows of a rule are handed on only if the leader computed them from a state that has the current
epoch's rows of every source that the rule rests on, and that is not older than the state of the rows that were
handed on last, whoever computed those. Pure; not for several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from congressd.actions.leader import Leadership, Patience
from congressd.actions.wanted import CLOCK, Difference, Report, RuleSpec, Stamp, WantedRule, WantedSet
from congressd.model.values import Row

#: Which of these tables of a source were not read yet in this epoch; None if nothing of the source was.
Unread: TypeAlias = Callable[[str, Iterable[str]], "tuple[str, ...] | None"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the node is told: whether it leads, whether its whole set is wanted, rules whose state is to be told."""

    lead: bool
    whole: bool = False
    restamp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Rows of a rule to be acted on. ``rows``: all of them, else None and only ``added`` and ``removed`` are told."""

    spec: RuleSpec
    rows: Mapping[Row, tuple[str, ...]] | None
    added: Mapping[Row, tuple[str, ...]] = field(default_factory=dict)
    removed: tuple[Row, ...] = ()


class Desk:
    """``epoch`` is the datasource node's; nothing computed from policies before ``floor`` (a revision) is taken."""

    def __init__(self, epoch: int, floor: int, unread: Unread, patience: Patience | None = None) -> None:
        self.leadership = Leadership(patience)
        self.blocked: dict[str, str] = {}  #: rules whose rows cannot be acted on, and why, as a sentence
        self._epoch = epoch
        self._floor = floor
        self._unread = unread
        self._source: tuple[str, str] | None = None  # whose set is held
        self._set = WantedSet()
        self._taken: dict[str, Stamp] = {}  # the state of the rows that were handed on last
        self._asked: dict[str, object] = {}  # what those rows asked for, and how
        self._changed: dict[str, Difference | None] = {}  # since the last `collect`; None: all rows must be compared

    def take(
        self, name: str, boot: str, revision: int, report: Report | None, digest: tuple[int, str] | None, now: float
    ) -> Reply:
        """A node speaks: with a report, or (None) only to say that it lives.

        ``digest`` is the number of its last report and the digest of its set after it.
        """
        self.leadership.hear(name, boot, revision, now)
        if self.leadership.leader != (name, boot):
            return Reply(lead=False)
        if self._source != (name, boot):
            self._begin((name, boot))
        if report is not None:
            difference = self._set.take(report)
            if difference is None:
                return Reply(lead=True, whole=True)
            self._note(difference, whole=report.whole)
        elif digest is None or digest != (self._set.number, self._set.digest.text):
            return Reply(lead=True, whole=True)
        return Reply(lead=True, restamp=tuple(self.blocked))

    def collect(self) -> list[RuleChange]:
        """What may be acted on now, of what changed since the last time."""
        changed, self._changed = self._changed, {}
        for rule_id in self.blocked:
            changed.setdefault(rule_id, None)
        self.blocked = {}
        out = []
        for rule_id, difference in changed.items():
            rule = self._set.rules.get(rule_id)
            if rule is None:
                continue
            problem = self._problem(rule)
            if problem is not None:
                self.blocked[rule_id] = problem
                continue
            spec = rule.spec
            asks = (spec.service, spec.action, spec.options)
            same = rule_id in self._taken and self._asked.get(rule_id) == asks
            self._taken[rule_id] = rule.stamp
            self._asked[rule_id] = asks
            out.append(_change(rule, difference if same else None))
        return out

    def recheck(self) -> None:
        """Compare all rows of all rules the next time: what was handed on may have been lost."""
        self._changed = dict.fromkeys(self._set.rules)

    def rules(self) -> frozenset[str] | None:
        """All rules that there are; None while that is not known for sure."""
        if self._set.number is None or self._set.revision < self._highest():
            return None
        return frozenset(self._set.rules)

    def _begin(self, source: tuple[str, str]) -> None:
        self._source = source
        self._set = WantedSet()
        self._changed = {}
        self.blocked = {}

    def _note(self, difference: Difference, whole: bool) -> None:
        for rule_id in difference.gone:
            self._changed.pop(rule_id, None)
            self.blocked.pop(rule_id, None)
        for rule_id, (added, removed) in difference.rules.items():
            if whole or rule_id in self.blocked:
                self._changed[rule_id] = None
                continue
            known = self._changed.get(rule_id, _NOTHING)
            if known is not None:  # the rest of it follows below
                before = known.rules.get(rule_id, ((), ()))
                # A row that came and went, or went and came back, needs the order: compare all rows then.
                mixed = bool(before[0] and removed) or bool(before[1] and added)
                both = Difference({rule_id: (before[0] + added, before[1] + removed)})
                self._changed[rule_id] = None if mixed else both

    def _problem(self, rule: WantedRule) -> str | None:
        """Why the rows of a rule cannot be acted on now."""
        if not rule.spec.runs:
            return "the rule, or one below it, waits for the schema of a data source or is suspended"
        if rule.stamp.revision < self._floor:
            return f"the leader has policy revision {rule.stamp.revision}, but {self._floor} is wanted"
        for source, position in rule.stamp.sources.items():
            if source == CLOCK:
                continue
            if position is None or position[0] != self._epoch:
                return f"data source {source} has delivered nothing in this epoch yet"
            unread = self._unread(source, rule.spec.tables.get(source, ()))
            if unread is None or unread:
                return f"data source {source} could not be read yet: {', '.join(unread or ())}"
        taken = self._taken.get(rule.spec.id)
        if taken is not None and rule.stamp.is_older(taken):
            return "the leader lags behind the one before it"
        return None

    def _highest(self) -> int:
        return max([self._floor, *(stamp.revision for stamp in self._taken.values())])


_NOTHING = Difference({})


def _change(rule: WantedRule, difference: Difference | None) -> RuleChange:
    if difference is None:
        return RuleChange(rule.spec, dict(rule.rows))
    added, removed = difference.rules[rule.spec.id]
    return RuleChange(rule.spec, None, {row: rule.rows[row] for row in added if row in rule.rows}, removed)
