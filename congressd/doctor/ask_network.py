"""Probes of the node's network: the firewall's table, and what the names of the cluster's nodes mean here."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Final

from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Place

FIREWALL: Final = "congressd-firewall"  #: the unit that makes `TABLE`
TABLE: Final = "inet congressd"


@dataclass(frozen=True, slots=True)
class Firewall:
    """The rules that keep others from the cluster's ports: the unit's state, and whether the kernel has its table."""

    unit: str
    table: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A node of the cluster: its addresses for corosync (the first ring's first), and those that its name means."""

    name: str
    wanted: tuple[str, ...]
    found: tuple[str, ...]


def ask_firewall(place: Place) -> Firewall:
    """What the kernel has of the playbook's rules. Raises NotHere, Failed."""
    if not place.paths.systemd.is_dir():
        raise NotHere("systemd does not run this machine")
    said = place.run("systemctl", "show", "--property=LoadState,ActiveState", f"{FIREWALL}.service").text
    unit = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if unit.get("LoadState") != "loaded":
        raise NotHere(f"the unit {FIREWALL} is not installed")
    table = place.run("nft", "list", "table", *TABLE.split())
    if table.code != 0 and "No such file" not in table.errors:
        raise Failed(f"the rules of the firewall cannot be read: {table.complaint}", "run the doctor as root")
    return Firewall(unit.get("ActiveState", ""), table.code == 0)


def ask_names(place: Place) -> list[Name]:
    """What each node's name means on this node. Raises NotHere, Failed."""
    file = place.paths.corosync_config
    try:
        nodes = read_nodes(file.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        raise NotHere("corosync is not set up on this node") from None
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}", "run the doctor as root") from None
    if not nodes:
        raise NotHere(f"{file} names no nodes")
    return [Name(name, addresses, _meant(name)) for name, addresses in nodes.items()]


def read_nodes(text: str) -> dict[str, tuple[str, ...]]:
    """The addresses of each node of a corosync.conf, ring by ring. A node without a name is passed over."""
    found = {}
    for block in re.findall(r"^\s*node\s*\{([^{}]*)\}", text, re.MULTILINE):
        said = dict(re.findall(r"^\s*(\w+)\s*:\s*(\S+)", block, re.MULTILINE))
        if "name" in said:
            found[said["name"]] = tuple(said[ring] for ring in sorted(said) if re.fullmatch(r"ring\d+_addr", ring))
    return found


def _meant(name: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))
