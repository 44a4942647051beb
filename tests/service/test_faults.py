"""One fault after the other on a cluster under load; `python -m benchmarks.faults` strikes 20 times each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.mariadb import MariaDB
from tests.service.mariadb_galera import Galera, galera_of_three
from tests.service.nemesis import (
    BROKER_FAULTS,
    FAULTS,
    GALERA_FAULTS,
    World,
    strike,
    world_on_galera,
    world_on_mariadb,
)
from tests.service.rabbitmq import RabbitServer
from tests.service.rabbitmq_cluster import RabbitCluster, rabbitmq_of_three
from tests.service.test_consistency import new_database

__all__ = ["galera_of_three", "rabbitmq_of_three"]

pytestmark = pytest.mark.haproxy


@pytest.fixture(scope="module")
def world(mariadb: MariaDB, rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("haproxy")
    with world_on_mariadb(mariadb, new_database(mariadb), rabbitmq, folder) as made:
        yield made


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_all_nodes_are_equal_and_nothing_is_lost(name: str, world: World) -> None:
    assert strike(world, FAULTS[name]).problems == ()


@pytest.mark.parametrize("name", GALERA_FAULTS)
def test_the_same_on_galera(
    name: str, galera_of_three: Galera, rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("haproxy")
    with world_on_galera(galera_of_three, "faults", rabbitmq, folder) as world:
        assert strike(world, GALERA_FAULTS[name]).problems == ()


@pytest.mark.parametrize("name", BROKER_FAULTS)
def test_the_same_on_a_cluster_of_brokers(
    name: str, mariadb: MariaDB, rabbitmq_of_three: RabbitCluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("haproxy")
    with world_on_mariadb(mariadb, new_database(mariadb), rabbitmq_of_three, folder) as world:
        assert strike(world, BROKER_FAULTS[name]).problems == ()
