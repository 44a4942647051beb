"""Ansible on this machine alone: our playbooks, and tasks of our roles as hosts that are all this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.simulation import NODES, ROOT

ANSIBLE = ROOT / "ansible"

needs_ansible = pytest.mark.skipif(
    not shutil.which("ansible-playbook"), reason="ansible (Debian package) is not installed"
)


def run_playbook(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """`ansible-playbook` with our settings; what it keeps is in ``directory``."""
    environment = {
        # Debian's ansible, with Debian's Python, and before them whatever a test has put there
        "PATH": f"{directory}/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(directory),
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(directory / "local"),
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        ["ansible-playbook", *arguments], capture_output=True, text=True, cwd=ANSIBLE, env=environment, check=False
    )


class Role:
    """Some tasks of a role, on this machine as three hosts, with fakes of programs before the real ones.

    A fake finds the name of the host that it runs on in NODE, and a directory of its own in STATE.
    """

    def __init__(self, directory: Path, role: str, tasks: str, fakes: Mapping[str, str], **variables: Any) -> None:
        self.directory = directory
        self.state = directory / "state"
        programs = directory / "bin"
        for made in (self.state, programs):
            made.mkdir()
        for name, text in fakes.items():
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        self.environment = {"STATE": str(self.state), "PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"}
        for shared in ("files", "group_vars"):
            (directory / shared).symlink_to(ANSIBLE / shared)
        here = {"ansible_connection": "local", "cluster_address": "127.0.0.1"}
        inventory = {"congressd": {"hosts": dict.fromkeys(NODES, here)}}
        play = {
            "hosts": "congressd",
            "gather_facts": False,
            "vars": variables,
            "environment": {**self.environment, "NODE": "{{ inventory_hostname }}"},
            "tasks": [
                {"ansible.builtin.include_role": {"name": str(ANSIBLE / "roles" / role), "tasks_from": tasks}},
            ],
        }
        (directory / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        (directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")

    def run(self, *arguments: str) -> tuple[subprocess.CompletedProcess[str], Sequence[str]]:
        """The run, and the lines that fakes wrote to `log` in it."""
        log = self.state / "log"
        log.unlink(missing_ok=True)
        inventory, play = (str(self.directory / name) for name in ("hosts.yml", "play.yml"))
        done = run_playbook("-i", inventory, play, *arguments, directory=self.directory)
        return done, log.read_text(encoding="utf-8").splitlines() if log.exists() else []
