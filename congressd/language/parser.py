"""Text to surface tree: a recursive-descent parser whose errors say what was found and what could stand there."""

from __future__ import annotations

from congressd.language.syntax import Atom, Program, Rule


def parse_program(text: str, code: str = "rule_syntax") -> Program:
    """All statements of ``text``, perhaps none. Raises CongressError ``code`` with a `SyntaxProblem` as its data."""
    raise NotImplementedError


def parse_rule(text: str, code: str = "rule_syntax") -> Rule:
    """The one rule or fact that ``text`` holds. Raises CongressError ``code``, or "multiple_rules"."""
    raise NotImplementedError


def parse_atom(text: str, code: str = "query_syntax") -> Atom:
    """The one atom that ``text`` holds, such as ``error("vm-1", x)``. Raises CongressError ``code``."""
    raise NotImplementedError


def parse_query(text: str, code: str = "query_syntax") -> Atom | Rule:
    """The one atom or rule that ``text`` holds. Raises CongressError ``code``."""
    raise NotImplementedError


def parse_sequence(text: str, code: str = "simulate_error") -> tuple[Rule, ...]:
    """The steps of a simulation, COMPAT's "sequence", in order. Raises CongressError ``code``."""
    raise NotImplementedError
