"""A private Galera cluster of two MariaDB servers, both of which may be written to."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service.mariadb import DEADLINE, MariaDB, free_port

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
USER = "mysql"  #: rsync, which brings a joiner its data, does not do so for root


@dataclass(frozen=True, slots=True)
class Galera:
    """Two nodes of one cluster."""

    one: MariaDB
    two: MariaDB

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
    """The cluster, for all tests of one file."""
    if not PROVIDER.exists():
        pytest.fail("Galera is not installed; as root: apt-get install mariadb-server galera-4")
    folder = Path(tempfile.mkdtemp(prefix="galera-"))
    folder.chmod(0o755)  # its path stays short (sockets), and open to the user that the servers run as
    try:
        yield from _cluster(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cluster(folder: Path) -> Iterator[Galera]:
    nodes = [MariaDB(folder / name, user=USER) for name in ("one", "two")]
    for node in nodes:
        node.folder.mkdir()
        if os.getuid() == 0:
            shutil.chown(node.folder, USER, USER)
    try:
        nodes[0].create()
        nodes[0].stop()
        first_port = free_port()
        nodes[0].options = _options("one", first_port, "")
        nodes[0].start()
        cluster = Galera(*nodes)
        cluster.wait(nodes[0], "wsrep_ready", "ON")
        (nodes[1].folder / "data").mkdir()
        if os.getuid() == 0:
            shutil.chown(nodes[1].folder / "data", USER, USER)
        nodes[1].options = _options("two", free_port(), f"127.0.0.1:{first_port}")
        nodes[1].start()
        cluster.wait(nodes[1], "wsrep_ready", "ON")
        cluster.wait(nodes[0], "wsrep_cluster_size", "2")
        yield cluster
    finally:
        for node in reversed(nodes):
            node.stop()


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
