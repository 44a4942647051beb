"""The store's tests on SQLite files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.store.fixtures import connect, database

__all__ = ["connect", "database", "url"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of its own for every test."""
    return f"sqlite:///{tmp_path}/congressd.db"
