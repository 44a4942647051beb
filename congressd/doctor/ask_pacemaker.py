"""Probes of Pacemaker and corosync: what `crm_mon`, `cibadmin` and `corosync-quorumtool` say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree

from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Place

MONITOR: Final = ("--output-as=xml", "-1", "--inactive", "--failcounts", "--fence-history=3")
_START: Final = "look with `systemctl status corosync pacemaker`, and start it with `pcs cluster start`"


@dataclass(frozen=True, slots=True)
class Member:
    """A node as Pacemaker sees it."""

    name: str
    online: bool
    unclean: bool = False
    standby: bool = False
    maintenance: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """One instance of a resource; ``id`` has no instance number, ``nodes`` is where it runs."""

    id: str
    agent: str
    role: str
    nodes: tuple[str, ...]
    parent: str = ""  #: group or clone
    failed: bool = False
    blocked: bool = False
    managed: bool = True
    orphaned: bool = False

    @property
    def runs(self) -> bool:
        return bool(self.nodes) and self.role != "Stopped"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed action in Pacemaker's history."""

    what: str
    node: str
    text: str
    reason: str
    when: str
    degraded: bool


@dataclass(frozen=True, slots=True)
class FenceEvent:
    """The fencing of a node."""

    target: str
    action: str
    status: str
    reason: str
    when: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """Everything that `crm_mon` says."""

    dc: str
    quorum: bool
    options: dict[str, str] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    resources: tuple[Resource, ...] = ()
    failures: tuple[Failure, ...] = ()
    fencing: tuple[FenceEvent, ...] = ()
    bans: tuple[tuple[str, str, str], ...] = ()  #: constraint, resource, node
    fail_counts: tuple[tuple[str, str, str], ...] = ()  #: resource, node, how often
    clones: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Quorum:
    """What corosync says: votes, and the nodes that it sees."""

    quorate: bool
    expected: int
    total: int


@dataclass(frozen=True, slots=True)
class Watchdog:
    """How fencing by watchdog is set up: the cluster's property, and whether SBD runs here (empty: not known)."""

    cluster: Cluster
    timeout: str
    sbd: str = ""

    @property
    def used(self) -> bool:
        """Whether a node counts as powered off once its watchdog has had the time."""
        return self.timeout not in ("", "0", "0s")


def ask_cluster(place: Place) -> Cluster:
    """What the cluster manager sees; asked once a run. Raises NotHere, Failed."""
    return place.once("cluster", lambda: _ask_cluster(place))


def cluster_for_more(place: Place) -> Cluster:
    """The same, for who looks at one side of it: that it does not answer is told once. Raises NotHere."""
    try:
        return ask_cluster(place)
    except Failed as error:
        raise NotHere(f"not asked: {error}") from None


def _ask_cluster(place: Place) -> Cluster:
    _wanted(place, "crm_mon", "Pacemaker")
    said = place.run("crm_mon", *MONITOR)
    try:
        return read_cluster(said.text)
    except ElementTree.ParseError:
        raise Failed(f"crm_mon says what cannot be read: {said.complaint}", _START) from None


def _wanted(place: Place, program: str, noun: str) -> None:
    """Raises NotHere where there is no cluster."""
    if place.settings is not None and not place.settings.bus.url:
        raise NotHere(f"one process needs no {noun}")
    if not place.has(program):
        raise NotHere(f"{noun} is not installed")


