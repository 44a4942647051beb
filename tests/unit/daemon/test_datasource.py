"""When the process of a datasource node becomes active: by itself, or when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from congressd.config.options import Database as DatabaseOptions
from congressd.config.options import Default, Settings
from congressd.daemon import cluster
from congressd.daemon.datasource import DatasourceDaemon
from congressd.daemon.start import identify
from congressd.model.errors import CongressError
from tests.unit.dsd.support import House
from tests.unit.rig import wait_until


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], DatasourceDaemon]]:
    """Makes the process of a node, not begun; it is ended with the test."""
    house = House(tmp_path)
    monkeypatch.setattr(cluster, "publisher", lambda _settings: house.bus.publisher())
    monkeypatch.setattr(cluster, "control", lambda _settings, _identity: house.bus.control())
    settings = replace(
        Settings(),
        default=replace(Default(), node="db7", run_dir=str(tmp_path)),
        database=replace(DatabaseOptions(), connection=f"sqlite:///{tmp_path}/congressd.db"),
    )
    made: list[DatasourceDaemon] = []

    def make(standby: bool) -> DatasourceDaemon:
        identity = identify(settings, "dsd", "1")
        made.append(DatasourceDaemon(settings, identity, house.database, house.keys, standby=standby))
        return made[-1]

    yield make
    for daemon in made:
        daemon.end()
        daemon._stop()
    house.control.close()


def _begin(daemon: DatasourceDaemon) -> None:
    threading.Thread(target=daemon._begin, daemon=True).start()


def test_one_that_was_told_to_be_active_too_early_becomes_so_by_itself(
    start: Callable[[bool], DatasourceDaemon],
) -> None:
    daemon = start(False)
    with pytest.raises(CongressError, match="not warm yet"):
        daemon.activate()
    _begin(daemon)
    wait_until(lambda: daemon.status().state == "active")


def test_one_that_stands_by_is_active_only_when_it_is_told(start: Callable[[bool], DatasourceDaemon]) -> None:
    daemon = start(True)
    with pytest.raises(CongressError, match="not warm yet"):
        daemon.activate()
    _begin(daemon)
    wait_until(lambda: daemon.status().state == "standby")
    assert not daemon._autonomous
    daemon.activate()
    assert daemon.status().state == "active"


def test_one_that_was_told_to_stand_by_does_not_come_back_by_itself(start: Callable[[bool], DatasourceDaemon]) -> None:
    daemon = start(False)
    daemon.stand_by()
    _begin(daemon)
    wait_until(lambda: daemon.status().state == "standby")
    assert not daemon._autonomous
