"""A house for every test of the datasource node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.dsd.support import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A database and a bus of the test's own; nodes started in it are stopped."""
    house = House(tmp_path)
    yield house
    house.close()
