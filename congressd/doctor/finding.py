"""What the doctor says: findings, and the two ways in which a probe may bring no facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad a finding is, the least first."""

    NOT_HERE = "not here"  #: does not apply to this node
    OK = "ok"
    WARNING = "warning"  #: works, and will not for long or not with the next fault
    PROBLEM = "problem"  #: does not work as it should, now


@dataclass(frozen=True, slots=True)
class Finding:
    """A fact and, unless all is well, the sentence that says ``what to do``, with the command."""

    level: Level
    fact: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """The finding as JSON."""
        return {"level": self.level.value, "fact": self.fact, "do": self.advice}


class NotHere(Exception):  # noqa: N818 (a state of the node)
    """What a probe looks for has no place on this node; the sentence says why."""


class Failed(Exception):  # noqa: N818 (a finding)
    """A probe could not bring its facts, and that is the finding."""

    def __init__(self, fact: str, advice: str, level: Level = Level.PROBLEM) -> None:
        super().__init__(fact)
        self.finding = Finding(level, fact, advice)


def ok(fact: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, fact)


def warning(fact: str, advice: str) -> Finding:
    """It works, and will not for long or not with the next fault."""
    return Finding(Level.WARNING, fact, advice)


def problem(fact: str, advice: str) -> Finding:
    """It does not work as it should."""
    return Finding(Level.PROBLEM, fact, advice)


def not_here(fact: str) -> Finding:
    """It does not apply."""
    return Finding(Level.NOT_HERE, fact)


def or_fine(findings: Iterable[Finding], fact: str) -> list[Finding]:
    """The findings; if there are none, that all is well."""
    return list(findings) or [ok(fact)]
