"""A watchdog for a cluster that runs already: SBD starts with corosync, so nodes are restarted one after the other."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.cluster.playbook import ANSIBLE, Role, needs_ansible

pytestmark = needs_ansible

#: SBD starts with corosync, unless the node is told to be broken.
FAKES = {
    "systemctl": """cat "$STATE/$NODE.sbd" """,
    "pcs": """
        echo "$NODE $*" >>"$STATE/log"
        [ "$2" = start ] && [ ! -e "$STATE/$NODE.broken" ] && echo active >"$STATE/$NODE.sbd"
        exit 0""",
    "crm_mon": """
        echo "$NODE crm_mon" >>"$STATE/log"
        echo "<node name=\\"$NODE\\" id=\\"1\\" online=\\"true\\"/>" """,
    "crm_resource": """echo "$NODE crm_resource" >>"$STATE/log" """,
}


def start_watchdogs(directory: Path, **sbd: str) -> tuple[subprocess.CompletedProcess[str], Sequence[str]]:
    """The role's tasks before the configuration on three nodes, where SBD is as told; and what they called."""
    fakes = {name: f"#!/bin/sh\n{script}\n" for name, script in FAKES.items()}
    role = Role(directory, "pacemaker", "watchdog_start", fakes, cluster_hosts=sorted(sbd))
    for node, state in sbd.items():
        (role.state / f"{node}.sbd").write_text("active" if state == "active" else "inactive", encoding="utf-8")
        if state == "broken":
            (role.state / f"{node}.broken").touch()
    return role.run()


def turn(node: str) -> list[str]:
    return [f"{node} {call}" for call in ("cluster stop", "cluster start", "crm_mon", "crm_resource")]


def test_watchdogs_come_to_a_cluster_that_runs_node_by_node(tmp_path: Path) -> None:
    done, calls = start_watchdogs(tmp_path, ctl1="inactive", ctl2="active", ctl3="inactive")
    assert done.returncode == 0, done.stdout
    assert calls == turn("ctl1") + turn("ctl3")


def test_where_watchdogs_run_nothing_is_restarted(tmp_path: Path) -> None:
    done, calls = start_watchdogs(tmp_path, ctl1="active", ctl2="active", ctl3="active")
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    assert calls == []


def test_a_watchdog_that_does_not_start_ends_the_play_before_the_configuration(tmp_path: Path) -> None:
    done, calls = start_watchdogs(tmp_path, ctl1="active", ctl2="broken", ctl3="active")
    assert done.returncode != 0
    assert "sbd does not run on every node" in " ".join(done.stdout.split())
    assert calls == turn("ctl2")
    tasks = yaml.safe_load((ANSIBLE / "roles" / "pacemaker" / "tasks" / "main.yml").read_text(encoding="utf-8"))
    included = [task["ansible.builtin.include_tasks"] for task in tasks if "ansible.builtin.include_tasks" in task]
    order = ["watchdog.yml", "membership.yml", "watchdog_start.yml", "configuration.yml"]
    assert [file for file in included if file in order] == order
