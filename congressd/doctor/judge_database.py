"""What follows from the state of the database. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from congressd.doctor.ask_database import Galera, Key, Lease, Reached, Schema
from congressd.doctor.finding import Finding, ok, or_fine, problem, warning

SLOW: Final = 0.5  #: seconds for a trivial question
PAUSED: Final = 0.1  #: share of time in which replication was held up by a slow node
QUEUE: Final = 50  #: write sets that wait to be applied
LEASE_OVER: Final = 5.0  #: seconds after the end of a lease; a holder renews it every few seconds


def judge_database(reached: Reached) -> list[Finding]:
    """Whether it answers, soon, and takes writes."""
    told = f"{reached.name} answers in {1000 * reached.seconds:.0f} ms"
    if not reached.writable:
        return [
            problem(
                f"{reached.name} answers and is read only",
                "see who made it so; `mariadb -e 'SET GLOBAL read_only = OFF'` on that node ends it",
            )
        ]
    if reached.seconds > SLOW:
        return [warning(told, "look for load on the database's node: `mariadb -e 'SHOW PROCESSLIST'`, `iostat -x 1`")]
    return [ok(told)]


def judge_schema(schema: Schema) -> list[Finding]:
    """Whether the database is as this version needs it."""
    if schema.current == schema.needed:
        return [ok(f"{schema.current}, as this version needs it")]
    if schema.current and schema.current > schema.needed:
        return [
            problem(
                f"the schema is {schema.current}, of a newer version; this one needs {schema.needed}",
                "with the checkout of the newer version `rolling-upgrade.yml`, since this node was left behind; or go "
                "back as docs/operate.md says under Upgrading",
            )
        ]
    return [
        problem(
            f"the schema is {schema.current or 'that of an empty database'}, this version needs {schema.needed}",
            "`congressd db upgrade --config /etc/congressd/congressd.conf`",
        )
    ]


def judge_key(key: Key) -> list[Finding]:
    """Whether secrets can be read."""
    if key.refusal:
        return [
            problem(
                f"{key.file} is not the cluster's key: {key.refusal}",
                f"copy {key.file} from a node where `congressd doctor --only key` is content, or from the backup",
            )
        ]
    if not key.checked:
        return [ok(f"{key.file} holds a key; the database has seen none yet")]
    return [ok(f"{key.file} opens the database's secrets")]


def judge_lease(lease: Lease) -> list[Finding]:
    """Whether a datasource node publishes."""
    if lease.left < -LEASE_OVER:
        return [
            problem(
                f"no datasource node is active: {lease.node} {_ended(-lease.left)} (epoch {lease.epoch})",
                "pushes are taken and wait. In a cluster `pcs status` says why the DSD does not run; else start it: "
                "`systemctl start congress-dsd`, or `congressd serve`",
            )
        ]
    return [ok(f"{lease.node} is active with epoch {lease.epoch}")]


def _ended(seconds: float) -> str:
    """How the last one ended; a lease that was given back ended in 1970."""
    if seconds > 10 * 365 * 86400:
        return "stopped in good order"
    return f"has not been heard for {seconds:.0f} s" if seconds < 600 else f"ended {seconds / 60:.0f} min ago"


def judge_galera(nodes: Sequence[Galera]) -> list[Finding]:
    """Whether all nodes replicate."""
    findings = [finding for node in nodes for finding in _galera(node)]
    seen: dict[str, Finding] = {finding.fact: finding for finding in findings}
    first = next((node for node in nodes if "wsrep_cluster_size" in node.status), nodes[0])
    return or_fine(
        seen.values(),
        f"{first.status.get('wsrep_cluster_size')} nodes, {first.status.get('wsrep_local_state_comment')}, "
        f"flow control {100 * _number(first, 'wsrep_flow_control_paused'):.1f} % of the time",
    )


def _galera(node: Galera) -> Iterator[Finding]:
    where = node.variables.get("wsrep_node_name") or node.where
    status = node.status
    if "error" in status:
        yield problem(
            f"MariaDB on {where} refuses the doctor: {status['error']}",
            "run the doctor as root; `systemctl status mariadb`",
        )
        return
    if status.get("wsrep_cluster_status") != "Primary" or status.get("wsrep_ready") != "ON":
        yield problem(
            f"{where} is not in the primary component ({status.get('wsrep_cluster_status')}): it takes no writes",
            'look at the links between the nodes; if all nodes went down: docs/operate.md, "All nodes lost power"',
        )
    elif status.get("wsrep_local_state") != "4":
        yield warning(
            f"{where} is not synced: {status.get('wsrep_local_state_comment')}",
            "it catches up by itself; `journalctl -u mariadb` there if it takes longer than some minutes",
        )
    expected = expected_nodes(node.variables.get("wsrep_cluster_address", ""))
    size = int(_number(node, "wsrep_cluster_size"))
    if size < expected:
        yield problem(
            f"{size} of {expected} database nodes are in the cluster",
            "`systemctl start mariadb` on the one that is missing; `journalctl -u mariadb` there says why not",
        )
    elif size == 2:
        yield warning(
            "the database cluster has two nodes: when one dies, the other takes no writes", "add a third node"
        )
    paused = _number(node, "wsrep_flow_control_paused")
    if paused > PAUSED:
        yield warning(
            f"{where}: writes waited {100 * paused:.0f} % of the time for a node that is slow (flow control)",
            "find the slow one: `mariadb -e \"SHOW STATUS LIKE 'wsrep_local_recv_queue_avg'\"` on each; it needs a "
            "faster disk or less load",
        )
    queue = int(_number(node, "wsrep_local_recv_queue"))
    if queue > QUEUE:
        yield warning(
            f"{where} has {queue} write sets to apply", "it lags: look at its disk and load with `iostat -x 1`"
        )
    if node.variables.get("innodb_flush_log_at_trx_commit", "1") != "1":
        yield warning(
            f"{where} does not write each commit to disk (innodb_flush_log_at_trx_commit = "
            f"{node.variables['innodb_flush_log_at_trx_commit']}): a power cut of all nodes loses what was accepted",
            "set it to 1 in MariaDB's configuration and restart one node after the other; site.yml does so",
        )


def expected_nodes(address: str) -> int:
    """How many nodes an address such as ``gcomm://a,b,c`` names; 0 for one that names none."""
    return len([each for each in address.removeprefix("gcomm://").partition("?")[0].split(",") if each.strip()])


def _number(node: Galera, name: str) -> float:
    try:
        return float(node.status.get(name, 0))
    except ValueError:
        return 0.0
