"""The playbooks without hosts: they parse, and they refuse what must be refused before anything is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cluster.simulation import ROOT

ANSIBLE = ROOT / "ansible"
PLAYBOOKS = sorted(path.name for path in ANSIBLE.glob("*.yml"))

pytestmark = pytest.mark.skipif(
    not shutil.which("ansible-playbook"), reason="ansible (Debian package) is not installed"
)


def _ansible(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",  # Debian's ansible, with Debian's Python
        "HOME": str(directory),
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        ["ansible-playbook", *arguments], capture_output=True, text=True, cwd=ANSIBLE, env=environment, check=False
    )


def check_variables(directory: Path, variables: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """The first play of site.yml, which changes nothing, with this machine as all three hosts of the example."""
    facts = {
        "distribution": "Debian",
        "distribution_major_version": "12",
        "distribution_version": "12",
        "service_mgr": "systemd",
    }
    here = {"ansible_connection": "local", "cluster_address": "127.0.0.1"}
    inventory = {"congressd": {"hosts": {name: {**here, **variables} for name in ("ctl1", "ctl2", "ctl3")}}}
    (directory / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    play = [
        {
            "hosts": "congressd",
            "gather_facts": False,
            "tasks": [
                {"ansible.builtin.set_fact": {**facts, "cacheable": True}},
                {"ansible.builtin.include_role": {"name": str(ANSIBLE / "roles" / "common"), "tasks_from": "check"}},
            ],
        }
    ]
    (directory / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    shutil.copytree(ANSIBLE / "group_vars", directory / "group_vars", dirs_exist_ok=True)
    return _ansible("-i", str(directory / "hosts.yml"), str(directory / "play.yml"), directory=directory)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_parses(playbook: str, tmp_path: Path) -> None:
    done = _ansible("--syntax-check", playbook, directory=tmp_path)
    assert done.returncode == 0, done.stderr


FENCE = [{"name": f"fence-{node}", "agent": "fence_virsh", "hosts": [node]} for node in ("ctl1", "ctl2", "ctl3")]


@pytest.mark.skipif(not os.path.isdir("/etc/apt"), reason="the checks want Debian")
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "no fence device covers ctl1, ctl2, ctl3"),
        ({"fence_devices": FENCE[:2]}, "no fence device covers ctl3"),
        ({"fence_devices": FENCE, "timers": {"unit_stop": 90}}, "a stop must have been forced and proven"),
        ({"fence_devices": FENCE}, ""),
        ({"fence_none_i_accept_split_brain": True}, ""),
        ({"fence_watchdog": True}, ""),
    ],
)
def test_a_cluster_that_cannot_be_safe_is_refused(variables: dict[str, object], sentence: str, tmp_path: Path) -> None:
    done = check_variables(tmp_path, variables)
    if sentence:
        assert done.returncode != 0
        assert sentence in " ".join(done.stdout.split())
    else:
        assert done.returncode == 0, done.stdout
