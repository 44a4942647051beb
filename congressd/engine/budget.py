"""Budgets: a rule that joins tables without a common variable can run for ever and fill the memory; it is stopped."""

from __future__ import annotations

import time
from collections.abc import Sized
from typing import Final

from congressd.language.core import Rule
from congressd.model.errors import CongressError

#: What the evaluation of one rule may take before it is refused: rows of its head, and seconds.
MOST_ROWS: Final = 3_000_000
MOST_SECONDS: Final = 30.0

#: Steps between two looks at rows and clock.
STEPS: Final = 4096


class RuleTooLargeError(CongressError):
    """The evaluation of ``rule`` was stopped."""

    def __init__(self, rule: Rule, why: str) -> None:
        self.rule = rule
        super().__init__(
            "rule_too_large",
            f"{' '.join((rule.text or str(rule)).split())} joins tables that share no variable, and {why}; "
            "give them a common variable, or narrow them by constants",
        )


class Budget:
    """Counts the steps of one evaluation; call `spend` at each."""

    __slots__ = ("_deadline", "_left", "_rule")

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._left = STEPS
        self._deadline = time.monotonic() + MOST_SECONDS

    def spend(self, out: Sized) -> None:
        """Raises RuleTooLargeError once the budget is used up."""
        self._left -= 1
        if self._left > 0 and len(out) <= MOST_ROWS:
            return
        self._left = STEPS
        if len(out) > MOST_ROWS:
            raise RuleTooLargeError(self._rule, f"it has more than {MOST_ROWS:,} rows")
        if time.monotonic() > self._deadline:
            raise RuleTooLargeError(self._rule, f"it was not done after {MOST_SECONDS:.0f} seconds")
