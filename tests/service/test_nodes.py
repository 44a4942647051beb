"""Three policy engine nodes and two datasource nodes, as processes over real servers, on a good day."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.store import keys
from tests.ports import free_port
from tests.service.mariadb import MariaDB
from tests.service.nodes import QUICK, Cluster, Daemon, PolicyNode, RefusedError, on_all
from tests.service.process import SCRIPTS, wait_for
from tests.service.rabbitmq import RabbitServer

#: Notices must do the work here: without one, a change would be found only after the deadlines of these tests.
SLOW_LOOKS = {**QUICK, "pe": {"sync_period": 120.0, "drain_time": 1.0}}


@pytest.fixture(scope="module")
def database_url(mariadb: MariaDB) -> str:
    name = f"nodes_{uuid.uuid4().hex[:12]}"
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return mariadb.url(name)


@pytest.fixture(scope="module")
def cluster(database_url: str, rabbitmq: RabbitServer) -> Iterator[Cluster]:
    with Cluster(database_url, rabbitmq.url, SLOW_LOOKS) as made:
        yield made


@pytest.fixture(scope="module")
def dsd_port() -> int:
    """Where the active datasource node answers over HTTP."""
    return free_port()


@pytest.fixture(scope="module")
def dsd(cluster: Cluster, dsd_port: int) -> Daemon:
    node = cluster.dsd(1, dsd={"bind_port": dsd_port})
    node.start()
    return node


@pytest.fixture(scope="module")
def standby(cluster: Cluster) -> Daemon:
    node = cluster.dsd(2, "--standby")
    node.start()
    return node


@pytest.fixture(scope="module")
def nodes(cluster: Cluster, dsd: Daemon, standby: Daemon) -> list[PolicyNode]:
    made = [cluster.pe(number) for number in (1, 2, 3)]
    for node in made:
        node.start()
    for node in made:
        node.wait_ready()
    dsd.wait_until("active")
    standby.wait_until("standby")
    return made


def rules_of(node: PolicyNode, policy: str) -> list[str] | None:
    """The rules of a policy, sorted; None if the node does not know it."""
    reply = node.call("GET", f"/v1/policies/{policy}/rules")
    return sorted(each["rule"] for each in reply.body["results"]) if reply.status == 200 else None


def test_a_policy_written_on_one_node_is_soon_on_all(nodes: list[PolicyNode]) -> None:
    for writer in nodes:
        name = f"from_{writer.instance}"
        writer.post("/v1/policies", {"name": name, "rules": [{"rule": "p(1)"}, {"rule": "q(x) :- p(x)"}]})
        on_all(nodes, lambda node, name=name: node.has_rows(name, "q", [[1]]), f"the policy {name}", 10)  # type: ignore[misc]


def test_rules_of_many_policies_stay_where_they_belong(nodes: list[PolicyNode]) -> None:
    """What two policies got within one round, Congress' replicas gave to both of them (COMPAT.md, H1)."""
    names = [f"many_{number}" for number in range(6)]

    def write(node: PolicyNode, name: str) -> None:
        node.post("/v1/policies", {"name": name})
        for number in range(4):
            node.post(f"/v1/policies/{name}/rules", {"rule": f"{name}_t({number})"})

    threads = [
        threading.Thread(target=write, args=(nodes[index % 3], name), name=name) for index, name in enumerate(names)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for name in names:
        wanted = [f"{name}_t({number})" for number in range(4)]
        on_all(nodes, lambda node, n=name, w=wanted: rules_of(node, n) == w, f"the rules of {name}", 10)  # type: ignore[misc]
    assert len({node.ask()["revision"] for node in nodes}) == 1


def test_a_push_through_one_node_is_on_all(nodes: list[PolicyNode]) -> None:
    nodes[0].post("/v1/data-sources", {"name": "doc", "driver": "push", "config": {"tables": {"t": ["id", "name"]}}})
    nodes[1].post("/v1/policies", {"name": "reads", "rules": [{"rule": "seen(x) :- doc:t(x, y)"}]})
    for node in nodes:
        wait_for(lambda node=node: rules_of(node, "reads"), "the policy is everywhere")  # type: ignore[misc]
    for number, node in enumerate(nodes):
        reply = node.call("PUT", "/v1/data-sources/doc/tables/t/rows", [[number, "a"], [number + 10, "b"]])
        assert reply.status == 200, reply
        rows = [[number], [number + 10]]
        on_all(nodes, lambda each, rows=rows: each.has_rows("reads", "seen", rows), "the pushed rows", 10)  # type: ignore[misc]


def test_a_token_makes_any_node_answer_as_new_as_the_push(nodes: list[PolicyNode]) -> None:
    for number in range(20):
        pushed = nodes[number % 3].call("PUT", "/v1/data-sources/doc/tables/t/rows", [[number, "x"]])
        token = {"Congress-At-Least": pushed.headers["Congress-Revision"]}
        read = nodes[(number + 1) % 3].call("GET", "/v1/policies/reads/tables/seen/rows", headers=token)
        assert (read.status, [each["data"] for each in read.body["results"]]) == (200, [[number]])


def test_a_policy_of_kind_database_and_a_failed_simulation_harm_no_node(nodes: list[PolicyNode]) -> None:
    """In Congress the one stopped every node (COMPAT.md, H10), and the other spoilt the state of one (H9)."""
    nodes[0].call("POST", "/v1/policies", {"name": "database", "kind": "database"})
    simulation = {"query": "seen(x)", "sequence": "p(x) :- nosuch:table(x)", "action_policy": "action"}
    assert nodes[0].call("POST", "/v1/policies/reads?action=simulate", simulation).status == 400
    nodes[1].post("/v1/policies", {"name": "after", "rules": [{"rule": "p(x) :- reads:seen(x)"}]})
    rows = nodes[2].rows("reads", "seen")
    on_all(nodes, lambda node: node.has_rows("after", "p", rows), "a policy written after it", 10)
    assert len({str(node.get("/v1/policies")) for node in nodes}) == 1


def test_a_standby_is_warm_and_refuses_nothing_but_publishes_nothing(standby: Daemon, nodes: list[PolicyNode]) -> None:
    wait_for(lambda: standby.ask()["revision"] == nodes[0].ask()["revision"], "the standby follows the configuration")
    status = standby.ask()
    assert (status["role"], status["state"], status["epoch"], status["bus"]) == ("dsd", "standby", None, True)
    assert status["last_batch_age"] is None
    assert status["sources"] >= 1


def test_the_active_datasource_node_tells_its_health_and_figures(dsd_port: int, nodes: list[PolicyNode]) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{dsd_port}/readyz", timeout=10) as answer:
        assert json.load(answer)["state"] == "active"
    with urllib.request.urlopen(f"http://127.0.0.1:{dsd_port}/metrics", timeout=10) as answer:
        assert b"congressd_dsd_active 1.0\n" in answer.read()


def test_every_node_knows_all_nodes(cluster: Cluster, dsd: Daemon, nodes: list[PolicyNode]) -> None:
    wanted = {f"here.pe-{number}" for number in (1, 2, 3)}

    def told(node: PolicyNode) -> bool:
        status = node.call("GET", "/v1/system/status").body
        states = {each["node"]: (each["role"], each["state"]) for each in status["nodes"]}
        pes = {name for name, said in states.items() if said == ("pe", "ready")}
        dsds = sorted(said[1] for said in states.values() if said[0] == "dsd")
        return pes == wanted and dsds == ["active", "standby"] and status["epoch"] == dsd.ask()["epoch"]

    for node in nodes:
        wait_for(lambda node=node: told(node), "all nodes are told")  # type: ignore[misc]


def test_the_control_socket_is_private_and_tells_what_is(dsd: Daemon, nodes: list[PolicyNode]) -> None:
    assert stat.S_IMODE(os.stat(dsd.socket).st_mode) == 0o600
    status = dsd.ask()
    assert (status["role"], status["state"], status["database"], status["failing"]) == ("dsd", "active", True, [])
    assert status["epoch"] > 1_700_000_000_000
    assert status["work_age"] < 5
    status = nodes[0].ask()
    assert (status["role"], status["state"], status["epoch"], status["bus"]) == ("pe", "ready", None, True)
    with pytest.raises(RefusedError, match="not known; ask one of drain, nodes, status, stop"):
        nodes[0].ask("activate")


def test_two_processes_cannot_be_the_same_instance(cluster: Cluster, dsd: Daemon, nodes: list[PolicyNode]) -> None:
    assert dsd.process is not None
    pid = dsd.process.pid
    assert dsd.pid_file.read_text() == f"{pid}\n"
    for node, number in ((dsd, pid), (nodes[0], nodes[0].everyone()[0])):
        command = [str(SCRIPTS / "congressd"), node.role, "--config-file", str(node.config), "--instance", "1"]
        command += [] if node is dsd else ["--port", str(free_port())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=node.environment, check=False)
        assert (done.returncode, f"held by process {number}" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_a_node_with_a_wrong_key_does_not_serve(role: str, cluster: Cluster, nodes: list[PolicyNode]) -> None:
    """Congress' nodes made a key of their own, and failed on every secret then (COMPAT.md, H12)."""
    other = cluster.directory / f"other-{role}.key"
    keys.load(other, create=True)
    wrong: Daemon = (cluster.pe if role == "pe" else cluster.dsd)(8, DEFAULT={"encryption_key_path": other})
    wrong.start()
    assert wrong.process is not None
    assert wrong.process.wait(30) == 1
    assert f"no key of {other} opens a secret of the database" in wrong.log.read_text()
    assert wrong.state() == "gone"
    missing: Daemon = (cluster.pe if role == "pe" else cluster.dsd)(
        9, DEFAULT={"encryption_key_path": cluster.directory / "nowhere.key"}
    )
    missing.start()
    assert missing.process is not None
    assert missing.process.wait(30) == 1
    assert "does not exist; copy it from another node" in missing.log.read_text()
    assert not (cluster.directory / "nowhere.key").exists()


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_systemd_is_told_what_happens(role: str, cluster: Cluster, nodes: list[PolicyNode]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        address = str(cluster.directory / f"notify-{role}")
        systemd.bind(address)
        systemd.settimeout(30)
        node: Daemon = cluster.pe(5) if role == "pe" else cluster.dsd(5, "--standby")
        node.environment = {**node.environment, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "10000000"}
        node.start()
        heard: list[str] = []

        def hear(line: str) -> None:
            while not any(each.startswith(line) for each in heard):
                heard.extend(systemd.recv(4096).decode().splitlines())

        hear("READY=1")
        hear("WATCHDOG=1")
        hear("STATUS=ready" if role == "pe" else "STATUS=standby")
        assert node.end() == 0
        hear("STOPPING=1")
    assert not node.pid_file.exists()
    assert not node.socket.exists()


def test_sighup_reads_the_log_level_again_and_restarts_nothing(dsd: Daemon, nodes: list[PolicyNode]) -> None:
    for node in (dsd, nodes[2]):
        before = node.everyone()
        node.config.write_text(node.config.read_text().replace("log_level = INFO", "log_level = WARNING"))
        node.send(signal.SIGHUP)
        wait_for(lambda node=node: node.count("read again, log_level=WARNING"), "the configuration is read")  # type: ignore[misc]
        assert node.everyone() == before


def test_a_node_that_drains_fails_no_request(nodes: list[PolicyNode]) -> None:
    """It says so first, for as long as a load balancer needs to see it, and answers all the while."""
    node = nodes[2]
    statuses: list[int] = []
    seen_draining = threading.Event()

    def ask() -> None:
        while not seen_draining.is_set():
            statuses.append(node.call("GET", "/v1/policies/reads/tables/seen/rows").status)

    asking = threading.Thread(target=ask, name="asking")
    asking.start()
    try:
        node.send(signal.SIGTERM)
        wait_for(lambda: node.call("GET", "/readyz").status == 503, "the node says that it is not ready")
        assert "draining" in str(node.call("GET", "/readyz").body)
        assert node.state() == "draining"
    finally:
        seen_draining.set()
        asking.join(10)
    assert set(statuses) == {200}
    assert node.process is not None
    assert node.process.wait(15) == 0
    node.start()
    node.wait_ready()
    assert node.rows("reads", "seen") == nodes[0].rows("reads", "seen")


def test_stop_over_the_control_socket_ends_both_processes_of_a_node(nodes: list[PolicyNode]) -> None:
    node = nodes[2]
    everyone = node.everyone()
    assert len(everyone) == 2
    node.ask("stop")
    assert node.process is not None
    assert node.process.wait(15) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in everyone)
    node.start()
    node.wait_ready()
