"""The doctor's probes of real servers, and the whole command on a real cluster of processes."""

from __future__ import annotations

import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from amqp import Message

from congressd.bus.rabbit_streams import RabbitOptions, disconnect, open_connection
from congressd.config.options import Bus, Database, Settings
from congressd.doctor import ask_bus, ask_database, ask_haproxy, judge_bus, judge_database, judge_machine, run
from congressd.doctor.finding import Failed, Level
from congressd.doctor.place import Paths, Place
from congressd.store import keys, migrate
from congressd.store.database import Database as Store
from tests.service.certificates import make_certificates
from tests.service.mariadb import MariaDB
from tests.service.mariadb_galera import Galera, galera
from tests.service.nodes import Cluster
from tests.service.process import SCRIPTS
from tests.service.rabbitmq import RabbitServer, wait_for

__all__ = ["galera"]

pytestmark = [pytest.mark.mariadb, pytest.mark.rabbitmq]


def settings(database: str = "", bus: str = "", key: str = "") -> Settings:
    made = replace(Settings(), database=Database(database), bus=Bus(bus))
    return replace(made, default=replace(made.default, encryption_key_path=key))


def levels(place: Place, *names: str) -> dict[str, str]:
    return {each.name: each.level.value for each in run.run(place, names)}


def test_a_database_from_empty_to_well(mariadb_url: str, tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    for each in (ours, other):
        keys.load(each, create=True)
    names = ("database", "schema", "key", "lease", "clocks")

    empty = levels(Place(settings(mariadb_url, key=str(ours))), *names)
    assert empty.pop("database") in ("ok", "warning"), "how soon it answers is the machine's"
    assert empty == {"schema": "problem", "key": "not here", "lease": "not here", "clocks": "ok"}

    store = Store(mariadb_url)
    migrate.upgrade(store)
    store.run(lambda session: keys.verify(session, keys.load(ours, create=False)))
    store.close()
    well = levels(Place(settings(mariadb_url, key=str(ours))), *names)
    assert well.pop("database") in ("ok", "warning")
    assert well == {"schema": "ok", "key": "ok", "lease": "not here", "clocks": "ok"}
    assert levels(Place(settings(mariadb_url, key=str(other))), "key") == {"key": "problem"}
    assert levels(Place(settings(mariadb_url, key=str(tmp_path / "none"))), "key") == {"key": "problem"}


def test_a_database_that_is_away_is_told_once_and_without_its_password(mariadb: MariaDB) -> None:
    results = run.run(Place(settings("mysql+pymysql://congress:hush-hush@127.0.0.1:1/x", key="/none")))
    problems = {each.name for each in results if each.level is Level.PROBLEM}
    assert problems & {"database", "schema", "lease", "galera"} == {"database"}
    assert "hush-hush" not in str(results)


def test_galera_whole_and_with_a_node_away(galera: Galera) -> None:
    place = Place(Settings(), paths=Paths(mariadb_socket=galera.one.socket))
    (node,) = ask_database.ask_galera(place)
    (finding,) = judge_database.judge_galera([node])
    assert finding.level is Level.WARNING, "two nodes are one too few"
    assert node.status["wsrep_local_state_comment"] == "Synced"
    assert judge_database.expected_nodes(node.variables["wsrep_cluster_address"]) in (0, 2)

    galera.two.stop()
    galera.wait(galera.one, "wsrep_cluster_size", "1")
    lonely = replace(node, status=ask_database.ask_galera(place)[0].status)
    lonely.variables["wsrep_cluster_address"] = "gcomm://127.0.0.1:1,127.0.0.1:2"  # the first start named no peers
    assert "1 of 2 database nodes" in judge_database.judge_galera([lonely])[0].fact
    galera.two.start()
    galera.wait(galera.one, "wsrep_cluster_size", "2")


def rabbit_place(rabbitmq: RabbitServer, url: str = "") -> Place:
    return Place(settings(bus=url or rabbitmq.url), programs={"rabbitmqctl": rabbitmq.control_command})


def test_brokers_that_answer_refuse_and_are_away(rabbitmq: RabbitServer) -> None:
    good = rabbitmq.url.removeprefix("amqp://").rstrip("/")
    bad = good.replace("guest:guest", "guest:hush-hush")
    place = rabbit_place(rabbitmq, f"rabbit://{good},{bad},guest:guest@127.0.0.1:1/")
    answers, refuses, away = ask_bus.ask_brokers(place)
    assert answers.version.startswith(("3.", "4."))
    assert refuses.refusal == "it refuses the user name or password"
    assert away.refusal == "Connection refused"
    assert [each.level for each in judge_bus.judge_brokers([answers, refuses, away])] == [Level.WARNING] * 2
    (nowhere,) = ask_bus.ask_brokers(rabbit_place(rabbitmq, f"rabbit://{good}/no-such-host"))
    assert "no virtual host 'no-such-host'" in nowhere.refusal


def test_queues_as_the_broker_lists_them(rabbitmq: RabbitServer, exchange: str) -> None:
    name, place = f"{exchange}.q", rabbit_place(rabbitmq)
    connection, _ = open_connection(RabbitOptions((rabbitmq.url,)), 0, "test")
    try:
        channel = connection.channel()
        channel.queue_declare(name, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        channel.queue_declare(
            f"{name}.short", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum", "x-expires": 600000}
        )
        for _ in range(judge_bus.BACKLOG + 1):
            channel.basic_publish(Message(b"x"), routing_key=name)

        def seen() -> bool:
            listed = {each.name: each for each in ask_bus.ask_queues(place).queues}
            return name in listed and listed[name].messages > judge_bus.BACKLOG

        wait_for(seen, "the messages to be counted", 60)
        brokers = ask_bus.ask_queues(place)
        channel.queue_delete(name)
        channel.queue_delete(f"{name}.short")
    finally:
        disconnect(connection)
    assert len(brokers.running) == len(brokers.known) == 1
    listed = {each.name: each for each in brokers.queues}
    assert (listed[name].expires, listed[f"{name}.short"].expires) == (False, True)
    ours = listed[name]
    assert (ours.kind, len(ours.members), ours.members) == ("quorum", 1, ours.online)
    assert ours.leader
    findings = [each for each in judge_bus.judge_queues(brokers) if name in each.fact]
    assert [(each.level, "no reader" in each.fact) for each in findings] == [(Level.WARNING, True)]


def test_rabbitmqctl_that_cannot_reach_its_broker(rabbitmq: RabbitServer) -> None:
    place = rabbit_place(rabbitmq)
    away = replace(place, programs={"rabbitmqctl": (*place.programs["rabbitmqctl"][:-1], "nobody@localhost")})
    with pytest.raises(Failed, match="cluster_status"):
        ask_bus.ask_queues(away)


def test_a_certificate_as_haproxy_is_told_of_it(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "tls")
    pem = tmp_path / "api.pem"
    pem.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    pem.chmod(0o644)
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"frontend api\n    mode http\n    bind 127.0.0.1:1789 ssl crt {pem} alpn h2,http/1.1\n")
    place = Place(Settings(), paths=Paths(haproxy_config=config))
    certificate = ask_haproxy.ask_certificate(place)
    assert certificate.names == ("127.0.0.1",)
    (finding,) = judge_machine.judge_certificate(certificate, certificate.begins)
    assert finding.level is Level.WARNING, "it is good for a day only"
    assert levels(place, "permissions") == {"permissions": "problem"}, "everybody may read its key"
    pem.write_text("nothing")
    assert levels(place, "certificate") == {"certificate": "problem"}


@pytest.fixture(scope="module")
def cluster(mariadb: MariaDB, rabbitmq: RabbitServer) -> Iterator[Cluster]:
    with mariadb.root() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE DATABASE doctor CHARACTER SET latin1")
    with Cluster(mariadb.url("doctor"), rabbitmq.url) as made:
        yield made


def doctor(config: Path, *arguments: str, code: int = 0) -> str:
    command = [str(SCRIPTS / "congressd"), *arguments, "--config-file", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_whole_command_on_a_cluster_of_processes(cluster: Cluster, tmp_path: Path) -> None:
    dsd, node = cluster.dsd(1), cluster.pe(1)
    node.config.write_text(cluster.configuration({"DEFAULT": {"bind_port": node.port}}))
    node.config.chmod(0o600)
    for each in (dsd, node):
        each.start()
    dsd.wait_until("active")
    node.wait_until("ready")
    names = (
        "daemons",
        "api",
        "nodes",
        "lease",
        "database",
        "schema",
        "key",
        "rabbitmq",
        "configuration",
        "permissions",
    )
    only = [word for name in names for word in ("--only", name)]

    def all_is_well() -> bool:
        told = json.loads(doctor_json(node.config, *only))
        return all(each["level"] == "ok" for each in told["checks"])

    wait_for(all_is_well, "all to be well: " + doctor_json(node.config, *only), 60)

    archive = tmp_path / "bundle.tar.gz"
    assert str(archive) in doctor(node.config, "bundle", "--output", str(archive), "--since", "10m")
    with tarfile.open(archive) as packed:
        texts = {member.name.partition("/")[2]: packed.extractfile(member).read().decode() for member in packed}  # type: ignore[union-attr]
    told = json.loads(texts["daemons.json"])
    assert {each["name"]: each["state"] for each in told["daemons"]} == {"dsd-1": "active", "pe-1": "ready"}
    assert len(told["nodes"]) == 2
    assert not any("s3cret-pass" in text for text in texts.values())

    dsd.end()
    begin = time.monotonic()
    found = doctor(node.config, "doctor", "--only", "nodes", "--only", "lease", "--only", "daemons", code=1)
    assert time.monotonic() - begin < 45
    assert "no datasource node is active" in found
    assert "do: " in found


def doctor_json(config: Path, *arguments: str) -> str:
    command = [str(SCRIPTS / "congressd"), "doctor", "--json", *arguments, "--config-file", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False).stdout
