"""What a lab leaves whose processes were all killed, as the end of a CI job does, is removed by the next `destroy`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.lab.lab import ROOT
from tests.service.process import wait_for

NAMESPACE = f"congressd-remains-{os.getpid()}"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab is root's"),
    pytest.mark.skipif(not shutil.which("ip"), reason="iproute2 (Debian package) is not installed"),
]


@pytest.fixture
def lab() -> Iterator[Path]:
    """A lab's directory with a network, a connection and a power switch of which nobody is alive any more."""
    with tempfile.TemporaryDirectory(prefix="lab-") as name:  # short, as the names of sockets must be
        directory = Path(name)
        (directory / "ssh").mkdir()
        (directory / "nodes").mkdir()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.bind(os.fspath(directory / "ssh" / "dead"))
        subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
        try:
            yield directory
        finally:
            directory.mkdir(exist_ok=True)
            if Path("/run/netns", NAMESPACE).exists():
                subprocess.run(["ip", "netns", "delete", NAMESPACE], check=True)


@pytest.fixture
def forgotten(lab: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A node that lives on without the process of LXC that watched it: a process with that root is all it is here."""
    upper, work, root = (lab / "nodes" / "ctl1" / name for name in ("upper", "work", "rootfs"))
    for each in (upper, work, root):
        each.mkdir(parents=True)
    overlay = f"lowerdir=/,upperdir={upper},workdir={work}"
    script = f"mount -t overlay overlay -o {overlay} {root} && exec chroot {root} sleep 60"
    node = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script])
    try:
        wait_for(lambda: "sleep" in str(children(node.pid)), "the node is up")
        yield node
    finally:
        node.kill()
        node.wait()


def children(pid: int) -> list[str]:
    """The commands of a process' children."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{each}/comm").read_text() for each in found]


def destroy(lab: Path) -> None:
    """`tools/cluster/cluster destroy` of that lab."""
    environment = os.environ | {"LAB_DIR": os.fspath(lab), "LAB_NAMESPACE": NAMESPACE}
    command = [os.fspath(ROOT / "tools" / "cluster" / "cluster"), "destroy"]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_destroy_removes_what_a_killed_lab_left(lab: Path) -> None:
    destroy(lab)
    assert not lab.exists()
    assert not Path("/run/netns", NAMESPACE).exists()


def test_destroy_ends_a_node_that_lxc_does_not_know_any_more(lab: Path, forgotten: subprocess.Popen[bytes]) -> None:
    destroy(lab)
    assert forgotten.wait(10) != 0
    assert not lab.exists()


def test_destroy_spares_a_process_that_got_the_number_of_the_power_switch(lab: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (lab / "fence-host.pid").write_text(f"{stranger.pid}\n", encoding="ascii")
        destroy(lab)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
