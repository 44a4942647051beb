"""A whole service in this process, and two worlds that record every call: an HTTP server and a driver."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.actions.target import Target
from tests.unit.actions.world import World
from tests.unit.rig import DRIVERS, Rig

DRIVERS.setdefault("world", World)


@pytest.fixture
def rig(tmp_path: Path, world: type[World]) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        rig.post("/v1/data-sources", {"name": "world", "driver": "world"})
        rig.push_source("inv", {"bad": ["id"], "ok": ["id"]})
        yield rig


@pytest.fixture
def world() -> Iterator[type[World]]:
    World.calls = []
    World.release = threading.Event()
    yield World
    World.release.set()


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as target:
        yield target
