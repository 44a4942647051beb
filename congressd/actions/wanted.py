"""What a policy engine node says it wants done: the messages, and the set that they add up to. Pure.

A set is the rows of every execute rule, each with the state that it was computed from. Messages are numbered; what
does not follow is refused, and the whole set asked for. A message may come in several parts, and counts when all of
them are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from congressd.actions.subject import Digest
from congressd.model.actions import RuleOptions, options_document, parse_options
from congressd.model.values import Row

#: How far each source was read: epoch, sequence and number of the last push; None if no row of it is held.
Positions: TypeAlias = Mapping[str, "tuple[int, int, int] | None"]

#: What reads the clock rests on this pseudo-source, whose sequence is the time in whole seconds.
CLOCK = "builtin:now"


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One execute rule: where it stands, whom it asks to do what, and which tables of which sources it rests on.

    ``base`` is the number of rows of the largest of those tables; ``runs``: neither it nor a rule below it waits.
    """

    id: str
    policy: str
    service: str
    action: str
    text: str
    options: RuleOptions = field(default_factory=RuleOptions)
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    base: int = 0
    runs: bool = True


@dataclass(frozen=True, slots=True)
class Stamp:
    """The state that the rows of a rule were computed from: policy revision, and how far each source was read."""

    revision: int
    sources: Positions

    def is_older(self, other: Stamp) -> bool:
        """Whether this state lacks something of ``other``'s: then rows computed from it may be out of date."""
        if self.revision < other.revision:
            return True
        for name, position in other.sources.items():
            if position is None:
                continue
            if name not in self.sources:
                if self.revision == other.revision:
                    return True
                continue  # the rules have changed since, and read it no longer
            mine = self.sources[name]
            if mine is None or mine[:2] < position[:2] or mine[2] < position[2]:
                return True
        return False


@dataclass(slots=True)
class WantedRule:
    """A rule with its rows; each row with why it holds, as lines of text (empty if that was not told)."""

    spec: RuleSpec
    stamp: Stamp
    rows: dict[Row, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What one message says of one rule. ``spec`` is None if it is as it was; ``added`` are rows with why they hold."""

    stamp: Stamp
    spec: RuleSpec | None = None
    added: tuple[tuple[Row, tuple[str, ...]], ...] = ()
    removed: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One message, or one part of it. ``whole``: rules that are not in it do not exist; ``gone``: rules that ended."""

    number: int
    whole: bool = False
    part: int = 0
    parts: int = 1
    revision: int = 0
    rules: Mapping[str, RuleReport] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What a report changed. ``rules``: the rows added and removed by rule; ``gone``: rules that ended."""

    rules: Mapping[str, tuple[tuple[Row, ...], tuple[Row, ...]]]
    gone: tuple[str, ...] = ()


class WantedSet:
    """The set of one life of one node. ``number`` is that of the last message that counted, None before the first."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.revision = 0
        self.rules: dict[str, WantedRule] = {}
        self.digest = Digest()
        self._parts: list[Report] = []

    def take(self, report: Report) -> Difference | None:
        """Take a message; what it changed. None if it does not follow: the whole set must be sent.

        A part that is not the last changes nothing yet.
        """
        if report.part != len(self._parts) or (self._parts and report.number != self._parts[0].number):
            self._parts = []
            if report.part:
                return None
        if not report.whole and (self.number is None or report.number != self.number + 1):
            self._parts = []
            return None
        self._parts.append(report)
        if report.part + 1 < report.parts:
            return Difference({})
        parts, self._parts = self._parts, []
        self.number = report.number
        self.revision = report.revision
        return self._replace(parts) if report.whole else self._change(parts)

    def _replace(self, parts: list[Report]) -> Difference:
        before, self.rules = self.rules, {}
        self.digest = Digest()
        for part in parts:
            for rule_id, each in part.rules.items():
                self._add(rule_id, each)
        everything = {rule_id: (tuple(rule.rows), ()) for rule_id, rule in self.rules.items()}
        return Difference(everything, tuple(rule_id for rule_id in before if rule_id not in self.rules))

    def _change(self, parts: list[Report]) -> Difference:
        changed: dict[str, tuple[list[Row], list[Row]]] = {}
        gone: list[str] = []
        for part in parts:
            for rule_id in part.gone:
                if (rule := self.rules.pop(rule_id, None)) is not None:
                    self.digest.remove(rule_id, rule.rows)
                gone.append(rule_id)
            for rule_id, each in part.rules.items():
                self._add(rule_id, each)
                added, removed = changed.setdefault(rule_id, ([], []))
                added += [row for row, _ in each.added]
                removed += each.removed
        return Difference({rule_id: (tuple(a), tuple(r)) for rule_id, (a, r) in changed.items()}, tuple(gone))

    def _add(self, rule_id: str, report: RuleReport) -> None:
        rule = self.rules.get(rule_id)
        if rule is None:
            if report.spec is None:
                return  # nothing can be done for a rule that was never told; the digest will find it
            rule = self.rules[rule_id] = WantedRule(report.spec, report.stamp)
        rule.stamp = report.stamp
        if report.spec is not None:
            rule.spec = report.spec
        removed = [row for row in report.removed if row in rule.rows]
        self.digest.remove(rule_id, removed)
        for row in removed:
            del rule.rows[row]
        self.digest.add(rule_id, [row for row, _ in report.added if row not in rule.rows])
        rule.rows.update(report.added)


# -- as it crosses the bus ---------------------------------------------------------------------------------------


def encode_report(report: Report) -> dict[str, Any]:
    """A report made of dicts, lists, tuples and values only."""
    return {
        "number": report.number,
        "whole": report.whole,
        "part": report.part,
        "parts": report.parts,
        "revision": report.revision,
        "gone": list(report.gone),
        "rules": {
            rule_id: {
                "revision": each.stamp.revision,
                "sources": {name: None if at is None else list(at) for name, at in each.stamp.sources.items()},
                "spec": None if each.spec is None else _encode_spec(each.spec),
                "added": [[row, list(why)] for row, why in each.added],
                "removed": list(each.removed),
            }
            for rule_id, each in report.rules.items()
        },
    }


def decode_report(item: Mapping[str, Any]) -> Report:
    """What `encode_report` made. Raises KeyError, TypeError or ValueError for anything else."""
    rules = {}
    for rule_id, each in item["rules"].items():
        sources = {name: None if at is None else (at[0], at[1], at[2]) for name, at in each["sources"].items()}
        rules[rule_id] = RuleReport(
            Stamp(each["revision"], sources),
            None if each["spec"] is None else _decode_spec(rule_id, each["spec"]),
            tuple((tuple(row), tuple(why)) for row, why in each["added"]),
            tuple(tuple(row) for row in each["removed"]),
        )
    return Report(
        item["number"], item["whole"], item["part"], item["parts"], item["revision"], rules, tuple(item["gone"])
    )


def _encode_spec(spec: RuleSpec) -> dict[str, Any]:
    return {
        "policy": spec.policy,
        "service": spec.service,
        "action": spec.action,
        "text": spec.text,
        "tables": {name: list(tables) for name, tables in spec.tables.items()},
        "base": spec.base,
        "runs": spec.runs,
        "options": options_document(spec.options),
    }


def _decode_spec(rule_id: str, item: Mapping[str, Any]) -> RuleSpec:
    return RuleSpec(
        rule_id,
        item["policy"],
        item["service"],
        item["action"],
        item["text"],
        parse_options(item["options"]),
        {name: tuple(tables) for name, tables in item["tables"].items()},
        item["base"],
        item["runs"],
    )
