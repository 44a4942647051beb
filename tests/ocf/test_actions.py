"""The agents over a real daemon process: the actions, and each fault that the agent of Congress did not see."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading

import pytest

from tests.ocf.conftest import MakeRig
from tests.ocf.rig import (
    ARGS,
    DEGRADED,
    DEGRADED_PROMOTED,
    GENERIC,
    INSTALLED,
    NOT_RUNNING,
    OK,
    PERM,
    Rig,
    lives,
    wait_for,
)


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_a_life(make: MakeRig, role: str) -> None:
    node = make(role)
    assert node.call("monitor", probe=True) == (NOT_RUNNING, "")
    assert node.call("start") == (OK, "")
    assert node.call("monitor") == (OK, "")
    assert node.call("start") == (OK, "")
    assert node.call("stop") == (OK, "")
    assert node.call("monitor").code == NOT_RUNNING
    assert node.call("stop") == (OK, "")


def test_a_crash_is_an_error_and_not_a_clean_end(dsd: Rig) -> None:
    dsd.call("start")
    pid = dsd.pid()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not lives(pid), "the death of the daemon")
    code, reason = dsd.call("monitor")
    assert code == GENERIC
    assert f"process {pid}" in reason
    assert dsd.call("monitor", probe=True) == (NOT_RUNNING, "")
    assert dsd.call("start").code == OK


def test_a_zombie_is_dead(dsd: Rig) -> None:
    child = dsd.spawn()
    wait_for(lambda: dsd.call("monitor").code == OK, "a running daemon")
    child.send_signal(signal.SIGKILL)
    wait_for(lambda: not lives(child.pid), "the death of the daemon")
    code, reason = dsd.call("monitor")
    assert code == GENERIC
    assert "not reaped" in reason
    assert dsd.call("stop") == (OK, "")
    assert dsd.call("start").code == OK
    child.wait()


def test_a_stopped_process_is_hung_and_can_be_ended(dsd: Rig) -> None:
    dsd.call("start")
    pid = dsd.pid()
    os.kill(pid, signal.SIGSTOP)
    code, reason = dsd.call("monitor")
    assert code == GENERIC
    assert reason.startswith("hung: the daemon does not answer")
    assert dsd.call("stop").code == OK
    assert not lives(pid)


def test_a_daemon_that_takes_connections_but_never_answers_is_hung(pe: Rig) -> None:
    pe.call("start")
    pe.faults(hang=True)
    assert pe.call("monitor").reason.startswith("hung:")


def test_a_daemon_that_answers_but_does_no_work_is_hung(pe: Rig) -> None:
    pe.call("start")
    pe.faults(status={"work_age": 61.5})
    code, reason = pe.call("monitor")
    assert code == GENERIC
    assert "has not turned for 62 s (limit 60 s)" in reason


def test_a_hung_daemon_is_replaced_by_a_start(dsd: Rig) -> None:
    dsd.call("start")
    first = dsd.pid()
    os.kill(first, signal.SIGSTOP)
    assert dsd.call("start").code == OK
    assert not lives(first)
    assert dsd.pid() != first


def test_stop_kills_what_ignores_the_request_and_proves_it(dsd: Rig) -> None:
    dsd.faults(stubborn=True)
    dsd.call("start")
    pid = dsd.pid()
    assert dsd.call("stop", stop_grace="1") == (OK, "")
    assert not lives(pid)


@pytest.mark.parametrize("seconds", [2, 5])
def test_stop_kills_in_time_however_long_the_grace(dsd: Rig, seconds: float) -> None:
    dsd.faults(stubborn=True)
    dsd.call("start")
    pid = dsd.pid()
    assert dsd.call("stop", seconds=seconds, stop_grace="20") == (OK, "")
    assert not lives(pid)


def test_stop_ends_the_children_too(dsd: Rig) -> None:
    dsd.faults(child=True)
    dsd.call("start")
    child = dsd.pid("child")
    assert dsd.call("stop", stop_grace="1").code == OK
    assert not lives(child)


def test_children_that_outlive_the_daemon_are_seen_and_ended(dsd: Rig) -> None:
    dsd.faults(child=True)
    dsd.call("start")
    pid, child = dsd.pid(), dsd.pid("child")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not lives(pid), "the death of the daemon")
    assert dsd.call("monitor").code == GENERIC
    assert lives(child)
    assert dsd.call("stop", stop_grace="1").code == OK
    assert not lives(child)


def test_stop_ends_a_daemon_whose_pid_file_is_lost(pe: Rig) -> None:
    pe.call("start")
    pid = pe.pid()
    pe.run_file("pid").unlink()
    assert pe.call("monitor").code == OK
    assert pe.call("stop").code == OK
    assert not lives(pid)


def test_a_process_that_got_the_number_of_a_dead_daemon_is_left_alone(dsd: Rig) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    dsd.run_file("pid").parent.mkdir()
    dsd.run_file("pid").write_text(f"{stranger.pid}\n", encoding="ascii")
    assert dsd.call("monitor", probe=True).code == NOT_RUNNING
    assert dsd.call("stop").code == OK
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize("action", ["demote", "stop"])
def test_a_hung_daemon_is_ended_and_not_the_process_that_its_pid_file_names_in_error(
    make: MakeRig, action: str
) -> None:
    dsd = make("dsd", layout="promotable")
    dsd.call("start")
    dsd.call("promote")
    daemon, stranger = dsd.pid(), subprocess.Popen(["sleep", "600"])
    dsd.run_file("pid").write_text(f"{stranger.pid}\n", encoding="ascii")
    os.kill(daemon, signal.SIGSTOP)
    assert dsd.call(action, stop_grace="1") == (OK, "")
    assert not lives(daemon)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_failing_sources_are_shown_and_not_recovered(dsd: Rig) -> None:
    dsd.call("start")
    dsd.faults(status={"failing": ["nova", "neutron"]})
    assert dsd.call("monitor") == (DEGRADED, "2 sources fail: nova, neutron")


def test_a_lost_database_or_bus_is_shown_and_not_recovered(pe: Rig) -> None:
    pe.call("start")
    pe.faults(status={"database": False, "bus": False})
    assert pe.call("monitor") == (DEGRADED, "the database is away; the bus is away")


def test_a_dsd_of_a_group_that_is_not_active_has_failed(dsd: Rig) -> None:
    dsd.call("start")
    dsd.faults(status={"state": "standby", "reason": "the lease ran out"})
    assert dsd.call("monitor") == (GENERIC, "the daemon is standby, not active (the lease ran out)")


def test_a_dsd_that_waits_for_the_database_has_not_failed(dsd: Rig) -> None:
    dsd.call("start")
    dsd.faults(status={"state": "standby", "database": False})
    assert dsd.call("monitor").code == DEGRADED


def test_a_pe_that_is_not_ready_yet_has_not_failed(pe: Rig) -> None:
    pe.call("start")
    pe.faults(status={"state": "starting"})
    assert pe.call("monitor").code == OK


def test_the_daemon_of_another_role_is_not_taken_for_ours(pe: Rig) -> None:
    pe.call("start")
    pe.faults(status={"role": "dsd"})
    assert pe.call("monitor").code == GENERIC


def test_what_is_no_daemon_at_all_is_told(pe: Rig) -> None:
    pe.call("start")
    pe.faults(refuse="not now")
    code, reason = pe.call("monitor")
    assert code == GENERIC
    assert "not now" in reason


def test_a_group_member_left_standing_by_is_made_active_by_a_start(dsd: Rig) -> None:
    child = dsd.spawn("--standby")
    wait_for(lambda: dsd.run_file("sock").exists(), "a control socket")
    wait_for(lambda: dsd.call("monitor").code == GENERIC, "a standby that a group does not want")
    assert dsd.call("start").code == OK
    assert dsd.call("monitor").code == OK
    assert dsd.call("stop").code == OK
    child.wait()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"config": "/nowhere/congressd.conf"}, INSTALLED),
        ({"binary": "/nowhere/congressd"}, INSTALLED),
        ({"binary": "/etc/passwd"}, PERM),
        ({"user": "no-such-user"}, INSTALLED),
        ({"control_timeout": "soon"}, ARGS),
        ({"instance": "../1"}, ARGS),
        ({"supervisor": "upstart"}, ARGS),
        ({"health_url": "gopher://x"}, ARGS),
    ],
)
def test_what_this_node_lacks_sends_the_resource_elsewhere_and_is_silent_in_a_probe(
    make: MakeRig, changed: dict[str, str], code: int
) -> None:
    if "user" in changed and os.geteuid() != 0:
        pytest.skip("only root starts daemons as other users")
    node = make("pe", **changed)
    for action in ("validate-all", "start"):
        result = node.call(action)
        assert result.code == code
        assert next(iter(changed.values())) in result.reason
    assert node.call("monitor", probe=True) == (NOT_RUNNING, "")
    assert node.call("stop") == (OK, "")


def test_the_deep_monitor_asks_the_api(pe: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 503 No\r\n\r\n"]

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                connection.recv(1000)
                connection.sendall(answer)
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/healthz"
        pe.call("start")
        assert pe.call("monitor", health_url=url).code == OK
        assert pe.call("monitor", depth=10, health_url=url).code == OK
        named = url.replace("127.0.0.1", "{node}")
        assert "503" in pe.call("monitor", depth=10, health_url=named, CRM_meta_on_node="localhost").reason
        thread.join()
    assert "cannot be asked" in pe.call("monitor", depth=10, health_url=url).reason


@pytest.mark.parametrize("known", ["before", "meanwhile"])
def test_an_api_that_is_silent_because_the_database_is_away_is_left_alone(pe: Rig, known: str) -> None:
    pe.call("start")
    away = {"database": False}
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/healthz"
        if known == "before":
            pe.faults(status=away)
            assert pe.call("monitor", depth=10, health_url=url) == (DEGRADED, "the database is away")
            server.settimeout(0)
            with pytest.raises(BlockingIOError):
                server.accept()
            return

        def miss_the_database() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                pe.faults(status=away)
                connection.recv(1000)

        thread = threading.Thread(target=miss_the_database)
        thread.start()
        assert pe.call("monitor", depth=10, seconds=3, health_url=url) == (DEGRADED, "the database is away")
        thread.join()


def test_an_api_that_is_silent_without_a_reason_has_failed(pe: Rig) -> None:
    pe.call("start")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/healthz"
        code, reason = pe.call("monitor", depth=10, seconds=2, health_url=url)
    assert code == GENERIC
    assert "does not answer within 1." in reason


def test_two_instances_on_one_node_do_not_meet(make: MakeRig) -> None:
    pe = make("pe")
    assert pe.call("start", instance="1").code == OK
    assert pe.call("start", instance="2").code == OK
    assert pe.call("stop", instance="1").code == OK
    assert pe.call("monitor", instance="1").code == NOT_RUNNING
    assert pe.call("monitor", instance="2").code == OK


def test_parameters_that_make_no_sense_do_not_keep_a_daemon_from_being_stopped(dsd: Rig) -> None:
    dsd.call("start")
    pid = dsd.pid()
    dsd.parameters |= {"control_timeout": "soon", "stop_grace": "?", "health_url": "gopher://x", "layout": "twins"}
    assert dsd.call("monitor").code == ARGS
    assert dsd.call("stop") == (OK, "")
    assert not lives(pid)


def test_a_reload_of_what_works_succeeds_whatever_a_monitor_says(make: MakeRig) -> None:
    dsd = make("dsd", layout="promotable")
    dsd.call("start")
    dsd.call("promote")
    assert dsd.call("reload") == (OK, "")
    dsd.faults(status={"failing": ["nova"]})
    assert dsd.call("monitor").code == DEGRADED_PROMOTED
    assert dsd.call("reload") == (OK, "")
    dsd.faults(status={"work_age": 61.5})
    assert dsd.call("reload").code == GENERIC


def test_a_reload_has_the_daemon_read_its_configuration_again(pe: Rig) -> None:
    pe.call("start")
    assert pe.call("reload") == (OK, "")
    reloads = pe.run_file("reloads")
    wait_for(lambda: reloads.exists() and reloads.read_text(encoding="ascii") == "again\n", "a reload")
    assert pe.call("monitor") == (OK, "")


def test_a_process_that_got_the_number_of_a_dead_daemon_gets_no_signal_by_a_reload(pe: Rig) -> None:
    pe.call("start")
    daemon, stranger = pe.pid(), subprocess.Popen(["sleep", "600"])
    pe.run_file("pid").write_text(f"{stranger.pid}\n", encoding="ascii")
    assert pe.call("reload").code == GENERIC
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    pe.run_file("pid").write_text(f"{daemon}\n", encoding="ascii")


def test_reload_tells_whether_a_restart_is_needed(pe: Rig) -> None:
    pe.call("start")
    assert pe.call("reload", control_timeout="2").code == OK
    other = pe.directory / "other.conf"
    other.write_text("{}", encoding="utf-8")
    code, reason = pe.call("reload", config=str(other))
    assert code == GENERIC
    assert "restarted" in reason


def test_actions_that_nobody_knows(pe: Rig) -> None:
    assert pe.call("migrate_to").code == 3
    assert pe.call("usage").code == OK
