"""SIGABRT, which systemd sends to the main process of a daemon that hangs: its last words are where it hangs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.mariadb import mariadb_url
from tests.service.nodes import Cluster
from tests.service.process import wait_for
from tests.service.rabbitmq import RabbitServer

__all__ = ["mariadb_url"]

#: How it ends. Python's dump reads other threads without their lock, and now and then trips over one that runs.
BY_SIGNAL = (-signal.SIGABRT, -signal.SIGSEGV)


@pytest.fixture
def cluster(mariadb_url: str, rabbitmq: RabbitServer) -> Iterator[Cluster]:
    with Cluster(mariadb_url, rabbitmq.url) as made:
        yield made


def _gone(pid: int) -> bool:
    """Whether a process has ended, if nobody has waited for it either."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_datasource_node_says_where_it_hangs(cluster: Cluster) -> None:
    node = cluster.dsd(1)
    node.start()
    node.wait_until("active")
    assert node.end(signal.SIGABRT, seconds=5) == -signal.SIGABRT
    assert node.count("Fatal Python error: Aborted") == 1
    assert node.count("(most recent call first)") > 1
    assert node.count("/congressd/") > 0, node.log.read_text()[-6000:]


def test_the_worker_of_a_policy_engine_node_says_where_it_hangs_and_is_not_replaced(cluster: Cluster) -> None:
    node = cluster.pe(1)
    node.start()
    node.wait_ready()
    _parent, worker = node.everyone()
    assert node.end(signal.SIGABRT, seconds=5) in BY_SIGNAL
    wait_for(lambda: _gone(worker), "the worker has ended with its parent", 5)
    assert node.count("Fatal Python error: Aborted") == 1
    assert node.count("(most recent call first)") > 1
    assert node.count("/congressd/") > 0, node.log.read_text()[-6000:]
