"""The workloads, exactly as the bars define them: data by size, and rules as text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from congressd.model.values import Row

JOIN_RULES = (
    "same_group(x, y) :- keystone:members(x, g), keystone:members(y, g)",
    "error(vm) :- nova:servers(vm, name, host, st, tenant, user, img, fl), "
    "neutron:ports(port, pname, net, vm, mac, pst), "
    'neutron:networks(net, nname, owner, "False"), not same_group(tenant, owner)',
)

SCHEMAS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "nova": {"servers": ("id", "name", "host", "status", "tenant", "user", "image", "flavor")},
    "neutron": {
        "ports": ("id", "name", "network", "server", "mac", "status"),
        "networks": ("id", "name", "owner", "shared"),
    },
    "keystone": {"members": ("tenant", "group")},
}


@dataclass(slots=True)
class Join:
    """The tables of the `join` workload for ``size`` servers; ``ports`` moves as updates are made."""

    size: int
    servers: list[Row]
    ports: list[Row]
    networks: list[Row]
    members: list[Row]

    def moves(self, count: int, seed: int = 7) -> Iterator[tuple[Row, Row]]:
        """Updates: a port leaves its network (first row) for another, random one (second row)."""
        chance = random.Random(seed)
        for _ in range(count):
            at = chance.randrange(self.size)
            old = self.ports[at]
            new = (*old[:2], chance.choice(self.networks)[0], *old[3:])
            self.ports[at] = new
            yield old, new

    def violations(self) -> set[str]:
        """The right answer, by plain loops."""
        groups: dict[object, set[object]] = {}
        for tenant, group in self.members:
            groups.setdefault(tenant, set()).add(group)
        networks = {row[0]: row for row in self.networks}
        tenants = {row[0]: row[4] for row in self.servers}
        return {
            str(port[3])
            for port in self.ports
            if networks[port[2]][3] == "False" and not groups[tenants[port[3]]] & groups[networks[port[2]][2]]
        }


def join(size: int, seed: int = 1) -> Join:
    """``size`` servers with one port each, size/20 networks, size/50 tenants in size/500 groups (at least 3)."""
    chance = random.Random(seed)
    tenants, groups = max(size // 50, 1), max(size // 500, 3)
    members: list[Row] = []
    in_group: dict[int, list[int]] = {}
    of_tenant: dict[int, list[int]] = {}
    for tenant in range(tenants):
        mine = [tenant % groups]
        if chance.random() < 0.1 and (second := chance.randrange(groups)) not in mine:
            mine.append(second)
        for group in mine:
            members.append((f"t{tenant}", f"g{group}"))
            in_group.setdefault(group, []).append(tenant)
            of_tenant.setdefault(tenant, []).append(group)
    networks: list[Row] = []
    owned: dict[int, list[Row]] = {}
    for number in range(max(size // 20, 1)):
        shared = "True" if chance.random() < 0.05 else "False"
        networks.append((f"net-{number}", f"network {number}", f"t{number % tenants}", shared))
        owned.setdefault(number % tenants, []).append(networks[-1])
    servers: list[Row] = []
    ports: list[Row] = []
    for number in range(size):
        tenant = chance.randrange(tenants)
        servers.append(
            (
                f"vm-{number}",
                f"server {number}",
                f"host{number % 200}",
                "ACTIVE",
                f"t{tenant}",
                f"u{chance.randrange(1000)}",
                f"img{number % 50}",
                f"flavor{number % 10}",
            )
        )
        owner = chance.choice(in_group[chance.choice(of_tenant[tenant])])
        friendly = owned.get(owner) if chance.random() < 0.9 else None
        network = chance.choice(friendly or networks)[0]
        ports.append((f"port-{number}", f"port {number}", network, f"vm-{number}", f"mac-{number}", "ACTIVE"))
    return Join(size, servers, ports, networks, members)
