"""A whole service in this process, and a target that records every call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.actions.target import Target
from tests.unit.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as target:
        yield target
