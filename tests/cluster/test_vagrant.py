"""What the Vagrantfile asks for with each provider, and the power switch of its containers; without Vagrant or LXC."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.simulation import ROOT
from tests.cluster.test_playbooks import check_variables

NODES = ("ctl1", "ctl2", "ctl3")
POWER = ROOT / "tools" / "cluster" / "vagrant-power"

needs_ruby = pytest.mark.skipif(not shutil.which("ruby"), reason="ruby (Debian package) is not installed")


class Asked:
    """What a machine's part of the Vagrantfile says."""

    def __init__(self, told: list[dict[str, Any]]) -> None:
        self._told = told

    def all(self, path: str) -> list[list[Any]]:
        """What was given to each call or assignment of a name."""
        return [each["given"] for each in self._told if each["path"] == path]

    def one(self, path: str) -> Any:
        """The only value of a name."""
        ((value,),) = self.all(path)
        return value

    def within(self, path: str) -> list[Asked]:
        """The blocks of a name's calls."""
        return [Asked(each["told"]) for each in self._told if each["path"] == path]


def machines(provider: str, network: str = "") -> dict[str, Asked]:
    """The machines that the Vagrantfile defines for a provider; nothing on the command line names it."""
    environment = {"PATH": os.environ["PATH"]} | ({"CONGRESSD_NETWORK": network} if network else {})
    done = subprocess.run(
        ["ruby", "-w", ROOT / "tests" / "cluster" / "vagrantfile.rb", ROOT / "Vagrantfile", provider],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return {each["given"][0]: Asked(each["told"]) for each in json.loads(done.stdout) if each["path"] == "vm.define"}


def playbook(asked: dict[str, Asked]) -> Asked:
    """The one run of the playbook, which the last machine has."""
    assert [len(machine.all("vm.provision")) for machine in asked.values()] == [0, 0, 1]
    (run,) = asked[NODES[-1]].within("vm.provision")
    return run


@needs_ruby
def test_containers_have_addresses_that_stay_and_a_power_switch() -> None:
    asked = machines("lxc", "198.18.1")
    assert tuple(asked) == NODES
    for number, (name, machine) in enumerate(asked.items(), start=11):
        assert machine.one("provider.container_name") == f"congressd-{name}"
        # Not what LXC tells first: that may be a VIP, which moves while the playbook runs.
        assert machine.one("provider.ssh_ip_addr") == f"198.18.1.{number}"
        given = [value for key, value in machine.all("provider.customize") if key == "net.0.ipv4.address"]
        assert given == ["", f"198.18.1.{number}/24"], "a second start must not give the address twice"
        assert machine.all("vm.network") == []
        assert machine.all("trigger.before") == [["up"], ["reload"]]
        for trigger in machine.within("trigger.before"):
            command = trigger.one("run")["inline"].split()
            assert command[:3] == ["sudo", str(POWER), "up"]
            assert any(f"{command[3]} var/lib/lab-fence" in mount for _, mount in machine.all("provider.customize"))


@needs_ruby
@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_virtual_machines_have_addresses_that_virtualbox_allows(provider: str) -> None:
    for number, machine in enumerate(machines(provider).values(), start=11):
        network, options = machine.all("vm.network")[0]
        assert (network, options["ip"]) == ("private_network", f"192.168.56.{number}")
        assert machine.all("trigger.before") == []


@needs_ruby
@pytest.mark.skipif(not os.path.isdir("/etc/apt"), reason="the checks want Debian")
@pytest.mark.parametrize("provider", ["lxc", "libvirt", "virtualbox"])
def test_the_playbook_accepts_what_it_is_given(provider: str, tmp_path: Path) -> None:
    run = playbook(machines(provider))
    variables = run.one("extra_vars")
    assert variables.get("fence_watchdog", False) is (provider != "lxc")
    addresses = {host["cluster_address"] for host in run.one("host_vars").values()}
    assert len(addresses | {variables["vip_api"], variables["vip_dsd"]}) == 5
    done = check_variables(tmp_path, variables)
    assert done.returncode == 0, done.stdout


LXC = {
    "lxc-ls": "ls $LXC",
    "lxc-info": """
        pid=$(cat $LXC/$2); kill -0 $pid 2>/dev/null || pid=-1
        case $3 in -p) echo $pid ;; -s) [ $pid = -1 ] && echo STOPPED || echo RUNNING ;; esac""",
    "lxc-start": "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $! >$LXC/$2",
    "lxc-wait": "while kill -0 $(cat $LXC/$2) 2>/dev/null; do sleep 0.05; done",
}


class Containers:
    """LXC as far as the power switch asks it: a container is a process."""

    def __init__(self, directory: Path) -> None:
        self.tools, self.state = directory / "bin", directory / "lxc"
        self.fence = directory / "shared" / "fence"
        self.tools.mkdir()
        self.state.mkdir()
        for name, text in LXC.items():
            (self.tools / name).write_text(f"#!/bin/bash\n{text}\n", encoding="ascii")
            (self.tools / name).chmod(0o755)
        self.environment = os.environ | {"PATH": f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin", "LXC": str(self.state)}
        for node in NODES:
            self.run("lxc-start", "-n", f"congressd-{node}", "-d")

    def run(self, *command: str | Path) -> str:
        """A command's output, where these containers are."""
        return subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True,
            timeout=30,
        ).stdout  # fmt: skip

    def pid(self, node: str) -> int:
        """The process of a node, alive or not."""
        return int((self.state / f"congressd-{node}").read_text(encoding="ascii"))

    def ask(self, request: str) -> str:
        """The power switch's answer to a request of a fence agent."""
        (self.fence / "one.draft").write_text(f"{request}\n", encoding="ascii")
        (self.fence / "one.draft").rename(self.fence / "one.request")
        answer = self.fence / "one.answer"
        until(answer.exists)
        text = answer.read_text(encoding="ascii").strip()
        answer.unlink()
        return text

    def remove(self) -> None:
        """Leave no container."""
        for node in NODES:
            try:
                os.kill(self.pid(node), signal.SIGKILL)
            except (ProcessLookupError, FileNotFoundError):
                continue
        shutil.rmtree(self.state)
        self.state.mkdir()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    made = Containers(tmp_path)
    try:
        yield made
    finally:
        made.remove()
        made.run(POWER, "down", made.fence)


@pytest.mark.skipif(os.geteuid() != 0, reason="the power switch wants root, as LXC does")
def test_the_power_switch_cuts_and_gives_power_until_the_last_container_is_gone(containers: Containers) -> None:
    containers.run(POWER, "up", containers.fence)
    containers.run(POWER, "up", containers.fence)  # every machine's `vagrant up` says so
    switch = int((containers.fence.parent / "fence-host.pid").read_text(encoding="ascii"))
    before = {node: containers.pid(node) for node in NODES}
    assert containers.ask("status ctl2") == "on"
    assert containers.ask("off ctl2") == "ok"
    assert containers.ask("status ctl2") == "off"
    assert containers.ask("on ctl2") == "ok"
    assert containers.ask("reboot ctl3") == "ok"
    until(lambda: containers.pid("ctl3") != before["ctl3"])
    assert [containers.ask(f"status {node}") for node in NODES] == ["on", "on", "on"]
    assert containers.pid("ctl1") == before["ctl1"]
    assert containers.pid("ctl2") != before["ctl2"]
    containers.run(POWER, "down", containers.fence)
    assert containers.ask("status ctl1") == "on", "a container is left: it needs its power switch"
    containers.remove()
    containers.run(POWER, "down", containers.fence)
    until(lambda: not Path(f"/proc/{switch}").exists())
    assert list(containers.fence.parent.iterdir()) == []
