"""Our cluster's configuration under `crm_simulate`: what Pacemaker's own scheduler does with it, without a cluster."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import jinja2
import yaml

from congressd.agent.dsd import ACTIVE_SCORE, STANDBY_SCORE, UNABLE_SCORE

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "ansible" / "roles" / "pacemaker"
NODES = ("ctl1", "ctl2", "ctl3")

#: The cluster that the scenarios begin with: three nodes, a fence device each, both addresses.
CLUSTER: dict[str, Any] = {
    "pacemaker_node_names": list(NODES),
    "pacemaker_fence_devices": [
        {"name": f"fence-{node}", "agent": "fence_virsh", "hosts": [node], "options": {"ip": "192.0.2.1"}}
        for node in NODES
    ],
    "pacemaker_vip_api": {"ip": "192.0.2.11", "netmask": 24, "nic": ""},
    "pacemaker_vip_dsd": {"ip": "192.0.2.10", "netmask": 24, "nic": ""},
}


def defaults() -> dict[str, Any]:
    """The role's variables."""
    loaded: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return loaded


def configuration(**variables: Any) -> ElementTree.Element:
    """The template with the role's defaults, the scenarios' cluster, and ``variables`` over both."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("cib.xml.j2").render({**defaults(), **CLUSTER, **variables})
    return ElementTree.fromstring(text)


@cache
def merger() -> ModuleType:
    """The role's merging of configurations."""
    spec = importlib.util.spec_from_file_location("cib_merge", ROLE / "files" / "cib_merge.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def empty(nodes: Sequence[str] = NODES) -> ElementTree.Element:
    """The CIB of a cluster that has just met: its nodes are online, nothing is configured."""
    cib = ElementTree.fromstring(
        '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" '
        'have-quorum="1" dc-uuid="1"><configuration><crm_config><cluster_property_set id="cib-bootstrap-options">'
        '<nvpair id="cib-dc" name="dc-version" value="2.1.5"/>'
        '<nvpair id="cib-infra" name="cluster-infrastructure" value="corosync"/>'
        "</cluster_property_set></crm_config><nodes/><resources/><constraints/></configuration><status/></cib>"
    )
    listed, status = cib.find("configuration/nodes"), cib.find("status")
    assert listed is not None
    assert status is not None
    for number, node in enumerate(nodes, 1):
        ElementTree.SubElement(listed, "node", id=str(number), uname=node)
        ElementTree.SubElement(
            status, "node_state", {"id": str(number), "uname": node, "in_ccm": "true", "crmd": "online"},
            join="member", expected="member",
        )  # fmt: skip
    return cib


def _attributes(state: ElementTree.Element) -> ElementTree.Element:
    """The attributes of a node that are forgotten when it leaves."""
    owner = state.find("transient_attributes")
    if owner is None:
        owner = ElementTree.SubElement(state, "transient_attributes", id=state.get("id", ""))
        ElementTree.SubElement(owner, "instance_attributes", id=f"status-{state.get('id')}")
    return owner[0]


class Simulator:
    """Pacemaker's command line tools over files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def running(self, **variables: Any) -> Path:
        """The CIB of a cluster with our configuration, in which everything runs."""
        started = self._directory / "running.xml"
        configured = self._directory / "configured.xml"
        cib = merger().merge(empty(), configuration(**variables))
        configured.write_bytes(ElementTree.tostring(cib))
        self.run("crm_simulate", "-S", "-x", str(configured), "-O", str(started))
        if {**defaults(), **variables}["pacemaker_dsd_layout"] == "promotable":
            for score in (STANDBY_SCORE, ACTIVE_SCORE):  # as the agents set them: first all, then the active one's
                self._score(started, score)
                self.run("crm_simulate", "-S", "-x", str(started), "-O", str(started))
        return started

    @staticmethod
    def _score(path: Path, score: int) -> None:
        """Give the promotion score to every node, or, if it is the active one's, to that."""
        tree = ElementTree.parse(path)
        for state in tree.iter("node_state"):
            group = _attributes(state)
            identity = f"status-{state.get('id')}-master-dsd"
            if score == STANDBY_SCORE:
                ElementTree.SubElement(group, "nvpair", id=identity, name="master-dsd", value=str(score))
            elif any(done.get("operation") == "promote" for done in state.iter("lrm_rsc_op")):
                group[0].set("value", str(score))
        tree.write(path)

    @staticmethod
    def ban(path: Path, resource: str, node: str) -> None:
        """Note that ``resource`` has failed to start on ``node``, as the cluster does: never again before a timeout."""
        tree = ElementTree.parse(path)
        state = next(state for state in tree.iter("node_state") if state.get("uname") == node)
        group = _attributes(state)
        for name, value in (("fail-count", "INFINITY"), ("last-failure", str(int(time.time())))):
            key = f"{name}-{resource}#start_0"
            ElementTree.SubElement(group, "nvpair", id=f"banned-{name}-{resource}", name=key, value=value)
        tree.write(path)

    @staticmethod
    def unscore(path: Path, node: str) -> None:
        """Take the promotion score of ``node`` away, as is done when its daemon ends by itself."""
        tree = ElementTree.parse(path)
        state = next(state for state in tree.iter("node_state") if state.get("uname") == node)
        state[:] = [child for child in state if child.tag != "transient_attributes"]
        tree.write(path)

    @staticmethod
    def withhold(path: Path, node: str) -> None:
        """Have ``node`` say that it cannot be promoted, as it does when a promotion failed without a database."""
        tree = ElementTree.parse(path)
        state = next(state for state in tree.iter("node_state") if state.get("uname") == node)
        score = next(entry for entry in state.iter("nvpair") if entry.get("name") == "master-dsd")
        score.set("value", str(UNABLE_SCORE))
        tree.write(path)

    @staticmethod
    def standby(path: Path, node: str) -> None:
        """Put ``node`` into standby."""
        tree = ElementTree.parse(path)
        entry = next(entry for entry in tree.iter("node") if entry.get("uname") == node)
        group = ElementTree.SubElement(entry, "instance_attributes", id=f"nodes-{node}")
        ElementTree.SubElement(group, "nvpair", id=f"nodes-{node}-standby", name="standby", value="on")
        tree.write(path)

    def after(self, cib: Path, *injected: str) -> Path:
        """The CIB when what ``injected`` asked for has been done."""
        later = self._directory / "later.xml"
        self.run("crm_simulate", "-S", "-x", str(cib), *injected, "-O", str(later))
        return later

    def summary(self, cib: Path, *injected: str) -> list[str]:
        """What the scheduler wants to do about ``injected``, one line an action, blanks squeezed."""
        text = self.run("crm_simulate", "-S", "-x", str(cib), *injected)
        if "Transition Summary:" not in text:
            return []
        lines = text.split("Transition Summary:")[1].split("Executing Cluster Transition:")[0].splitlines()
        return [re.sub(r"\s+", " ", line.strip().removeprefix("* ")) for line in lines if line.strip()]

    def order(self, cib: Path, *injected: str) -> list[str]:
        """The actions of the transition in the order in which they are done."""
        text = self.run("crm_simulate", "-S", "-x", str(cib), *injected)
        text = text.split("Executing Cluster Transition:")[-1].split("Revised Cluster Status:")[0]
        return [re.sub(r"\s+", " ", line.strip().removeprefix("* ")) for line in text.splitlines() if line.strip()]

    def verify(self, cib: Path) -> str:
        """The complaints of `crm_verify`."""
        return self.run("crm_verify", "-V", "-x", str(cib))

    def run(self, program: str, *arguments: str) -> str:
        """A tool's output; it must succeed."""
        environment = {**os.environ, "CIB_shadow_dir": str(self._directory), "HOME": str(self._directory)}
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
        assert found, f"{program} (Debian package pacemaker-cli-utils) is not installed"
        done = subprocess.run([found, *arguments], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr
