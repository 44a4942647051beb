"""Names for the columns of what is printed: those that the service tells, numbers where it knows none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def names_of(answer: Mapping[str, Any]) -> list[str]:
    """A name for each column of the rows of an answer; columns count from 0, as in the policy language."""
    return [name or str(index) for index, name in enumerate(answer["columns"])]
