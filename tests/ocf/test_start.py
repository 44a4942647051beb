"""A start over a real daemon process: it returns when the daemon works, and clears away whatever was in its place."""

from __future__ import annotations

import os
import signal
import socket

from tests.ocf.conftest import MakeRig
from tests.ocf.rig import GENERIC, OK, Rig, lives, wait_for


def test_a_start_returns_when_the_daemon_works_and_not_before(dsd: Rig) -> None:
    dsd.faults(slow=1.0)
    assert dsd.call("start").code == OK
    assert dsd.call("monitor").code == OK


def test_a_start_of_a_daemon_that_ends_at_once_says_why(dsd: Rig) -> None:
    dsd.faults(fail="[dsd]/lease is 3, less than twice renew_period")
    code, reason = dsd.call("start")
    assert code == GENERIC
    assert "status 3" in reason
    assert "[dsd]/lease is 3" in reason


def test_a_start_that_takes_too_long_fails_before_its_timeout(pe: Rig) -> None:
    pe.faults(deaf=True)
    code, reason = pe.call("start", seconds=2)
    assert code == GENERIC
    assert "did not get to work in time" in reason
    assert pe.call("stop").code == OK


def test_a_start_of_a_daemon_that_ends_in_order_says_why_at_once(dsd: Rig) -> None:
    dsd.faults(slow=0.3, end="cannot listen on 192.0.2.1:1788")
    code, reason = dsd.call("start")
    assert code == GENERIC
    assert "the daemon ended while it started" in reason
    assert "cannot listen on 192.0.2.1:1788" in reason


def test_a_socket_that_a_daemon_left_behind_does_not_hide_the_end_of_the_next(pe: Rig) -> None:
    pe.run_file("sock").parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(pe.run_file("sock")))
    pe.faults(fail="[pe]/bind_port is taken")
    code, reason = pe.call("start")
    assert code == GENERIC
    assert "[pe]/bind_port is taken" in reason


def test_a_start_does_not_leave_a_daemon_behind_that_nothing_leads_to(dsd: Rig) -> None:
    dsd.faults(late=600)
    code, reason = dsd.call("start", seconds=2)
    assert code == GENERIC
    assert f"wrote no {dsd.run_file('pid')} within" in reason
    assert not dsd.processes()
    assert dsd.call("stop") == (OK, "")


def test_a_daemon_without_a_pid_file_yet_is_found_and_ended(make: MakeRig) -> None:
    pe = make("pe")
    pe.faults(late=600)
    child, other = (pe.spawn("--instance", number) for number in ("1", "2"))
    wait_for(lambda: {child.pid, other.pid} <= set(pe.processes()), "two processes that are known by their commands")
    code, reason = pe.call("monitor")
    assert (code, f"process {child.pid} lives without a PID file" in reason) == (GENERIC, True)
    assert pe.call("stop") == (OK, "")
    assert child.wait(5) < 0
    assert other.poll() is None
    assert pe.call("stop", instance="2") == (OK, "")
    other.wait(5)


def test_a_start_clears_away_a_hung_daemon_whose_pid_file_is_lost(dsd: Rig) -> None:
    dsd.call("start")
    first = dsd.pid()
    dsd.run_file("pid").unlink()
    os.kill(first, signal.SIGSTOP)
    assert dsd.call("start") == (OK, "")
    assert not lives(first)
    assert dsd.processes() == [dsd.pid()]


def test_a_half_started_daemon_is_found_and_a_start_clears_it_away(pe: Rig) -> None:
    pe.faults(deaf=True)
    pe.call("start", seconds=1)
    half = pe.pid()
    assert lives(half)
    code, reason = pe.call("monitor")
    assert code == GENERIC
    assert "lives, but nothing answers" in reason
    pe.faults()
    assert pe.call("start").code == OK
    assert not lives(half)
