"""A private RabbitMQ cluster of three nodes, as the playbook makes it: quorum queues, and a minority that pauses."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.service.rabbitmq import SERVER, RabbitServer, wait_for

COOKIE = "congressd-of-tests"
CONFIGURATION = """
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
"""


@dataclass(frozen=True, slots=True)
class RabbitCluster:
    """The nodes of one cluster, of which any one may be killed, and started again."""

    nodes: tuple[RabbitServer, ...]

    @property
    def url(self) -> str:
        """All nodes, as a configuration of congressd names them."""
        hosts = ",".join(f"guest:guest@127.0.0.1:{node.port}" for node in self.nodes)
        return f"rabbit://{hosts}//"

    def running(self, asked: RabbitServer) -> set[str]:
        """The names of the nodes that run, as one of them says."""
        told = asked.control("eval", "rabbit_nodes:all_running().")
        return {node.name for node in self.nodes if node.name in told}

    def wait_whole(self) -> None:
        """Until every node counts all of them as running."""
        everyone = {node.name for node in self.nodes}
        for node in self.nodes:
            wait_for(lambda node=node: self.running(node) == everyone, "a whole cluster", 90)  # type: ignore[misc]


@pytest.fixture(scope="module")
def rabbitmq_of_three() -> Iterator[RabbitCluster]:
    """A running cluster, for the tests of one file. Who kills a node starts it again."""
    if not SERVER.exists():
        pytest.fail("these tests need RabbitMQ: install the Debian package rabbitmq-server (tools/system-packages)")
    with rabbitmq_cluster() as made:
        yield made


@contextmanager
def rabbitmq_cluster(size: int = 3) -> Iterator[RabbitCluster]:
    """A cluster of so many nodes, in a folder of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rabbitmq-")))
        mapper_port = _mapper(stack)
        nodes = []
        for number in range(1, size + 1):
            directory = folder / f"n{number}"
            directory.mkdir()
            cookie = directory / ".erlang.cookie"
            cookie.write_text(COOKIE)
            cookie.chmod(0o400)
            nodes.append(RabbitServer(directory, mapper_port))
        peers = "".join(
            f"cluster_formation.classic_config.nodes.{number} = {node.name}\n" for number, node in enumerate(nodes, 1)
        )
        for node in nodes:
            node.configure(CONFIGURATION + peers)
            stack.callback(node.stop)
            node.start()
        cluster = RabbitCluster(tuple(nodes))
        cluster.wait_whole()
        yield cluster


def _mapper(stack: ExitStack) -> int:
    """A port mapper that all nodes share: they find each other by it."""
    port = free_port()
    mapper = subprocess.Popen(["/usr/bin/epmd", "-port", str(port), "-address", "127.0.0.1"])
    stack.callback(mapper.wait, 10)
    stack.callback(mapper.terminate)
    return port
