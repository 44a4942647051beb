"""Three policy engine nodes behind a real HAProxy: one dies, all are restarted in turn, HAProxy is reloaded.

Clients work all the while, through HAProxy, and none of them tries anything twice.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.haproxy import HAProxy
from tests.service.history import Operation, backwards, unanswered, unseen
from tests.service.mariadb import MariaDB
from tests.service.process import wait_for
from tests.service.rabbitmq import RabbitServer
from tests.service.stage import Stage
from tests.service.test_consistency import new_database

pytestmark = pytest.mark.haproxy

CLIENTS = 6
PAUSE = 0.02
RELOADS = 20
READS = {"rows": 5, "facts": 3, "rules": 2, "head": 2}


@pytest.fixture(scope="module")
def stage(mariadb: MariaDB, rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(new_database(mariadb), rabbitmq.url) as made:
        made.behind_haproxy(tmp_path_factory.mktemp("haproxy"))
        yield made


@pytest.fixture
def haproxy(stage: Stage) -> HAProxy:
    """With all three nodes in use."""
    assert stage.haproxy is not None
    for node in stage.pes:
        if not node.alive:
            node.start()
    stage.haproxy.wait_up(seconds=60)
    return stage.haproxy


def more(stage: Stage, number: int) -> None:
    """Wait until clients have done this many operations more."""
    wanted = len(stage.history) + number
    wait_for(lambda: len(stage.history) >= wanted, f"{number} operations more", 60)


def since(stage: Stage, before: int) -> list[Operation]:
    """What was done after the first ``before`` operations; checked for answers that go back in time."""
    operations = list(stage.history.operations[before:])
    assert backwards(operations) == []
    assert unseen(operations) == []
    return operations


def test_no_read_fails_when_a_node_is_killed(stage: Stage, haproxy: HAProxy) -> None:
    before = len(stage.history)
    with stage.crowd(CLIENTS, [haproxy.port], mix=READS, pause=PAUSE):
        for node in stage.pes:
            more(stage, 50)
            node.end(signal.SIGKILL)
            haproxy.wait_down(f"pe/pe{node.instance}")
            more(stage, 50)
            node.start()
            haproxy.wait_up(f"pe/pe{node.instance}", seconds=60)
    assert unanswered(since(stage, before)) == []


def test_a_rolling_restart_under_load_fails_no_request(stage: Stage, haproxy: HAProxy) -> None:
    before = len(stage.history)
    with stage.crowd(CLIENTS, [haproxy.port], pause=PAUSE):
        for node in stage.pes:
            more(stage, 50)
            assert node.end(signal.SIGTERM, 30) == 0
            node.start()
            node.wait_ready(60)
            haproxy.wait_up(f"pe/pe{node.instance}", seconds=60)
    assert unanswered(since(stage, before)) == []
    stage.settle()
    assert stage.audit() == []


def test_reloads_of_haproxy_under_load_fail_no_request(stage: Stage, haproxy: HAProxy) -> None:
    before = len(stage.history)
    with stage.crowd(CLIENTS, [haproxy.port], pause=PAUSE):
        for _ in range(RELOADS):
            more(stage, 20)
            haproxy.reload()
            haproxy.wait_up(seconds=30)
        more(stage, 50)
    assert unanswered(since(stage, before)) == []
