"""The table of faults: what is done to the cluster, what is measured, and the bar that it is held to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from tests.cluster.lab.lab import NODES, State, nodes, on
from tests.cluster.lab.load import Load


class Fault(NamedTuple):
    """``do`` harms the cluster and returns what to undo it with; ``measure`` gives the figure, in seconds or calls."""

    name: str
    do: Callable[[], None]
    measure: Callable[[Load, float], float]
    unit: str
    bar: float
    queries_must_not_fail: bool = True


def _pid(node: str) -> str:
    """The DSD's process; its unit depends on the layout."""
    return on(node, "cat /run/congressd/dsd-1.pid").strip()


def _dsd() -> str:
    return State().where("dsd")[0]


def _vip() -> str:
    return State().where("vip-api")[0]


def kill_dsd() -> None:
    node = _dsd()
    on(node, f"kill -KILL {_pid(node)}")


def stop_dsd() -> None:
    node = _dsd()
    on(node, f"kill -STOP {_pid(node)}")


def kill_pe() -> None:
    node = next(node for node in NODES if node != _vip())
    on(node, "systemctl kill --signal=KILL --kill-who=all congress-pe@1")


def cut_dsd_node() -> None:
    nodes("kill", _dsd())


def cut_vip_node() -> None:
    nodes("kill", _vip())


def reload_haproxy() -> None:
    for node in NODES:
        on(node, "systemctl reload haproxy")
    time.sleep(1)


def _gap(load: Load, since: float) -> float:
    return load.gap(since)


def _outage(load: Load, since: float) -> float:
    return load.outage(since)


def _failed(load: Load, since: float) -> float:
    del since
    return float(len(load.failures()))


FAULTS = (
    Fault("dsd-killed", kill_dsd, _gap, "s until publishing", 1.0),
    Fault("dsd-stopped", stop_dsd, _gap, "s until publishing", 12.0),
    Fault("pe-killed", kill_pe, _failed, "failed queries", 0.0),
    Fault("haproxy-reloaded", reload_haproxy, _failed, "failed queries", 0.0),
    Fault("dsd-node-off", cut_dsd_node, _gap, "s until publishing", 5.0, queries_must_not_fail=False),
    Fault("vip-node-off", cut_vip_node, _outage, "s until answered", 4.0, queries_must_not_fail=False),
)
