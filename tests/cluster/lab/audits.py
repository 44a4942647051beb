"""What must hold after every fault, whatever it was."""

from __future__ import annotations

import json
from functools import partial

from tests.cluster.lab.lab import NODES, ClusterError, State, on, status, token, wait_until
from tests.cluster.lab.load import POLICY, Load


def held(node: str) -> list[int]:
    """The numbers that the PE of a node holds; asked there, since the firewall lets nobody else."""
    url = f"http://{node}:1790/v1/policies/{POLICY}/tables/seen/rows"
    text = on(node, f"curl --silent --max-time 5 --header 'Authorization: Bearer {token()}' {url}")
    return [row["data"][0] for row in json.loads(text)["results"]]


def _holds(node: str, wanted: int) -> bool:
    return wanted in held(node)


class Auditor:
    """Remembers what may only grow."""

    def __init__(self) -> None:
        self._epoch = 0

    def audit(self, load: Load) -> list[str]:
        """Every rule that is broken, in a sentence each; waits a little for the cluster to come to rest."""
        found: list[str] = []
        try:
            wait_until(lambda: State().whole(), "all nodes online, everything running", 180, pause=1.0)
            wait_until(lambda: all(self._galera(node) == "Synced" for node in NODES), "all databases synced", 120, 1.0)
            wait_until(lambda: self._brokers() == len(NODES), "all brokers in one cluster", 120, 1.0)
        except ClusterError as error:
            return [str(error)]
        told = {node: self._dsd(node) for node in NODES}
        active = {node: epoch for node, epoch in told.items() if epoch}
        if len(active) != 1:
            found.append(f"one active DSD is wanted; there are {sorted(active)}")
        for node, epoch in active.items():
            if epoch < self._epoch:
                found.append(f"the epoch on {node} is {epoch}, lower than {self._epoch} before")
            self._epoch = max(self._epoch, epoch)
        holders = [node for node in NODES if "198.18.0.20/" in on(node, "ip -brief -4 address")]
        if len(holders) != 1:
            found.append(f"one node with the API's address is wanted; there are {holders}")
        if load.accepted:
            found += self._last_push(load.accepted[-1])
        return found

    @staticmethod
    def _last_push(wanted: int) -> list[str]:
        """The last push that was accepted must be what every PE holds."""
        found = []
        for node in NODES:
            try:
                wait_until(partial(_holds, node, wanted), f"push {wanted} held on {node}", 15)
            except ClusterError as error:
                found.append(f"{error}; it holds {held(node)}")
        return found

    @staticmethod
    def _galera(node: str) -> str:
        text = on(node, "mariadb -NBe \"SHOW STATUS LIKE 'wsrep_local_state_comment'\"").split()
        return text[-1] if text else ""

    @staticmethod
    def _brokers() -> int:
        return int(on(NODES[0], "rabbitmqctl --quiet eval 'length(rabbit_nodes:all_running()).'"))

    @staticmethod
    def _dsd(node: str) -> int:
        try:
            return int(status(node, "dsd").get("epoch") or 0)
        except (ClusterError, ValueError, KeyError):
            return 0
