"""A whole service in this process, for tests: SQLite in a directory, the in-process bus, both nodes, the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from congressd.api.app import Application, create_app
from congressd.api.service import Service
from congressd.bus.inprocess import InProcessBus
from congressd.datasources.catalogue import DriverCatalogue
from congressd.datasources.driver import Driver, DriverInfo, Fetch, FetchedTable, PollRequest
from congressd.datasources.options import Option
from congressd.datasources.registry import load_drivers
from congressd.dsd.node import DatasourceNode, NodeSettings
from congressd.model.tables import Column, TableSchema
from congressd.model.values import FALSE, TRUE
from congressd.pe.node import PolicyEngineNode
from congressd.store import keys, migrate
from congressd.store.database import Database


def wait_until(condition: Callable[[], Any], timeout: float = 10.0) -> Any:
    """The first true value of ``condition``; fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.005)
    return value


class Safe(Driver):
    """A driver with a secret; its one table tells whether the secret was right."""

    info = DriverInfo(
        "safe",
        "Opens with a password",
        (Option("user", required=True), Option("password", required=True, secret=True)),
        tables=(TableSchema("state", (Column("user"), Column("open"))),),
    )

    def poll(self, request: PollRequest) -> Fetch:
        right = TRUE if self.config["password"] == "open sesame" else FALSE
        return Fetch({"state": FetchedTable(self.info.tables[0], [(self.config["user"], right)])})


DRIVERS: dict[str, type[Driver]] = {**load_drivers(), "safe": Safe}


class Rig:
    """``node`` is started and ready; ``client`` is Flask's test client over its API. Use as a context."""

    def __init__(self, directory: Path, bus: InProcessBus | None = None, *, with_dsd: bool = True) -> None:
        """Several rigs may share a directory and a bus, as the nodes of a cluster do."""
        url = f"sqlite:///{directory / 'congressd.db'}"
        self.database = Database(url)
        migrate.upgrade(self.database)
        self.keys = keys.load(directory / "secret.key", create=True)
        self.bus = bus or InProcessBus()
        self.control = self.bus.control()
        self.dsd: DatasourceNode | None = None
        if with_dsd:
            self.start_dsd()
        self.subscriber = self.bus.subscriber()
        self.node = PolicyEngineNode(
            self.database, self.subscriber, self.control, DriverCatalogue(DRIVERS), self.keys, sync_period=0.5
        )
        self.node.start()
        self.app: Application = create_app(Service(self.node))
        self.client = self.app.test_client()
        wait_until(lambda: self.node.readiness().ready)

    def start_dsd(self, settings: NodeSettings | None = None) -> None:
        """Start an active datasource node."""
        control = self.bus.control()
        self.dsd = DatasourceNode(self.database, self.bus.publisher(), control, self.keys, settings, DRIVERS)
        self.dsd.start()
        self.dsd.activate()

    def stop_dsd(self) -> None:
        """Stop the datasource node, if there is one."""
        if self.dsd is not None:
            self.dsd.stop()
            self.dsd = None

    def close(self) -> None:
        """Stop everything."""
        self.node.stop()
        self.stop_dsd()
        self.control.close()
        self.database.close()

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the API in short words ------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The decoded answer; checks the status, by default that it is 2xx."""
        response = self.client.open(path, method=method, json=body, headers=dict(headers or {}))
        expected = (200, 201) if status is None else (status,)
        assert response.status_code in expected, f"{method} {path}: {response.status} {response.get_data(as_text=True)}"
        return response.get_json() if response.data else None

    def get(self, path: str, status: int | None = None) -> Any:
        """GET."""
        return self.call("GET", path, None, status)

    def post(self, path: str, body: object, status: int | None = None) -> Any:
        """POST."""
        return self.call("POST", path, body, status)

    def policy(self, name: str, *rules: str, kind: str = "nonrecursive") -> Any:
        """Make a policy with rules."""
        return self.post("/v1/policies", {"name": name, "kind": kind, "rules": [{"rule": rule} for rule in rules]})

    def push_source(self, name: str, tables: Mapping[str, object]) -> Any:
        """Make a pushed source."""
        return self.post("/v1/data-sources", {"name": name, "driver": "push", "config": {"tables": dict(tables)}})

    def push(self, source: str, table: str, rows: object) -> None:
        """Replace a table."""
        self.call("PUT", f"/v1/data-sources/{source}/tables/{table}/rows", rows)

    def rows(self, policy: str, table: str) -> list[list[Any]]:
        """The rows of a table, as lists."""
        return [row["data"] for row in self.get(f"/v1/policies/{policy}/tables/{table}/rows")["results"]]
