"""Failures of builtins on rows: counted and kept by rule, so that no rule is wrong in silence."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from congressd.engine.program import Node
from congressd.language.core import Call, Rule
from congressd.model.values import Value, literal

KEPT: Final = 10


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: the builtin, the values that it was given, and why it could not take them."""

    builtin: str
    inputs: tuple[Value, ...]
    reason: str

    def __str__(self) -> str:
        return f"builtin:{self.builtin}({', '.join(map(literal, self.inputs))}): {self.reason}"


@dataclass(frozen=True, slots=True)
class RuleFailures:
    """The failures of one rule: how often one was met since ``since`` (seconds since 1970), and the last few.

    A row on which a builtin fails is met whenever it is evaluated: with the clock again and again.
    """

    rule: Rule
    count: int
    last: tuple[Failure, ...]
    since: float


class Failures:
    """Collects failures as compiled rules report them."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._since: dict[Rule, float] = {}
        self._counts: dict[Rule, int] = {}
        self._last: dict[Rule, deque[Failure]] = {}

    def report(self, node: Node, position: int, error: Exception, inputs: tuple[Any, ...], sign: int) -> None:
        """Take one failure; those met while rows are taken away again were counted when they came."""
        if sign < 0:
            return
        rule = node.origin
        item = node.rule.body[position]
        assert isinstance(item, Call)
        self._counts[rule] = self._counts.get(rule, 0) + 1
        if rule not in self._since:
            self._since[rule] = self._now()
        self._last.setdefault(rule, deque(maxlen=KEPT)).append(Failure(item.builtin, inputs, str(error)))

    def forget(self, rule: Rule) -> None:
        """Drop what was collected for a rule that is gone."""
        self._counts.pop(rule, None)
        self._since.pop(rule, None)
        self._last.pop(rule, None)

    def all(self) -> list[RuleFailures]:
        """By rule, most failures first."""
        counts = sorted(self._counts.items(), key=lambda item: -item[1])
        return [RuleFailures(rule, count, tuple(self._last[rule]), self._since[rule]) for rule, count in counts]
