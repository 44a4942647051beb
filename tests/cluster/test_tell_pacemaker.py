"""What a unit tells Pacemaker when its daemon has ended, with systemctl and Pacemaker's programs written down."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.simulation import ROOT

NODE = os.uname().nodename
RUNS = "Job=\nActiveState=failed\n\nJob=\nActiveState=active\n"  # the unit, then pacemaker.service
ASKED_FOR = RUNS.replace("Job=", "Job=17", 1)
NO_CLUSTER = RUNS.replace("=active", "=inactive")
FAIL = f"crm_resource --fail --resource dsd --node {NODE}"
GIVE_UP = f"crm_attribute --promotion=dsd --lifetime=reboot --node={NODE} --delete"


def tell(directory: Path, unit: str, systemd: str, known: str = NODE) -> list[str]:
    """The calls of Pacemaker's programs; the cluster knows the node as ``known``."""
    programs = {
        "systemctl": f"printf '{systemd}'",
        "crm_node": f"echo {known}",
        "crm_resource": f'echo "crm_resource $*" >>"{directory}/calls"; case "$*" in *{known}*) ;; *) exit 1 ;; esac',
        "crm_attribute": f'echo "crm_attribute $*" >>"{directory}/calls"',
    }
    for name, does in programs.items():
        program = directory / name
        program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        program.chmod(0o755)
    subprocess.run(
        [ROOT / "systemd" / "tell-pacemaker", unit, "dsd"],
        env={"PATH": f"{directory}:/usr/bin:/bin"}, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    calls = directory / "calls"
    return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


@pytest.mark.parametrize(
    ("unit", "systemd", "told"),
    [
        ("congress-dsd.service", RUNS, [FAIL]),
        ("congress-pe@1.service", RUNS, [FAIL]),
        ("congress-dsd-standby.service", RUNS, [GIVE_UP]),
        ("congress-dsd.service", ASKED_FOR, []),
        ("congress-dsd-standby.service", ASKED_FOR, []),
        ("congress-dsd.service", NO_CLUSTER, []),
    ],
    ids=["alone", "pe", "one of several", "asked for", "asked for, one of several", "no cluster"],
)
def test_only_an_end_that_nobody_asked_for_is_told(unit: str, systemd: str, told: list[str], tmp_path: Path) -> None:
    assert tell(tmp_path, unit, systemd) == told


def test_a_node_that_the_cluster_knows_by_another_name_is_found(tmp_path: Path) -> None:
    assert tell(tmp_path, "congress-dsd.service", RUNS, known="cluster-name")[-1] == FAIL.replace(NODE, "cluster-name")
