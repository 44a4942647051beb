"""What follows from the state of the node's network. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from congressd.doctor.ask_network import FIREWALL, TABLE, Firewall, Name
from congressd.doctor.finding import Finding, ok, or_fine, problem


def judge_firewall(firewall: Firewall) -> list[Finding]:
    """Whether others are kept from the ports of the cluster."""
    if firewall.table:
        return [ok(f"the table {TABLE} keeps others from the ports of the cluster")]
    open_ports = "anybody may reach the ports of database, broker and cluster manager"
    if firewall.unit == "active":
        return [
            problem(
                f"the unit {FIREWALL} is active, and its table is gone: {open_ports}",
                f"`systemctl restart {FIREWALL}`; whatever flushes all rules (`nft flush ruleset`, a firewall of the "
                f"host's own) must leave the table {TABLE} alone, or restart that unit when it is done",
            )
        ]
    return [
        problem(
            f"the firewall is off ({FIREWALL} is {firewall.unit or 'unknown'}): {open_ports}",
            f"`systemctl enable --now {FIREWALL}`; `journalctl -u {FIREWALL} -e` says why it failed",
        )
    ]


def judge_names(names: Sequence[Name]) -> list[Finding]:
    """Whether each node's name means the node, not the loopback interface or nothing."""
    return or_fine(
        (finding for each in names for finding in _name(each)), f"{len(names)} names of nodes mean corosync's addresses"
    )


def _name(node: Name) -> Iterator[Finding]:
    wanted = [ipaddress.ip_address(each) for each in node.wanted if is_address(each)]
    found = [ipaddress.ip_address(each.partition("%")[0]) for each in node.found]
    meant = ", ".join(node.found) or "nothing"
    if not found or (wanted and wanted[0] not in found) or any(each.is_loopback for each in found):
        yield problem(
            f"the name {node.name} means {meant} here, and corosync has the node at "
            f"{', '.join(node.wanted) or 'no address'}: RabbitMQ and the monitors of the policy engines go by the name",
            "let /etc/hosts name the nodes, and no node as 127.0.1.1: `site.yml --tags common` writes it; see that "
            "nothing rewrites it at boot (`manage_etc_hosts: true` in the user data of cloud-init does)",
        )


def is_address(text: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
