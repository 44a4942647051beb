"""Nodes over encrypted connections: to a RabbitMQ and a MariaDB that take no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from congressd.bus.rabbit_streams import BROKEN, RabbitOptions, connect
from congressd.model.errors import CongressError
from congressd.store import schema
from congressd.store.database import Database, Limits
from tests.ports import free_port
from tests.service.certificates import Certificates, make_certificates
from tests.service.mariadb import MariaDB
from tests.service.nodes import Cluster, on_all
from tests.service.rabbitmq import RabbitServer

pytestmark = pytest.mark.rabbitmq

BROKER = """
listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {files.ca}
ssl_options.certfile = {files.certificate}
ssl_options.keyfile = {files.key}
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they are, without what asks for encryption; whom to trust, and whom not to."""

    database: str
    broker: str
    ours: Certificates
    strange: Certificates


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("tls")
    ours, strange = make_certificates(folder / "ours"), make_certificates(folder / "strange")
    with ExitStack() as stack:
        (folder / "r").mkdir()
        port = free_port()
        rabbitmq = RabbitServer(folder / "r", configuration=BROKER.format(port=port, files=ours))
        stack.callback(rabbitmq.stop)
        rabbitmq.start()
        files = (f"--ssl-ca={ours.ca}", f"--ssl-cert={ours.certificate}", f"--ssl-key={ours.key}")
        mariadb = MariaDB(folder / "m", (*files, "--require-secure-transport=ON"))
        stack.callback(mariadb.stop)
        mariadb.create()
        with mariadb.root() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE congress")
        yield Servers(mariadb.url("congress"), f"rabbit://guest:guest@127.0.0.1:{port}//", ours, strange)


def test_nodes_work_over_encrypted_connections_only(servers: Servers) -> None:
    trust = f"?ssl_ca={servers.ours.ca}"
    with Cluster(servers.database + trust, servers.broker + trust) as cluster:
        pe, dsd = cluster.pe(1), cluster.dsd(1)
        dsd.start()
        pe.start()
        dsd.wait_until("active")
        pe.wait_ready()
        pe.post("/v1/data-sources", {"name": "ledger", "driver": "push", "config": {"tables": '{"t": ["x"]}'}})
        pe.post("/v1/policies", {"name": "p", "rules": [{"rule": "seen(x) :- ledger:t(x)"}]})
        assert pe.call("PUT", "/v1/data-sources/ledger/tables/t/rows", [["a"]]).status == 200
        on_all([pe], lambda node: node.has_rows("p", "seen", [["a"]]), "the row")


def test_a_database_that_somebody_else_signed_for_is_not_trusted(servers: Servers) -> None:
    database = Database(f"{servers.database}?ssl_ca={servers.strange.ca}", limits=Limits(deadline=1.0))
    with pytest.raises(CongressError, match=r"certificate|unavailable"):
        schema.current(database)


def test_a_broker_that_somebody_else_signed_for_is_not_trusted(servers: Servers) -> None:
    url = servers.broker.replace("rabbit:", "amqp:")
    connection, _ = connect(RabbitOptions((f"{url}?ssl_ca={servers.ours.ca}",)), 0)
    connection.close()
    with pytest.raises(BROKEN, match="certificate"):
        connect(RabbitOptions((f"{url}?ssl_ca={servers.strange.ca}",)), 0)
