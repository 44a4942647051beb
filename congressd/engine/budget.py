"""Budgets: a rule that joins tables without a common variable can run for ever and fill the memory; it is stopped.

So is a rule that is asked, whatever it joins: anybody who may read may ask anything.
"""

from __future__ import annotations

import time
from collections.abc import Sized
from typing import Final

from congressd.language.core import Rule
from congressd.model.errors import CongressError

#: What the evaluation of one rule may take before it is refused: rows of its head, and seconds.
MOST_ROWS: Final = 3_000_000
MOST_SECONDS: Final = 30.0
#: The same for a rule that is asked, not inserted: while it is worked out no rows can come in.
MOST_ASKED_ROWS: Final = 500_000
MOST_ASKED_SECONDS: Final = 10.0

#: Steps between two looks at rows and clock.
STEPS: Final = 4096


def is_asked(rule: Rule) -> bool:
    """Whether a rule is a query, which nobody inserted."""
    return rule.head.table.modal == "query"


class RuleTooLargeError(CongressError):
    """The evaluation of ``rule`` was stopped."""

    def __init__(self, rule: Rule, why: str) -> None:
        self.rule = rule
        text = " ".join((rule.text or str(rule)).split())
        if is_asked(rule):
            text, advice = "the query is too large:", "narrow it by constants, or have it inserted as a rule"
        else:
            text += " joins tables that share no variable, and"
            advice = "give them a common variable, or narrow them by constants"
        super().__init__("rule_too_large", f"{text} {why}; {advice}")


class Budget:
    """Counts the steps of one evaluation; call `spend` at each."""

    __slots__ = ("_deadline", "_left", "_rows", "_rule", "_seconds")

    def __init__(self, rule: Rule) -> None:
        asked = is_asked(rule)
        self._rule = rule
        self._rows = MOST_ASKED_ROWS if asked else MOST_ROWS
        self._seconds = MOST_ASKED_SECONDS if asked else MOST_SECONDS
        self._left = STEPS
        self._deadline = time.monotonic() + self._seconds

    def spend(self, out: Sized) -> None:
        """Raises RuleTooLargeError once the budget is used up."""
        self._left -= 1
        if self._left > 0 and len(out) <= self._rows:
            return
        self._left = STEPS
        if len(out) > self._rows:
            raise RuleTooLargeError(self._rule, f"it has more than {self._rows:,} rows")
        if time.monotonic() > self._deadline:
            raise RuleTooLargeError(self._rule, f"it was not done after {self._seconds:.0f} seconds")
