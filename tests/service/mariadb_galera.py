"""A private Galera cluster of two or three MariaDB servers, all of which may be written to."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.service.mariadb import DEADLINE, MariaDB

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
USER = "mysql"  #: rsync, which brings a joiner its data, does not do so for root


@dataclass(frozen=True, slots=True)
class Galera:
    """The nodes of one cluster. Any of them may be killed, and started again while most others run."""

    nodes: tuple[MariaDB, ...]

    @property
    def one(self) -> MariaDB:
        """The node that the cluster began with."""
        return self.nodes[0]

    @property
    def two(self) -> MariaDB:
        """A node that joined."""
        return self.nodes[1]

    def status(self, node: MariaDB, name: str) -> str:
        """A status variable of a node, such as ``wsrep_cluster_status``."""
        with node.root() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE %s", (name,))
            (row,) = cursor.fetchall()
            return str(row[1])

    def wait(self, node: MariaDB, name: str, value: str) -> None:
        """Until a status variable has this value. Raises TimeoutError."""
        end = time.monotonic() + DEADLINE
        while self.status(node, name) != value:
            if time.monotonic() > end:
                raise TimeoutError(f"{name} is {self.status(node, name)}, not {value}")
            time.sleep(0.05)


@pytest.fixture(scope="module")
def galera() -> Iterator[Galera]:
    """A cluster of two, for all tests of one file."""
    with galera_cluster(2) as made:
        yield made


@pytest.fixture(scope="module")
def galera_of_three() -> Iterator[Galera]:
    """A cluster of three, of which any one may be killed."""
    with galera_cluster(3) as made:
        yield made


@contextmanager
def galera_cluster(size: int) -> Iterator[Galera]:
    """A cluster of so many nodes, in a folder of its own."""
    if not PROVIDER.exists():
        pytest.fail("Galera is not installed; as root: apt-get install mariadb-server galera-4")
    folder = Path(tempfile.mkdtemp(prefix="galera-"))
    folder.chmod(0o755)  # its path stays short (sockets), and open to the user that the servers run as
    nodes = tuple(MariaDB(folder / f"n{number}", user=USER) for number in range(size))
    try:
        yield _form(nodes)
    finally:
        for node in reversed(nodes):
            node.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _form(nodes: Sequence[MariaDB]) -> Galera:
    cluster = Galera(tuple(nodes))
    for node in nodes:
        node.folder.mkdir()
        _give(node.folder)
    cluster.one.create()
    cluster.one.stop()
    ports = [free_port() for _ in nodes]
    peers = ",".join(f"127.0.0.1:{port}" for port in ports)
    cluster.one.options = _options(cluster.one.folder.name, ports[0], "")
    cluster.one.start()
    cluster.wait(cluster.one, "wsrep_ready", "ON")
    for node, port in zip(nodes[1:], ports[1:], strict=True):
        (node.folder / "data").mkdir()
        _give(node.folder / "data")
        node.options = _options(node.folder.name, port, peers)
        node.start()
        cluster.wait(node, "wsrep_ready", "ON")
    cluster.wait(cluster.one, "wsrep_cluster_size", str(len(nodes)))
    # Whoever starts again joins the others; only the very first start made a cluster of its own.
    cluster.one.options = _options(cluster.one.folder.name, ports[0], peers)
    return cluster


def _give(folder: Path) -> None:
    if os.getuid() == 0:
        shutil.chown(folder, USER, USER)


def _options(name: str, port: int, peers: str) -> tuple[str, ...]:
    provider = {
        "base_port": str(port),
        "gmcast.listen_addr": f"tcp://127.0.0.1:{port}",
        "ist.recv_addr": f"127.0.0.1:{free_port()}",
        "evs.suspect_timeout": "PT1S",
        "evs.inactive_timeout": "PT3S",
        "evs.keepalive_period": "PT0.3S",
    }
    return (
        "--wsrep-on=ON",
        f"--wsrep-provider={PROVIDER}",
        f"--wsrep-cluster-address=gcomm://{peers}",
        "--binlog-format=ROW",
        "--default-storage-engine=InnoDB",
        "--innodb-autoinc-lock-mode=2",
        "--wsrep-sst-method=rsync",
        f"--wsrep-node-name={name}",
        f"--wsrep-node-address=127.0.0.1:{port}",
        f"--wsrep-sst-receive-address=127.0.0.1:{free_port()}",
        f"--wsrep-provider-options={';'.join(f'{key}={value}' for key, value in provider.items())}",
        "--wsrep-slave-threads=2",
    )
