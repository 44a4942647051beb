"""The table of rooms in docs/develop.md: it has all of them, and nothing imports what stands below it there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "congressd"
PAGE = (PACKAGE.parent / "docs" / "develop.md").read_text(encoding="utf-8")
ROOMS = re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)

#: The agents run with the system's Python, where there is nothing else.
ALONE = {"agent"}


def _imported(room: str) -> Iterator[str]:
    """The rooms that the files of a room import from, wherever in a file."""
    for file in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = [f"{origin}{alias.name}" for alias in node.names]
            yield from (name.split(".")[1] for name in names if name.startswith("congressd."))


def test_the_table_has_every_room_and_no_other() -> None:
    assert sorted(ROOMS) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_none_below_it(room: str) -> None:
    allowed = {room} if room in ALONE else set(ROOMS[: ROOMS.index(room) + 1])
    assert set(_imported(room)) & set(ROOMS) <= allowed
