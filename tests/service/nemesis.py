"""What is done to a cluster under load: servers and nodes that are killed, frozen and come back.

Each fault is struck and healed as it happens in life: what supervises a process starts it again, nobody does more.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.haproxy import HAProxy, Server, render_and_start
from tests.ports import free_port
from tests.service.history import Operation, backwards, overlapping, unseen
from tests.service.mariadb import MariaDB
from tests.service.mariadb_galera import Galera
from tests.service.nodes import Daemon
from tests.service.process import CHECKOUT, wait_for
from tests.service.rabbitmq import RabbitServer
from tests.service.rabbitmq_cluster import RabbitCluster
from tests.service.stage import OPTIONS, Stage

CHECK: Final = CHECKOUT / "ansible" / "roles" / "galera" / "files" / "galera-check"
TOKEN: Final = "a-token-of-tests"

#: A datasource node that lost its lease ends, and is started again, as under systemd.
SUPERVISED: Final = {**OPTIONS, "dsd": {**OPTIONS["dsd"], "when_lost": "exit"}}

CLIENTS: Final = 6
PAUSE: Final = 0.03  #: seconds between the requests of a client
MORE: Final = 40  #: operations before a fault, while it lasts and after it
DURING: Final = 10  #: while a server is away on which writes wait


@dataclass
class World:
    """A cluster behind HAProxy and the servers beneath it. ``epochs`` is who was active under which, in order."""

    stage: Stage
    rabbitmq: RabbitServer | RabbitCluster
    mariadb: MariaDB | None = None
    galera: Galera | None = None
    databases: HAProxy | None = None  # before the Galera nodes
    epochs: list[tuple[str, int]] = field(default_factory=list)
    turn: int = 0

    @property
    def haproxy(self) -> HAProxy:
        """Before the policy engine nodes."""
        assert self.stage.haproxy is not None
        return self.stage.haproxy

    def active(self) -> Daemon:
        """The one active datasource node; waits for it."""
        wait_for(lambda: len(self.stage.active()) == 1, "exactly one active datasource node")
        return self.stage.active()[0]

    def supervise(self) -> None:
        """Start what has ended, as systemd or Pacemaker does."""
        for node in (*self.stage.pes, *self.stage.dsds):
            if not node.alive:
                node.start()

    def more(self, number: int = MORE, good: bool = True) -> None:
        """Let clients do more operations: such as succeed, or any."""
        history = self.stage.history
        start = len(history)

        def enough() -> bool:
            self.supervise()
            fresh = history.operations[start:]
            return sum(each.status in (200, 201) or not good for each in fresh) >= number

        wait_for(enough, f"{number} operations more", 90)


def _rabbitmq_killed(world: World) -> None:
    assert isinstance(world.rabbitmq, RabbitServer)
    world.rabbitmq.kill()
    world.more(DURING, good=False)
    world.rabbitmq.start()


def _rabbitmq_node_killed(world: World) -> None:
    """Another one of the cluster each time."""
    assert isinstance(world.rabbitmq, RabbitCluster)
    node = world.rabbitmq.nodes[world.turn % len(world.rabbitmq.nodes)]
    node.kill()
    world.more()
    node.start()
    world.rabbitmq.wait_whole()


def _mariadb_killed(world: World) -> None:
    assert world.mariadb is not None
    world.mariadb.kill()
    world.more(DURING, good=False)
    world.mariadb.start()


def _galera_node_killed(world: World) -> None:
    """The one that is written to."""
    assert world.galera is not None
    assert world.databases is not None
    databases = world.databases
    up = [name for name, state in databases.states().items() if name.startswith("db/n") and state.startswith("UP")]
    node = next(each for each in world.galera.nodes if each.folder.name == up[0].removeprefix("db/"))
    node.kill()
    world.more()
    node.start()
    world.galera.wait(node, "wsrep_ready", "ON")
    databases.wait_up(seconds=60)


def _pe_killed(world: World) -> None:
    node = world.stage.pes[world.turn % len(world.stage.pes)]
    node.end(signal.SIGKILL)
    world.more()
    world.haproxy.wait_up(f"pe/pe{node.instance}", seconds=60)


def _pe_frozen(world: World) -> None:
    node = world.stage.pes[world.turn % len(world.stage.pes)]
    node.freeze()
    try:
        world.haproxy.wait_down(f"pe/pe{node.instance}")
        world.more()
    finally:
        node.thaw()
    world.haproxy.wait_up(f"pe/pe{node.instance}", seconds=60)


def _dsd_killed(world: World) -> None:
    """For every second time it is back at once, else the other one takes over."""
    node = world.active()
    node.end(signal.SIGKILL)
    if world.turn % 2:
        node.start()
    else:
        wait_for(lambda: bool(world.stage.active()), "another active datasource node")


def _dsd_frozen(world: World) -> None:
    node = world.active()
    node.freeze()
    try:
        spare = next(each for each in world.stage.dsds if each is not node)
        spare.wait_until("active")
        world.more()
    finally:
        node.thaw()
    # Harmless from the first moment on; and soon it notices, ends, and is started again.
    wait_for(lambda: node.state() != "active", "the thawed node is not active")


#: By the name of the fault; these need a plain MariaDB and a single RabbitMQ.
FAULTS: Final[Mapping[str, Callable[[World], None]]] = {
    "RabbitMQ killed, restarted": _rabbitmq_killed,
    "MariaDB killed, restarted": _mariadb_killed,
    "PE killed": _pe_killed,
    "PE frozen, thawed": _pe_frozen,
    "DSD killed": _dsd_killed,
    "DSD frozen, thawed": _dsd_frozen,
}
GALERA_FAULTS: Final[Mapping[str, Callable[[World], None]]] = {"Galera writer killed, restarted": _galera_node_killed}
BROKER_FAULTS: Final[Mapping[str, Callable[[World], None]]] = {
    "RabbitMQ node of three killed, restarted": _rabbitmq_node_killed
}


@dataclass(frozen=True, slots=True)
class Round:
    """What one fault led to. Times in seconds, from the blow."""

    problems: tuple[str, ...]
    operations: int
    unanswered_reads: int  #: requests without an answer or with a 5xx; clients try nothing twice
    unanswered_writes: int
    first_write: float  #: until the first write that began after the blow was accepted
    settled: float  #: until everything had healed and all nodes were equal

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def strike(world: World, fault: Callable[[World], None]) -> Round:
    """Clients at work, a fault, its end; then wait until all is well by itself, and audit."""
    history = world.stage.history
    before = len(history)
    with world.stage.crowd(CLIENTS, [world.haproxy.port], pause=PAUSE):
        world.more()
        began = time.monotonic()
        fault(world)
        world.more()
    fresh = history.operations[before:]
    world.supervise()
    world.stage.settle(90)
    settled = time.monotonic() - began
    active = world.active()
    world.epochs.append((active.instance, active.ask()["epoch"]))
    problems = [*backwards(fresh), *unseen(fresh), *world.stage.audit(), *overlapping(world.epochs)]
    world.turn += 1
    failed = [each for each in fresh if each.status == 0 or each.status >= 500]
    reads = sum(each.seen is not None for each in failed)
    return Round(tuple(problems), len(fresh), reads, len(failed) - reads, _first_write(fresh, began), settled)


def _first_write(operations: Sequence[Operation], began: float) -> float:
    good = [
        each.ended - began
        for each in operations
        if each.began >= began and each.seen is None and each.status in (200, 201)
    ]
    return min(good, default=float("inf"))


@contextmanager
def world_on_mariadb(
    mariadb: MariaDB, database_url: str, rabbitmq: RabbitServer | RabbitCluster, folder: Path
) -> Iterator[World]:
    """A cluster over one MariaDB."""
    with Stage(database_url, rabbitmq.url, SUPERVISED, dsds=2) as stage:
        stage.behind_haproxy(folder)
        yield World(stage, rabbitmq, mariadb)


@contextmanager
def world_on_galera(galera: Galera, name: str, rabbitmq: RabbitServer, folder: Path) -> Iterator[World]:
    """A cluster over a new database of Galera, one writer at a time, chosen by HAProxy and our check."""
    with galera.one.root() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    with ExitStack() as stack:
        databases = _before_databases(galera, folder, stack)
        url = galera.one.url(name).replace(f":{galera.one.port}/", f":{databases.db_port}/")
        stage = stack.enter_context(Stage(url, rabbitmq.url, SUPERVISED, dsds=2))
        (folder / "api").mkdir()
        stage.behind_haproxy(folder / "api")
        yield World(stage, rabbitmq, galera=galera, databases=databases)


def _before_databases(galera: Galera, folder: Path, stack: ExitStack) -> HAProxy:
    token = folder / "token"
    token.write_text(TOKEN, encoding="ascii")
    servers = []
    for node in galera.nodes:
        port = free_port()
        command = [sys.executable, str(CHECK), "--bind", f"127.0.0.1:{port}", "--token-file", str(token)]
        check = subprocess.Popen([*command, "--socket", str(node.socket), "--user", "root"])
        stack.callback(_end, check)
        servers.append(Server(node.folder.name, node.port, port))
    (folder / "db").mkdir()
    haproxy = render_and_start(folder / "db", [], servers, haproxy_db_check_token=TOKEN)
    stack.callback(haproxy.stop)
    haproxy.wait_up(*(f"db/{server.name}" for server in servers))
    return haproxy


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)
