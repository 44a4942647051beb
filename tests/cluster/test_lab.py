"""The whole thing once: three bare hosts, the playbook, once more, and the death of the node that publishes.

Takes some ten minutes, of which most is the playbook's; so only where everything is tested, or CONGRESSD_LAB is set.
What is on the hosts, the faults and the audits are those of `make cluster` and `make cluster-test`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.lab.lab import NODES, ROOT, nodes

CLUSTER = ROOT / "tools" / "cluster" / "cluster"
NAMESPACE = Path("/run/netns/congressd-lab")

pytestmark = [
    pytest.mark.timeout(2400),
    pytest.mark.skipif(
        os.environ.get("CI") != "true" and "CONGRESSD_LAB" not in os.environ,
        reason="ten minutes: only with CI=true or CONGRESSD_LAB=1; or use `make cluster` and `make cluster-test`",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"),
]


def run(*command: str | Path, seconds: float) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-8000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Three nodes, deployed by the playbook; removed in the end, but for the image that they started from."""
    if NAMESPACE.exists():
        assert "RUNNING" not in nodes("status"), "a cluster runs here already: `make cluster-destroy` first"
        run(CLUSTER, "destroy", "--keep-image", seconds=120)  # of a run that was cut short
    try:
        run(CLUSTER, "up", seconds=1800)
        yield
    finally:
        run(CLUSTER, "destroy", "--keep-image", seconds=120)


@pytest.mark.parametrize("options", [(), ("--check", "--diff")], ids=["again", "check"])
def test_the_playbook_finds_nothing_to_change_where_it_was(cluster: None, options: tuple[str, ...]) -> None:
    told = run(CLUSTER, "deploy", *options, seconds=600)
    recap = re.findall(r"^(\w+) +: .* changed=(\d+) .* failed=(\d+) ", told, re.MULTILINE)
    assert recap == [(node, "0", "0") for node in NODES], told[-8000:]


def test_the_cluster_that_the_playbook_makes_survives_the_node_that_publishes(cluster: None) -> None:
    faults = (sys.executable, "-m", "tests.cluster.lab", "--only", "dsd-node-off", "--audits-only")
    told = run("ip", "netns", "exec", NAMESPACE.name, *faults, seconds=600)
    assert "BROKEN" not in told
