"""Facts in, findings out: each case is facts, the worst level, and words that the findings must have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from congressd.doctor import judge_bus, judge_database, judge_machine, judge_network, judge_pacemaker, judge_service
from congressd.doctor.ask_bus import Broker, Brokers, Queue
from congressd.doctor.ask_daemons import Daemon, Release
from congressd.doctor.ask_database import Galera, Key, Lease, Reached, Schema
from congressd.doctor.ask_haproxy import Certificate, Server
from congressd.doctor.ask_http import Api
from congressd.doctor.ask_machine import Disk, Kept, Unit
from congressd.doctor.ask_network import Firewall, Name
from congressd.doctor.ask_pacemaker import Address, Cluster, FenceEvent, Member, Quorum, Resource, Watchdog
from congressd.doctor.finding import Finding, Level

GB = 1024**3
NOW = datetime(2026, 6, 1, tzinfo=UTC)

SYNCED = {
    "wsrep_cluster_size": "3", "wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state": "4",
    "wsrep_local_state_comment": "Synced", "wsrep_flow_control_paused": "0.0", "wsrep_local_recv_queue": "0",
}  # fmt: skip
VARIABLES = {
    "wsrep_cluster_address": "gcomm://192.0.2.1,192.0.2.2,192.0.2.3", "wsrep_node_name": "ctl1",
    "innodb_flush_log_at_trx_commit": "1",
}  # fmt: skip


def galera(status: dict[str, str] | None = None, variables: dict[str, str] | None = None) -> list[Galera]:
    return [Galera("this node", SYNCED | (status or {}), VARIABLES | (variables or {}))]


def brokers(**more: Any) -> Brokers:
    """Three that run, with one good queue, but for what is told."""
    names = ("rabbit@ctl1", "rabbit@ctl2", "rabbit@ctl3")
    usual: dict[str, Any] = {"running": names, "known": names, "partitioned": False, "alarms": ()}
    return Brokers(**(usual | {"queues": (queue(),)} | more))


def queue(**more: Any) -> Queue:
    nodes = ("rabbit@ctl1", "rabbit@ctl2", "rabbit@ctl3")
    usual: dict[str, Any] = {
        "name": "q",
        "kind": "quorum",
        "messages": 0,
        "consumers": 1,
        "state": "running",
        "leader": nodes[0],
    }
    return Queue(**(usual | {"members": nodes, "online": nodes} | more))


def daemon(name: str = "pe-1", **said: Any) -> list[Daemon]:
    usual = {"state": "ready", "bus": True, "database": True, "work_age": 0.2, "last_batch_age": 3.0, "sources": 2}
    return [Daemon(name, usual | said)]


def node(name: str, **said: Any) -> dict[str, Any]:
    role = "dsd" if "dsd" in name else "pe"
    return {"node": name, "role": role, "state": "ready", "revision": 7, "version": "1.0", "silent_seconds": 1.0} | said


def api(**more: Any) -> list[Api]:
    usual: dict[str, Any] = {"address": "http://192.0.2.1:1790", "ready": True, "version": "1.0", "ahead": 0.1}
    return [Api(**(usual | more))]


def unit(name: str, active: str = "active", enabled: str = "disabled", restarts: int = 0) -> Unit:
    return Unit(f"{name}.service", active, "success" if active == "active" else "exit-code", restarts, enabled)


def certificate(
    days: float = 90,
    names: tuple[str, ...] = ("congress.example.org",),
    begin: float = -1,
    served: bool | None = True,
) -> Certificate:
    return Certificate("/etc/api.pem", names, NOW + timedelta(begin), NOW + timedelta(days), "192.0.2.20", served)


MEMBERS = tuple(Member(name, online=True) for name in ("ctl1", "ctl2", "ctl3"))
FENCE = Resource("fence-1", "stonith:fence_virsh", "Started", ("ctl1",))
PACEMAKER = unit("pacemaker")
PROBLEM, WARNING, OK, NOT_HERE = Level.PROBLEM, Level.WARNING, Level.OK, Level.NOT_HERE


def cluster(resources: Sequence[Resource] = (FENCE,), fencing: str = "true", **more: Any) -> Cluster:
    options = {"stonith-enabled": fencing} | more.pop("options", {})
    return Cluster("ctl1", quorum=True, options=options, members=MEMBERS, resources=tuple(resources), **more)


def address(**more: Any) -> Address:
    usual: dict[str, Any] = {
        "ip": "192.0.2.20",
        "resource": "vip-api",
        "here": "ctl1",
        "holders": ("ctl1",),
        "held": True,
    }
    return Address(**(usual | {"url": "http://192.0.2.20:1789", "answer": ""} | more))


def names(*found: str, wanted: str = "192.0.2.2") -> list[Finding]:
    return judge_network.judge_names([Name("ctl1", ("192.0.2.1",), ("192.0.2.1",)), Name("ctl2", (wanted,), found)])


def clocks(ahead: dict[str, tuple[float, float]], synchronised: bool | None) -> list[Finding]:
    return judge_service.judge_clocks(ahead, synchronised)


CASES: dict[str, tuple[Sequence[Finding], Level, str]] = {
    # database
    "answers": (judge_database.judge_database(Reached("db", 0.01, "10.11", True)), OK, "answers in 10 ms"),
    "slow": (judge_database.judge_database(Reached("db", 2.0, "10.11", True)), WARNING, "PROCESSLIST"),
    "read only": (judge_database.judge_database(Reached("db", 0.01, "10.11", False)), PROBLEM, "read only"),
    "schema": (judge_database.judge_schema(Schema("0003", "0003")), OK, "0003"),
    "old schema": (judge_database.judge_schema(Schema("0001", "0003")), PROBLEM, "congressd db upgrade"),
    "new schema": (judge_database.judge_schema(Schema("0004", "0003")), PROBLEM, "of a newer version"),
    "empty": (judge_database.judge_schema(Schema(None, "0003")), PROBLEM, "empty database"),
    "key": (judge_database.judge_key(Key(Path("/k"), True, "")), OK, "opens"),
    "no check value": (judge_database.judge_key(Key(Path("/k"), False, "")), OK, "seen none yet"),
    "other key": (judge_database.judge_key(Key(Path("/k"), True, "no key opens")), PROBLEM, "copy /k from a node"),
    "lease": (judge_database.judge_lease(Lease(5, "ctl1.dsd-1", 9.0)), OK, "epoch 5"),
    "late renewal": (judge_database.judge_lease(Lease(5, "ctl1.dsd-1", -2.0)), OK, "active"),
    "lease over": (judge_database.judge_lease(Lease(5, "ctl1.dsd-1", -60.0)), PROBLEM, "for 60 s"),
    "lease long over": (judge_database.judge_lease(Lease(5, "ctl1.dsd-1", -3600.0)), PROBLEM, "60 min ago"),
    "lease given back": (judge_database.judge_lease(Lease(5, "ctl1.dsd-1", -1.8e9)), PROBLEM, "in good order"),
    # Galera
    "synced": (judge_database.judge_galera(galera()), OK, "3 nodes, Synced"),
    "non-primary": (judge_database.judge_galera(galera({"wsrep_cluster_status": "non-Primary"})), PROBLEM, "All nodes"),
    "not ready": (judge_database.judge_galera(galera({"wsrep_ready": "OFF"})), PROBLEM, "takes no writes"),
    "donor": (judge_database.judge_galera(galera({"wsrep_local_state": "2"})), WARNING, "not synced"),
    "one away": (judge_database.judge_galera(galera({"wsrep_cluster_size": "2"})), PROBLEM, "2 of 3 database nodes"),
    "two by design": (
        judge_database.judge_galera(galera({"wsrep_cluster_size": "2"}, {"wsrep_cluster_address": "gcomm://a,b"})),
        WARNING, "third node",
    ),
    "flow control": (judge_database.judge_galera(galera({"wsrep_flow_control_paused": "0.4"})), WARNING, "40 %"),
    "receive queue": (judge_database.judge_galera(galera({"wsrep_local_recv_queue": "900"})), WARNING, "900 write"),
    "lossy commits": (
        judge_database.judge_galera(galera(variables={"innodb_flush_log_at_trx_commit": "0"})), WARNING, "power cut",
    ),
    "refused": (judge_database.judge_galera([Galera("this node", {"error": "Access denied"}, {})]), PROBLEM, "as root"),
    # RabbitMQ
    "all brokers": (judge_bus.judge_brokers([Broker("a:5672", "3.10"), Broker("b:5672", "3.10")]), OK, "2 of 2"),
    "one broker": (
        judge_bus.judge_brokers([Broker("a:5672", "3.10"), Broker("b:5672", refusal="Connection refused")]),
        WARNING, "systemctl start rabbitmq-server",
    ),
    "no broker": (judge_bus.judge_brokers([Broker("a:5672", refusal="No route")]), PROBLEM, "No route"),
    "password": (
        judge_bus.judge_brokers([Broker("a:5672", refusal="it refuses the user name or password")]), PROBLEM, "list_u"
    ),
    "queues": (judge_bus.judge_queues(brokers()), OK, "3 brokers, 1 queues, 0 messages"),
    "broker down": (judge_bus.judge_queues(brokers(running=("rabbit@ctl1", "rabbit@ctl2"))), WARNING, "rabbit@ctl3"),
    "split": (judge_bus.judge_queues(brokers(partitioned=True)), PROBLEM, "split"),
    "alarm": (judge_bus.judge_queues(brokers(alarms=("disk rabbit@ctl1",))), PROBLEM, "free disk"),
    "lost queue": (judge_bus.judge_queues(brokers(queues=(queue(leader=""),))), PROBLEM, "delete_queue q"),
    "minority": (judge_bus.judge_queues(brokers(queues=(queue(online=("rabbit@ctl1",)),))), PROBLEM, "no leader"),
    "two of three": (
        judge_bus.judge_queues(brokers(queues=(queue(online=("rabbit@ctl1", "rabbit@ctl2")),))), WARNING, "not on all"
    ),
    "too few copies": (
        judge_bus.judge_queues(brokers(queues=(queue(members=("rabbit@ctl1",), online=("rabbit@ctl1",)),))),
        WARNING, "rabbitmq-queues grow rabbit@ctl3 all",
    ),
    "no copies of classic queues": (
        judge_bus.judge_queues(brokers(queues=(queue(kind="classic", members=()),))), OK, "3 brokers"
    ),
    "backlog": (judge_bus.judge_queues(brokers(queues=(queue(messages=5000),))), WARNING, "reader lags"),
    "no reader": (judge_bus.judge_queues(brokers(queues=(queue(messages=5000, consumers=0),))), WARNING, "no reader"),
    "soon removed": (
        judge_bus.judge_queues(brokers(queues=(queue(messages=5000, consumers=0, expires=True),))), OK, "5000 messages",
    ),
    "dead classic": (judge_bus.judge_queues(brokers(queues=(queue(kind="classic", state="down"),))), PROBLEM, "leader"),
    "many": (judge_bus.judge_queues(brokers(queues=(queue(leader=""),) * 9)), PROBLEM, "4 more queues"),
    # corosync and Pacemaker
    "quorum": (judge_pacemaker.judge_quorum(Quorum(True, 3, 3)), OK, "3 of 3"),
    "one vote away": (judge_pacemaker.judge_quorum(Quorum(True, 3, 2)), WARNING, "2 of 3"),
    "no quorum": (judge_pacemaker.judge_quorum(Quorum(False, 3, 1)), PROBLEM, "no quorum"),
    "two nodes": (judge_pacemaker.judge_quorum(Quorum(True, 2, 2)), WARNING, "three nodes"),
    "maintenance": (judge_pacemaker.judge_cluster(cluster(options={"maintenance-mode": "true"})), WARNING, "=false"),
    "no quorum policy": (
        judge_pacemaker.judge_cluster(cluster(options={"no-quorum-policy": "ignore"})), PROBLEM, "no-quorum-policy=stop"
    ),
    "all stopped": (judge_pacemaker.judge_cluster(cluster(options={"stop-all-resources": "true"})), PROBLEM, "stop"),
    "unclean": (
        judge_pacemaker.judge_cluster(Cluster("a", True, {}, (Member("b", False, unclean=True),))), PROBLEM, "confirm b"
    ),
    "no coordinator": (judge_pacemaker.judge_cluster(Cluster("", True, {}, MEMBERS)), PROBLEM, "election"),
    "joining": (
        judge_pacemaker.judge_cluster(Cluster("a", True, {}, (Member("b", True, pending=True),))), WARNING, "joining"
    ),
    "node in maintenance": (
        judge_pacemaker.judge_cluster(Cluster("a", True, {}, (Member("b", True, maintenance=True),))),
        WARNING, "pcs node unmaintenance b",
    ),
    "fencing": (judge_pacemaker.judge_fencing(Watchdog(cluster(), "")), OK, "1 fence devices"),
    "watchdog": (judge_pacemaker.judge_fencing(Watchdog(cluster(()), "10s")), OK, "watchdog, 10s"),
    "watchdog fed": (judge_pacemaker.judge_fencing(Watchdog(cluster(()), "10s", "active")), OK, "watchdog, 10s"),
    "no SBD": (
        judge_pacemaker.judge_fencing(Watchdog(cluster(()), "10s", "inactive")), PROBLEM, "systemctl enable sbd"
    ),
    "no SBD wanted": (judge_pacemaker.judge_fencing(Watchdog(cluster(), "0", "inactive")), OK, "1 fence devices"),
    "fencing off": (judge_pacemaker.judge_fencing(Watchdog(cluster(fencing="false"), "")), PROBLEM, "fencing is off"),
    "no device": (judge_pacemaker.judge_fencing(Watchdog(cluster(()), "")), PROBLEM, "no fence device"),
    "device down": (
        judge_pacemaker.judge_fencing(Watchdog(cluster([Resource("f", "stonith:x", "Stopped", (), failed=True)]), "")),
        PROBLEM, "pcs stonith cleanup f",
    ),
    "address": (judge_pacemaker.judge_address(address()), OK, "on ctl1"),
    "address nowhere": (judge_pacemaker.judge_address(address(holders=(), held=False)), PROBLEM, "on no node"),
    "address twice": (judge_pacemaker.judge_address(address(holders=("ctl1", "ctl2"))), PROBLEM, "ctl1 and ctl2"),
    "address stolen": (judge_pacemaker.judge_address(address(holders=("ctl2",))), PROBLEM, "two nodes may have it"),
    "address missing": (judge_pacemaker.judge_address(address(held=False)), PROBLEM, "and it has not"),
    "address dead": (judge_pacemaker.judge_address(address(answer="no answer")), PROBLEM, "does not serve"),
    # congressd
    "daemon": (judge_service.judge_daemons(daemon()), OK, "pe-1 ready, last batch 3 s ago"),
    "active": (judge_service.judge_daemons(daemon("dsd-1", state="active", epoch=12)), OK, "epoch 12"),
    "silent daemon": (judge_service.judge_daemons([Daemon("pe-2", {}, "nothing answers")]), PROBLEM, "congress-pe@2"),
    "hung": (judge_service.judge_daemons(daemon(work_age=99.0)), PROBLEM, "has not turned for 99 s"),
    "hung DSD": (
        judge_service.judge_daemons(daemon("dsd-1", work_age=99.0)), PROBLEM, "systemctl try-restart 'congress-dsd*'"
    ),
    "no bus": (judge_service.judge_daemons(daemon(bus=False)), PROBLEM, "--only rabbitmq"),
    "no database": (judge_service.judge_daemons(daemon(database=False)), PROBLEM, "--only database"),
    "starting": (judge_service.judge_daemons(daemon(state="starting", reason="no rows of x")), WARNING, "no rows of x"),
    "draining": (judge_service.judge_daemons(daemon(state="draining")), WARNING, "no more calls"),
    "sources fail": (
        judge_service.judge_daemons(daemon("dsd-1", failing=["cloud"])), WARNING, "congress source show cloud"
    ),
    "release": (judge_service.judge_releases([Release("pe-1", "1.0-b", "1.0-b")]), OK, "1 daemons run 1.0-b"),
    "older release": (
        judge_service.judge_releases([Release("dsd-1", "1.0-b", "1.0-b"), Release("pe-1", "1.0-a", "1.0-b")]),
        WARNING, "pe-1 runs the release 1.0-a, and 1.0-b is installed finish the upgrade: run rolling-upgrade.yml",
    ),
    "api": (judge_service.judge_apis(api()), OK, "ready"),
    "api away": (judge_service.judge_apis(api(silence="it gives no answer: refused")), PROBLEM, "congressd serve"),
    "api not ready": (judge_service.judge_apis(api(ready=False, missing=("cloud",))), WARNING, "cloud"),
    "tokens": (judge_service.judge_apis(api(access="line 3 is bad")), PROBLEM, "congressd token list"),
    "nodes": (judge_service.judge_nodes([node("a.pe-1"), node("b.dsd-1", state="active")]), OK, "2 heard"),
    "silent node": (
        judge_service.judge_nodes([node("b.dsd-1", state="active"), node("c.pe-1", state="silent", silent_seconds=40)]),
        WARNING, "40 s",
    ),
    "no dsd": (judge_service.judge_nodes([node("a.pe-1")]), PROBLEM, "no datasource node"),
    "two dsds": (
        judge_service.judge_nodes([node("a.dsd-1", state="active"), node("b.dsd-1", state="active")]), WARNING, "lower"
    ),
    "lagging node": (
        judge_service.judge_nodes([node("a.pe-1", revision=900), node("b.pe-1"), node("c.dsd-1", state="active")]),
        WARNING, "b.pe-1 is 893 revisions",
    ),
    "versions differ": (
        judge_service.judge_nodes([node("a.pe-1", version="1.1"), node("b.dsd-1", state="active")]),
        WARNING, "1.0 on b.dsd-1; 1.1 on a.pe-1",
    ),
    "peers": (judge_service.judge_peers(api(), "1.0"), OK, "all with congressd 1.0"),
    "peer of another version": (judge_service.judge_peers(api(version="0.9"), "1.0"), WARNING, "rolling-upgrade.yml"),
    "peer away": (judge_service.judge_peers(api(silence="no route"), "1.0"), WARNING, "no route"),
    "servers": (judge_service.judge_servers([Server("pe", "a-1", "UP", ""), Server("db", "a", "UP", "")]), OK, "2 se"),
    "server down": (
        judge_service.judge_servers([Server("pe", "a-1", "UP", ""), Server("pe", "b-1", "DOWN", "L7STS")]),
        WARNING, "b-1 (DOWN, L7STS)",
    ),
    "all servers down": (judge_service.judge_servers([Server("db", "a", "DOWN", "")]), PROBLEM, "no database to send"),
    "other servers": (judge_service.judge_servers([]), NOT_HERE, "no servers"),
    "clocks": (clocks({"the database": (0.2, 0.01)}, True), OK, "differ by less than 1 s"),
    "whole seconds": (clocks({"http://192.0.2.2:1790": (1.3, 1.0)}, None), OK, "1 other clocks"),
    "clock ahead": (clocks({"the database": (3.0, 0.01)}, True), WARNING, "3.0 s ahead"),
    "clock far behind": (clocks({"the database": (-700.0, 0.01)}, True), PROBLEM, "700.0 s behind"),
    "free clock": (clocks({}, False), WARNING, "chrony"),
    "no clock": (clocks({}, None), NOT_HERE, "no other clock"),
    # the machine
    "configuration": (judge_machine.judge_configuration(True, (), "/c"), OK, "/c is fine"),
    "noted": (judge_machine.judge_configuration(True, ("x is ignored",), "/c"), WARNING, "remove it"),
    "bad": (judge_machine.judge_configuration(False, ("x is 7",), "/c"), PROBLEM, "congressd config check /c"),
    "versions": (judge_machine.judge_versions({"congressd": "1.0", "RabbitMQ": "3.10.8"}), OK, "RabbitMQ 3.10.8"),
    "old": (judge_machine.judge_versions({"RabbitMQ": "3.8.2"}), WARNING, "3.10"),
    "old MariaDB": (judge_machine.judge_versions({"database": "10.5.1-MariaDB"}), WARNING, "MariaDB to 10.11"),
    "SQLite": (judge_machine.judge_versions({"database": "SQLite 3.40.1"}), OK, "SQLite"),
    "kept": (judge_machine.judge_permissions([Kept(Path("/k"), "key", 0o400, "congressd", True)]), OK, "1 files"),
    "open key": (judge_machine.judge_permissions([Kept(Path("/k"), "key", 0o644, "c", True)]), PROBLEM, "chmod o= /k"),
    "open tokens": (judge_machine.judge_permissions([Kept(Path("/t"), "digests", 0o644, "c", False)]), OK, ""),
    "writable": (judge_machine.judge_permissions([Kept(Path("/t"), "t", 0o664, "c", False)]), PROBLEM, "chmod go-w /t"),
    "space": (judge_machine.judge_disks([Disk(("/var",), 50 * GB, 100 * GB, 0.9)]), OK, "50.0 GB of 100.0 GB"),
    "little space": (judge_machine.judge_disks([Disk(("/var",), 3 * GB, 100 * GB, 0.9)]), WARNING, "3 %"),
    "no space": (judge_machine.judge_disks([Disk(("/var",), GB // 8, 100 * GB, 0.9)]), PROBLEM, "du -xh"),
    "large disk": (judge_machine.judge_disks([Disk(("/var",), 90 * GB, 9000 * GB, 0.9)]), OK, "free where /var"),
    "inodes": (judge_machine.judge_disks([Disk(("/var",), 50 * GB, 100 * GB, 0.01)]), WARNING, "inodes"),
    "units": (judge_machine.judge_units([PACEMAKER, unit("congress-dsd")]), OK, "pacemaker, congress-dsd active"),
    "failed unit": (judge_machine.judge_units([unit("mariadb", "failed")]), PROBLEM, "systemctl restart mariadb"),
    "failed in cluster": (judge_machine.judge_units([PACEMAKER, unit("congress-pe@1", "failed")]), PROBLEM, "pcs re"),
    "down": (judge_machine.judge_units([unit("corosync", "inactive", "enabled")]), PROBLEM, "systemctl start corosync"),
    "SBD down": (judge_machine.judge_units([unit("sbd", "inactive", "enabled")]), PROBLEM, "sbd does not run"),
    "elsewhere": (judge_machine.judge_units([PACEMAKER, unit("congress-dsd", "inactive")]), OK, "pacemaker"),
    "enabled": (judge_machine.judge_units([PACEMAKER, unit("haproxy", enabled="enabled")]), WARNING, "disable haproxy"),
    "restarts": (judge_machine.judge_units([unit("mariadb", restarts=5)]), WARNING, "again 5 times"),
    "certificate": (judge_machine.judge_certificate(certificate(), NOW), OK, "until 2026-08-30"),
    "nothing answers": (judge_machine.judge_certificate(certificate(served=None), NOW), OK, "until 2026-08-30"),
    "not served": (judge_machine.judge_certificate(certificate(served=False), NOW), PROBLEM, "reload haproxy"),
    "ends soon": (judge_machine.judge_certificate(certificate(7), NOW), WARNING, "in 7 days"),
    "ended": (judge_machine.judge_certificate(certificate(-1), NOW), PROBLEM, "ended on 2026-05-31"),
    "future": (judge_machine.judge_certificate(certificate(begin=2), NOW), PROBLEM, "begins on 2026-06-03"),
    "nameless": (judge_machine.judge_certificate(certificate(names=()), NOW), WARNING, "names no host"),
    "other address": (judge_machine.judge_certificate(certificate(names=("192.0.2.9",)), NOW), WARNING, "192.0.2.20"),
    # the network
    "firewall": (judge_network.judge_firewall(Firewall("active", True)), OK, "table inet congressd"),
    "flushed": (judge_network.judge_firewall(Firewall("active", False)), PROBLEM, "systemctl restart congressd-fire"),
    "firewall off": (judge_network.judge_firewall(Firewall("inactive", False)), PROBLEM, "enable --now congressd-fire"),
    "names": (names("192.0.2.2"), OK, "2 names"),
    "both rings": (names("192.0.2.2", "198.51.100.2"), OK, "2 names"),
    "name of the loopback": (names("127.0.1.1"), PROBLEM, "ctl2 means 127.0.1.1 here"),
    "name of both": (names("127.0.1.1", "192.0.2.2"), PROBLEM, "manage_etc_hosts"),
    "no such name": (names(), PROBLEM, "ctl2 means nothing here"),
    "name of another": (names("192.0.2.9"), PROBLEM, "corosync has the node at 192.0.2.2"),
    "corosync goes by names": (names("192.0.2.9", wanted="ctl2"), OK, "2 names"),
    "name by IPv6": (names("2001:db8::2", wanted="2001:0db8::2"), OK, "2 names"),
    # the certificate
    "right address": (judge_machine.judge_certificate(certificate(names=("192.0.2.20",)), NOW), OK, "192.0.2.20"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_the_facts_mean(name: str) -> None:
    findings, worst, words = CASES[name]
    assert max((each.level for each in findings), key=list(Level).index) is worst
    assert words in " ".join(f"{each.fact} {each.advice}" for each in findings)
    for each in findings:
        assert bool(each.advice) == (each.level in (WARNING, PROBLEM)), "what is wrong has advice, and only that"


def test_the_last_try_to_fence_counts() -> None:
    def judged(*statuses: str) -> list[Finding]:
        events = tuple(FenceEvent("ctl2", "reboot", each, "no route", "now") for each in statuses)
        told = Cluster("ctl1", True, {"stonith-enabled": "true"}, MEMBERS, (FENCE,), fencing=events)
        return judge_pacemaker.judge_fencing(Watchdog(told, ""))

    (failed,) = judged("failed", "success")
    assert failed.level is PROBLEM
    assert "no route" in failed.fact
    (mended,) = judged("success", "failed")
    assert mended.level is OK
