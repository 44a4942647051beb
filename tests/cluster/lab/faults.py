"""The table of faults: what is done to the cluster, what is measured, and the bar that it is held to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.cluster.lab.lab import NODES, SCRIPT, ClusterError, State, nodes, on, wait_until
from tests.cluster.lab.load import Load
from tests.cluster.lab.partition import cut_dsd_node
from tests.cluster.lab.upgrade import upgrade

OUTAGE = 60.0  #: seconds for which nobody reaches the database: some leases


class Outcome(NamedTuple):
    """What a fault came to: the figure, unless it is read from the load, and what was broken, in sentences."""

    figure: float | None = None
    broken: tuple[str, ...] = ()


class Fault(NamedTuple):
    """``do`` harms the cluster under load and repairs what does not repair itself.

    ``measure`` gives the figure where ``do`` has none; ``patience`` is that of queries, in seconds; ``failing`` is
    what may fail: nothing, pushes, or anything.
    """

    name: str
    do: Callable[[Load], Outcome]
    unit: str
    bar: float
    measure: Callable[[Load, float], float]
    failing: str = "pushes"
    patience: float = 10.0


def _dsd() -> str:
    return State().where("dsd")[0]


def _vip() -> str:
    return State().where("vip-api")[0]


def _signal_dsd(name: str) -> Outcome:
    on(_dsd(), f"kill -{name} $(cat /run/congressd/dsd-1.pid)")
    return Outcome()


def _kill_pe(_: Load) -> Outcome:
    node = next(node for node in NODES if node != _vip())
    on(node, "systemctl kill --signal=KILL --kill-who=all congress-pe@1")
    return Outcome()


def _power_cut(node: str) -> Outcome:
    nodes("kill", node)
    return Outcome()


def _shut_down(load: Load) -> Outcome:
    """The DSD's node is shut down as an operator does, and started again; how long it takes to go is told."""
    node = _dsd()
    began = time.monotonic()
    on(node, "systemctl poweroff --no-block")
    wait_until(lambda: _is_off(node), f"{node} is off", 180)
    took = time.monotonic() - began
    load.settle(20, 60)
    nodes("start", node)
    return Outcome(took)


def _is_off(node: str) -> bool:
    return any(line.split()[0] == node and line.endswith("STOPPED") for line in nodes("status").splitlines())


def _reload_haproxy(_: Load) -> Outcome:
    for node in NODES:
        on(node, "systemctl reload haproxy")
    time.sleep(1)  # for the old workers to end under load
    return Outcome()


def _off_for_good(load: Load) -> Outcome:
    """The DSD's node has no power for a while: the others go on; then it rejoins, and how long that takes is told."""
    node = _dsd()
    return _without(load, node, "off", lambda: nodes("start", node))


def _disk_lost(load: Load) -> Outcome:
    """The same, and the node comes back with an empty disk: the playbook makes it what it was."""
    node = _dsd()

    def rebuild() -> None:
        nodes("start", node)
        nodes("up")  # until it answers
        script = SCRIPT.with_name("cluster")
        done = subprocess.run([script, "deploy"], capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            raise ClusterError(f"the playbook failed: {done.stdout[-1500:]}{done.stderr[-500:]}")

    return _without(load, node, "lose", rebuild)


def _without(load: Load, node: str, harm: str, repair: Callable[[], object]) -> Outcome:
    nodes(harm, node)
    load.settle(1, 30)
    failed = len(load.failures())
    load.settle(50, 60)
    broken = (
        [f"{len(load.failures()) - failed} queries failed while {node} was off"] if load.failures()[failed:] else []
    )
    began = time.monotonic()
    repair()
    try:
        wait_until(_is_whole, f"{node} has rejoined", 180, pause=0.5)
    except ClusterError as error:
        return Outcome(float("inf"), (*broken, str(error)))
    return Outcome(time.monotonic() - began, tuple(broken))


def _all_off(load: Load) -> Outcome:
    """All nodes lose power, and get it back: nobody knows at first who was the last to write."""
    for node in NODES:
        nodes("off", node)
    for node in NODES:
        nodes("start", node)
    began = time.monotonic()
    load.settle(1, 240)
    return Outcome(time.monotonic() - began)


def _database_away(load: Load) -> Outcome:
    """The daemons reach no database for longer than a lease; then they do: nobody may have been banned meanwhile."""
    chain = "chain inet outage input { type filter hook input priority -10; }"
    refuse = "rule inet outage input tcp dport 3307 reject with tcp reset"
    for node in NODES:
        on(node, f"echo 'add table inet outage; add {chain}; add {refuse}' | nft -f -")
    try:
        time.sleep(OUTAGE)
        failed = len(load.failures())
    finally:
        for node in NODES:
            on(node, "nft delete table inet outage")
    began = time.monotonic()
    load.settle(1, 180)
    broken = [f"{failed} queries failed while the database was away"] if failed else []
    return Outcome(time.monotonic() - began, tuple(broken))


def _is_whole() -> bool:
    return State().whole()


def _partition(load: Load) -> Outcome:
    """The DSD's node is alone; not the one with the API's address, which is another fault."""
    node = _dsd()
    if node == _vip():
        node = next(other for other in NODES if other != node)
        on(node, f"pcs resource move dsd-clone {node} --promoted")
    return Outcome(*cut_dsd_node(load, node))


def _upgrade(load: Load) -> Outcome:
    return Outcome(*upgrade(load))


def _gap(load: Load, since: float) -> float:
    return load.gap(since)


def _outage(load: Load, since: float) -> float:
    return load.outage(since)


def _failed(load: Load, since: float) -> float:
    del since
    return float(len(load.failures()))


PUBLISHING = "s until new rows are in the tables"
FAULTS = (
    Fault("dsd-killed", lambda _: _signal_dsd("KILL"), PUBLISHING, 1.0, _gap),
    Fault("dsd-stopped", lambda _: _signal_dsd("STOP"), PUBLISHING, 12.0, _gap),
    Fault("pe-killed", _kill_pe, "failed queries", 0.0, _failed),
    Fault("haproxy-reloaded", _reload_haproxy, "failed queries", 0.0, _failed, failing="nothing"),
    Fault("shut-down", _shut_down, "s from the command until it is off", 30.0, _gap, failing="nothing"),
    Fault("dsd-node-off", lambda _: _power_cut(_dsd()), PUBLISHING, 5.0, _gap),
    Fault("vip-node-off", lambda _: _power_cut(_vip()), "s until a call is answered", 4.0, _outage, "anything", 0.3),
    Fault("off-for-good", _off_for_good, "s from power to all running again", 60.0, _gap),
    Fault("disk-lost", _disk_lost, "s from power to all running again, by the playbook", 300.0, _gap),
    Fault("partition", _partition, "s, age of rows that did not say so", 5.0, _gap),
    Fault("database-away", _database_away, "s from its return until new rows are in the tables", 10.0, _gap),
    Fault("all-off", _all_off, "s from power until new rows are in the tables", 120.0, _gap, "anything", 1.0),
    Fault("rolling-upgrade", _upgrade, "failed queries and pushes", 0.0, _failed, failing="nothing"),
)