def read_cluster(text: str) -> Cluster:
    """`crm_mon --output-as=xml` in our words. Raises ParseError; Failed if it is not connected to a cluster."""
    root = ElementTree.fromstring(text)
    status = root.find("status")
    if status is not None and status.get("code") != "0":
        raise Failed(f"Pacemaker does not answer: {status.get('message')}", _START)
    dc = root.find("summary/current_dc")
    options = root.find("summary/cluster_options")
    return Cluster(
        dc=dc.get("name", "") if dc is not None and dc.get("present") == "true" else "",
        quorum=dc is not None and dc.get("with_quorum") == "true",
        options=dict(options.attrib) if options is not None else {},
        members=tuple(
            Member(
                name=each.get("name", ""),
                online=_true(each, "online"),
                unclean=_true(each, "unclean"),
                standby=_true(each, "standby") or _true(each, "standby_onfail"),
                maintenance=_true(each, "maintenance"),
                pending=_true(each, "pending"),
            )
            for each in root.iterfind("nodes/node")
        ),
        resources=tuple(_resources(root)),
        failures=tuple(
            Failure(
                what=each.get("op_key", each.get("id", "")),
                node=each.get("node", ""),
                text=each.get("exitstatus", ""),
                reason=each.get("exitreason", ""),
                when=each.get("last-rc-change", ""),
                degraded=each.get("exitcode") in ("190", "191"),
            )
            for each in root.iterfind("failures/failure")
        ),
        fencing=tuple(
            FenceEvent(
                target=each.get("target", ""),
                action=each.get("action", ""),
                status=each.get("status", ""),
                reason=each.get("exit-reason", ""),
                when=each.get("completed", ""),
            )
            for each in root.iterfind("fence_history/fence_event")
        ),
        bans=tuple((each.get("id", ""), each.get("resource", ""), each.get("node", "")) for each in root.iter("ban")),
        fail_counts=tuple(
            (each.get("id", ""), node.get("name", ""), each.get("fail-count", ""))
            for node in root.iterfind("node_history/node")
            for each in node.iterfind("resource_history")
            if each.get("fail-count", "0") != "0"
        ),
        clones=frozenset(each.get("id", "") for each in root.iter("clone")),
    )


def _resources(root: ElementTree.Element) -> list[Resource]:
    parents = {child: parent for parent in root.iter() for child in parent}
    found = []
    for each in root.iterfind("resources//resource"):
        parent = parents.get(each)
        found.append(
            Resource(
                id=each.get("id", "").partition(":")[0],
                agent=each.get("resource_agent", ""),
                role=each.get("role", ""),
                nodes=tuple(node.get("name", "") for node in each.iterfind("node")),
                parent=parent.get("id", "") if parent is not None and parent.tag != "resources" else "",
                failed=_true(each, "failed"),
                blocked=_true(each, "blocked"),
                managed=_true(each, "managed"),
                orphaned=_true(each, "orphaned"),
            )
        )
    return found


def _true(element: ElementTree.Element, name: str) -> bool:
    return element.get(name) == "true"


def ask_quorum(place: Place) -> Quorum:
    """Votes as corosync counts them. Raises NotHere, Failed."""
    _wanted(place, "corosync-quorumtool", "corosync")
    said = place.run("corosync-quorumtool", "-s")
    try:
        return read_quorum(said.text)
    except ValueError:
        raise Failed(f"corosync does not answer: {said.complaint}", _START) from None


def read_quorum(text: str) -> Quorum:
    """`corosync-quorumtool -s` in our words. Raises ValueError."""
    said = dict(re.findall(r"^([A-Z][A-Za-z ]+):\s+(\S+)", text, re.MULTILINE))
    if "Quorate" not in said:
        raise ValueError(text)
    return Quorum(said["Quorate"] == "Yes", int(said.get("Expected votes", 0)), int(said.get("Total votes", 0)))


def ask_fencing(place: Place) -> Watchdog:
    """The cluster, and its property about watchdogs. Raises NotHere, Failed."""
    cluster = cluster_for_more(place)
    said = place.run(
        "crm_attribute", "--type", "crm_config", "--name", "stonith-watchdog-timeout", "--query", "--quiet"
    )
    timeout = said.text.strip() if said.code == 0 else ""
    sbd = place.run("systemctl", "is-active", "sbd").text.strip() if place.paths.systemd.is_dir() else ""
    return Watchdog(cluster, timeout, sbd)


@dataclass(frozen=True, slots=True)
class Address:
    """The API's address: ``holders`` by Pacemaker, ``held`` whether this node has it, ``answer`` what is wrong with
    what answers there (empty: it is ready)."""

    ip: str
    resource: str
    here: str  #: this node's name in the cluster
    holders: tuple[str, ...]
    held: bool
    url: str
    answer: str


def read_address(text: str, resource: str) -> str:
    """The ``ip`` of a resource in the output of `cibadmin --query`; empty if it has none."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return ""
    for each in root.iter("primitive"):
        if each.get("id") == resource:
            for pair in each.iter("nvpair"):
                if pair.get("name") == "ip":
                    return pair.get("value", "")
    return ""


def read_addresses(text: str) -> set[str]:
    """The addresses in the output of `ip -j address`."""
    try:
        links = json.loads(text or "[]")
    except ValueError:
        return set()
    return {str(each.get("local")) for link in links for each in link.get("addr_info", ())}
