"""The agents where systemd holds the daemon: a systemctl that keeps a daemon as the real one would, and its faults."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.ocf.conftest import MakeRig
from tests.ocf.rig import Rig, lives, wait_for

OK, GENERIC, ARGS, INSTALLED, NOT_RUNNING = 0, 1, 2, 5, 7

#: What the real one is asked for, and in its words. `broken` makes it fail as when systemd's bus does not answer.
SYSTEMCTL = r"""#!/bin/sh
NODE=
verb=$1
for unit; do :; done
echo "$verb $unit" >>"$NODE/calls"
[ ! -e "$NODE/broken" ] || { echo "Failed to get properties: Connection timed out"; exit 1; }
state=$NODE/$unit.state
pid=$(cat "$NODE"/run/*.pid 2>/dev/null)
case $verb in
show) cat "$state" 2>/dev/null || printf 'LoadState=not-found\nActiveState=inactive\n' ;;
start)
    [ ! -e "$NODE/refuses" ] || { cat "$NODE/refuses"; exit 1; }
    mkdir -p "$NODE/run"
    export RUNTIME_DIRECTORY="$NODE/run"
    setsid "$NODE/bin/congressd" dsd --config-file "$NODE/congressd.conf" >"$NODE/said" 2>&1 &
    printf 'LoadState=loaded\nActiveState=active\nSubState=running\n' >"$state" ;;
reload)
    [ ! -e "$NODE/refuses" ] || { cat "$NODE/refuses"; exit 1; }
    kill -HUP "$pid" ;;
stop | kill)
    # Of a node that is shut down: the job waits for that of Pacemaker, and whoever asked is given up.
    case "$*" in stop*ignore-dependencies*|kill*) ;; *) [ ! -e "$NODE/shuts-down" ] || exit 124 ;; esac
    [ -z "$pid" ] || kill -9 "$pid"
    rm -f "$NODE"/run/*
    printf 'LoadState=loaded\nActiveState=inactive\n' >"$state" ;;
esac
"""


@pytest.fixture
def node(make: MakeRig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A node whose DSD systemd holds, not started."""
    rig = make("dsd", supervisor="systemd")
    program = rig.directory / "path" / "systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL.replace("NODE=", f"NODE={rig.directory}"), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return rig


def _write(node: Rig, name: str, text: str = "") -> Path:
    path = node.directory / name
    path.write_text(text, encoding="utf-8")
    return path


def _calls(node: Rig) -> list[str]:
    return (node.directory / "calls").read_text(encoding="utf-8").splitlines()


def test_a_life(node: Rig) -> None:
    assert node.call("monitor", probe=True) == (NOT_RUNNING, "")
    assert node.call("start") == (OK, "")
    assert node.call("monitor") == (OK, "")
    pid = node.pid()
    assert node.call("stop") == (OK, "")
    wait_for(lambda: not lives(pid), "the death of the daemon")
    assert node.call("monitor").code == NOT_RUNNING
    assert node.call("stop") == (OK, "")
    assert "start congress-dsd.service" in _calls(node)


def test_a_reload_is_systemds(node: Rig) -> None:
    node.call("start")
    assert node.call("reload", max_work_age="20") == (OK, "")
    wait_for(lambda: node.run_file("reloads").exists(), "a reload")
    _write(node, "refuses", "Job type reload is not applicable")
    code, reason = node.call("reload")
    assert (code, "is not applicable" in reason) == (GENERIC, True)


def test_a_reload_for_another_unit_asks_for_a_restart(node: Rig) -> None:
    node.call("start")
    code, reason = node.call("reload", layout="promotable")
    assert (code, "restarted" in reason) == (GENERIC, True)
    assert not node.run_file("reloads").exists()


def test_a_stop_proves_nothing_while_systemd_does_not_answer(node: Rig) -> None:
    node.call("start")
    broken = _write(node, "broken")
    code, reason = node.call("stop", seconds=2)
    assert code == GENERIC
    assert "Connection timed out" in reason
    assert lives(node.pid())
    broken.unlink()
    assert node.call("stop") == (OK, "")


def test_a_systemd_that_does_not_answer_is_no_proof_that_nothing_runs(node: Rig) -> None:
    _write(node, "broken")
    code, reason = node.call("monitor")
    assert code == GENERIC
    assert "Connection timed out" in reason


def test_a_start_that_systemd_refuses_is_told_in_its_words(node: Rig) -> None:
    _write(node, "refuses", "Job for congress-dsd.service failed because a timeout was exceeded.")
    code, reason = node.call("start")
    assert code == GENERIC
    assert "a timeout was exceeded" in reason


def test_a_unit_that_failed_is_an_error_and_not_a_clean_end(node: Rig) -> None:
    node.call("start")
    os.kill(node.pid(), signal.SIGKILL)
    node.run_file("sock").unlink()
    _write(node, "congress-dsd.service.state", "LoadState=loaded\nActiveState=failed\nResult=watchdog\n")
    assert node.call("monitor") == (GENERIC, "congress-dsd.service failed: watchdog")
    assert node.call("monitor", probe=True) == (NOT_RUNNING, "")


def test_a_stop_with_a_layout_that_nobody_knows_ends_both_units(node: Rig) -> None:
    node.call("start")
    assert node.call("start", layout="twins").code == ARGS
    assert node.call("stop", layout="twins") == (OK, "")
    assert {"stop congress-dsd.service", "stop congress-dsd-standby.service"} <= set(_calls(node))


def test_a_node_without_systemd_is_left_for_another_and_not_powered_off(
    node: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node.call("start").code == INSTALLED
    assert node.call("stop") == (OK, "")
    assert node.call("monitor", probe=True) == (NOT_RUNNING, "")


def test_a_stop_does_not_wait_for_the_shutdown_that_waits_for_it(node: Rig) -> None:
    node.call("start")
    _write(node, "shuts-down")
    _write(node, "calls")
    assert node.call("stop") == (OK, "")
    assert "kill" not in (node.directory / "calls").read_text(encoding="utf-8")


def test_a_stop_that_cannot_run_systemctl_just_now_proves_nothing(node: Rig) -> None:
    node.call("start")
    pid = node.pid()
    code, reason = node.call("stop", seconds=2, files=6)
    assert code == GENERIC
    assert "systemctl cannot be run just now: Too many open files" in reason
    assert lives(pid)
    assert node.call("monitor", probe=True, files=6, run_dir="/nowhere").code == GENERIC
    assert node.call("stop") == (OK, "")
    wait_for(lambda: not lives(pid), "the death of the daemon")
