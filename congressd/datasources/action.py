"""What it takes to act: what a driver or service is given, and how it says what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

from congressd.model.actions import ActionInfo
from congressd.model.values import Row


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """One call of an action, whose arguments were checked.

    ``activation`` is the id of the activation, the same for all its attempts: to be handed on as idempotency key where
    the system takes one. ``deadline``: monotonic seconds at which nobody waits any longer.
    """

    action: str
    args: Row
    activation: str = ""
    deadline: float = float("inf")

    @property
    def seconds(self) -> float:
        """How long whatever is waited for may still take; at least a moment, so that it can be handed on."""
        return max(0.001, min(self.deadline - time.monotonic(), 86400.0))

    def arg(self, position: int, default: Any = None) -> Any:
        """An argument that may have been left out."""
        return self.args[position] if position < len(self.args) else default


class ActionError(Exception):
    """The action failed; the text is a sentence for the log.

    ``acted`` is true if it may have been done all the same: nobody answered in time, or the answer got lost.
    """

    def __init__(self, sentence: str, *, acted: bool = False) -> None:
        super().__init__(sentence)
        self.acted = acted


class Actor(Protocol):
    """What can act: a driver, or a built-in service."""

    def actions(self) -> tuple[ActionInfo, ...]:
        """What it can do."""

    def act(self, request: ActionRequest) -> Any:
        """Do it; what came of it, as JSON, for the log. May be called by many threads at once. Raises ActionError."""
