"""The one layout of policies."""

from __future__ import annotations


def format_text(text: str) -> str:
    """The same program laid out in the one style, comments kept. Raises CongressError "rule_syntax"."""
    raise NotImplementedError
