"""A rolling upgrade of all nodes by the playbook, under load."""

from __future__ import annotations

import subprocess
import time

from tests.cluster.lab.lab import DIRECTORY, ROOT, ClusterError
from tests.cluster.lab.load import Load


def upgrade(load: Load) -> tuple[float, tuple[str, ...]]:
    """Bring all nodes to a release of another name; the figure: queries and pushes that failed meanwhile."""
    name = f"lab-{int(time.time())}"
    command = ["ansible-playbook", "-i", str(DIRECTORY / "inventory" / "hosts.yml"), "rolling-upgrade.yml"]
    done = subprocess.run(
        [*command, "-e", f"congressd_release={name}"],
        cwd=ROOT / "ansible",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **_ssh()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"rolling-upgrade.yml failed: {done.stdout[-1500:]}{done.stderr[-500:]}")
    load.settle(20, 60)
    return float(len(load.failures()) + len(load.push_failures())), ()


def _ssh() -> dict[str, str]:
    """The directory of control connections must be short, and belongs to this lab."""
    return {
        "ANSIBLE_CONFIG": str(ROOT / "ansible" / "ansible.cfg"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(DIRECTORY / "ssh"),
    }
