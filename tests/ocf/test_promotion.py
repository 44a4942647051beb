"""The promotable layout over a real daemon process: roles, and the score by which a node offers itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ocf.conftest import MakeRig
from tests.ocf.rig import DEGRADED, DEGRADED_PROMOTED, GENERIC, NOT_RUNNING, OK, PROMOTED, Rig, lives, wait_for


def test_the_promotable_layout(make: MakeRig) -> None:
    dsd = make("dsd", layout="promotable")
    assert dsd.call("promote").code == NOT_RUNNING
    assert dsd.call("start").code == OK
    assert dsd.call("monitor").code == OK
    assert dsd.call("promote").code == OK
    assert dsd.call("monitor").code == PROMOTED
    assert dsd.call("promote").code == OK
    dsd.faults(status={"failing": ["nova"]})
    assert dsd.call("monitor").code == DEGRADED_PROMOTED
    assert dsd.call("demote").code == OK
    assert dsd.call("monitor").code == DEGRADED
    assert dsd.call("stop").code == OK


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["dead", "hung"])
def test_a_daemon_that_cannot_be_asked_is_demoted_by_its_end(make: MakeRig, fault: signal.Signals) -> None:
    dsd = make("dsd", layout="promotable")
    dsd.call("start")
    dsd.call("promote")
    pid = dsd.pid()
    os.kill(pid, fault)
    if fault is signal.SIGKILL:
        wait_for(lambda: not lives(pid), "the death of the daemon")
    assert dsd.call("demote") == (OK, "")
    assert not lives(pid)
    assert dsd.call("stop").code == OK


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the cluster was told of promotion scores since this was last called."""
    told = tmp_path / "told"
    program = tmp_path / "programs" / "crm_attribute"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{told}\n', encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def read() -> list[str]:
        lines = told.read_text(encoding="ascii").splitlines() if told.exists() else []
        told.unlink(missing_ok=True)
        return [line.split()[-1] for line in lines]

    return read


AWAY = {"state": "starting", "database": False}


def _standby(make: MakeRig, **parameters: str) -> Rig:
    """A node of a cluster with a DSD as a promotable clone's instance, not started."""
    return make("dsd", layout="promotable", crm_feature_set="3.16.1", **parameters)


def test_a_daemon_that_started_without_a_database_offers_itself_when_that_is_there(
    make: MakeRig, scores: Callable[[], list[str]]
) -> None:
    dsd = _standby(make)
    dsd.faults(status=AWAY)
    assert dsd.call("start") == (OK, "")
    assert dsd.call("monitor").code == DEGRADED
    assert dsd.call("monitor", probe=True).code == DEGRADED
    assert scores() == ["--update=-1000"]
    dsd.faults()
    assert dsd.call("monitor") == (OK, "")
    assert scores() == ["--update=100"]
    assert dsd.call("monitor") == (OK, "")
    assert scores() == []


def test_a_promotion_that_fails_for_the_database_is_tried_nowhere_until_that_is_there(
    make: MakeRig, scores: Callable[[], list[str]]
) -> None:
    dsd = _standby(make)
    dsd.call("start")
    assert scores() == ["--update=100"]
    dsd.faults(refuse_activate="the database is away", status={"state": "standby", "database": False})
    code, reason = dsd.call("promote")
    assert code == GENERIC
    assert "the database is away" in reason
    assert scores() == ["--update=-1000"]
    assert dsd.call("demote") == (OK, "")
    assert dsd.call("monitor").code == DEGRADED
    assert scores() == ["--update=-1000"]
    dsd.faults()
    assert dsd.call("monitor") == (OK, "")
    assert scores() == ["--update=100"]
    assert dsd.call("promote") == (OK, "")
    assert scores() == ["--update=1000"]


def test_a_promotion_that_fails_with_a_database_keeps_the_score(make: MakeRig, scores: Callable[[], list[str]]) -> None:
    dsd = _standby(make)
    dsd.call("start")
    dsd.faults(refuse_activate="another epoch is current")
    assert dsd.call("promote").code == GENERIC
    assert scores() == ["--update=100"]


def test_a_database_that_stalls_costs_no_score(make: MakeRig, scores: Callable[[], list[str]]) -> None:
    dsd = _standby(make)
    dsd.call("start")
    dsd.faults(status={"state": "standby", "database": False})
    assert dsd.call("monitor").code == DEGRADED
    assert scores() == ["--update=100"]


def test_a_score_that_the_cluster_may_have_forgotten_is_set_again(
    make: MakeRig, scores: Callable[[], list[str]]
) -> None:
    dsd = _standby(make)
    dsd.call("start")
    dsd.call("monitor", probe=True)  # as after a restart of the cluster on a running daemon
    assert scores() == ["--update=100"] * 2
    mark = dsd.directory / "congress-dsd-1.score"
    os.utime(mark, (time.time() - 61, time.time() - 61))
    dsd.call("monitor")
    dsd.call("monitor")
    assert scores() == ["--update=100"]
    dsd.call("stop")
    assert scores() == ["--delete"]
    assert not mark.exists()


@pytest.mark.parametrize("clustered", [True, False], ids=["in a cluster", "alone"])
def test_an_active_daemon_that_hangs_gives_its_role_up_before_it_is_recovered(
    make: MakeRig, scores: Callable[[], list[str]], clustered: bool
) -> None:
    dsd = make("dsd", layout="promotable", CRM_meta_role="Promoted", crm_feature_set="3.16.1" if clustered else "")
    dsd.call("start")
    dsd.call("promote")
    os.kill(dsd.pid(), signal.SIGSTOP)
    code, reason = dsd.call("monitor")
    assert reason.startswith("hung: ")
    assert code == (DEGRADED_PROMOTED if clustered else GENERIC)
    assert scores() == (["--update=100", "--update=1000", "--delete"] if clustered else [])
    assert dsd.call("stop").code == OK


def test_a_promotion_that_is_refused_fails_with_the_daemons_words(make: MakeRig) -> None:
    dsd = make("dsd", layout="promotable")
    dsd.call("start")
    dsd.faults(refuse="another epoch is current")
    code, reason = dsd.call("promote")
    assert code == GENERIC
    assert "another epoch is current" in reason
