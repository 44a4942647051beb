"""Probes of the network, with programs that say what the real ones do."""

from __future__ import annotations

from pathlib import Path

import pytest

from congressd.config.options import Settings
from congressd.doctor import ask_network
from congressd.doctor.ask_network import Firewall, Name
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Paths, Place

NONE = "Error: No such file or directory\nlist table inet congressd\n           ^^^^^^^^^"
REFUSED = "netlink: Error: cache initialization failed: Operation not permitted (you must be root)"

COROSYNC = """totem {{
    version: 2
}}
nodelist {{
    node {{
        nodeid: 1
        name: localhost
        ring0_addr: {first}
        ring1_addr: 198.51.100.1
    }}
    node {{
        nodeid: 2
        name: no-such-node.invalid
        ring0_addr: 192.0.2.2
    }}
}}
quorum {{
    provider: corosync_votequorum
}}
"""


def place(directory: Path, unit: str = "loaded", nft: str = "") -> Place:
    systemctl = ("printf", f"LoadState={unit}\nActiveState=active\n#%s %s %s")
    fails = ("sh", "-c", f"echo '{nft}' >&2; exit 1")
    paths = Paths(systemd=directory, corosync_config=directory / "corosync.conf")
    return Place(Settings(), paths=paths, programs={"systemctl": systemctl, "nft": fails if nft else ("true",)})


def test_the_table_counts_and_not_the_unit(tmp_path: Path) -> None:
    assert ask_network.ask_firewall(place(tmp_path)) == Firewall("active", table=True)
    assert ask_network.ask_firewall(place(tmp_path, nft=NONE)) == Firewall("active", table=False)
    with pytest.raises(Failed, match="cannot be read"):
        ask_network.ask_firewall(place(tmp_path, nft=REFUSED))
    with pytest.raises(NotHere, match="not installed"):
        ask_network.ask_firewall(place(tmp_path, unit="not-found"))


def test_names_are_those_of_corosync_as_this_node_knows_them(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="corosync"):
        ask_network.ask_names(place(tmp_path))
    (tmp_path / "corosync.conf").write_text(COROSYNC.format(first="192.0.2.1"), encoding="utf-8")
    mine, other = ask_network.ask_names(place(tmp_path))
    assert (mine.name, mine.wanted) == ("localhost", ("192.0.2.1", "198.51.100.1"))
    assert "127.0.0.1" in mine.found
    assert other == Name("no-such-node.invalid", ("192.0.2.2",), ())
