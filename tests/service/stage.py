"""Three policy engine nodes and two datasource nodes, perhaps behind HAProxy, ready for `tests.service.clients`.

Also what is asked of them in the end: that all hold the same, and what that is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.haproxy import HAProxy, Server, render_and_start
from tests.service.clients import (
    POLICY,
    READER,
    SOURCE,
    Client,
    Connections,
    Crowd,
    prepare,
    pushed_elements,
    rule_elements,
)
from tests.service.history import Element, History, lost, unequal, unexpected
from tests.service.nodes import QUICK, Cluster, Daemon, PolicyNode
from tests.service.process import wait_for

Options = Mapping[str, Mapping[str, object]]

#: A lease that is over soon, so that a datasource node takes over by itself while clients are at work.
OPTIONS: Final[Options] = {
    **QUICK,
    "DEFAULT": {"log_level": "WARNING", "node": "here"},
    "pe": {"sync_period": 1.0, "drain_time": 1.5},
    "dsd": {"lease": 4.0, "renew_period": 1.0, "lease_margin": 1.0, "sync_period": 1.0, "when_lost": "standby"},
}


class Stage:
    """A cluster at work. Use as a context; everything ends with it."""

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        options: Options = OPTIONS,
        *,
        pes: int = 3,
        dsds: int = 1,
        databases: Sequence[str] = (),
    ) -> None:
        """``databases``: for each policy engine node the database that it uses, if not ``database_url``."""
        self._stack = ExitStack()
        self.cluster = self._stack.enter_context(Cluster(database_url, broker_url, options))
        urls = [*databases, *[database_url] * (pes - len(databases))]
        self.pes: list[PolicyNode] = [
            self.cluster.pe(number, database={"connection": url}) for number, url in enumerate(urls, 1)
        ]
        # Those that are not the first wait for its lease to end, and become active by themselves.
        self.dsds: list[Daemon] = [self.cluster.dsd(number) for number in range(1, dsds + 1)]
        self.haproxy: HAProxy | None = None
        self.history = History()
        self._clients = 0

    def __enter__(self) -> Stage:
        try:
            self.dsds[0].start()
            for node in self.pes:
                node.start()
            for node in self.pes:
                node.wait_ready()
            self.dsds[0].wait_until("active")
            for spare in self.dsds[1:]:
                spare.start()
            connections = Connections(self.ports)
            prepare(partial(connections.call, 0))
            connections.close()
            wait_for(
                lambda: all(node.has_rows(READER, "seen", []) for node in self.pes),
                "the first rows everywhere",
                seconds=120,  # a broker that was killed before may have lost a queue, which takes up to 41 s to mend
            )
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ports(self) -> list[int]:
        """Of the policy engine nodes."""
        return [node.port for node in self.pes]

    def behind_haproxy(self, directory: Path, **variables: Any) -> HAProxy:
        """Start HAProxy from our template before the policy engine nodes, and wait until it uses them all."""
        servers = [Server(f"pe{node.instance}", node.port) for node in self.pes]
        self.haproxy = render_and_start(directory, servers, **variables)
        self._stack.callback(self.haproxy.stop)
        self.haproxy.wait_up()
        return self.haproxy

    def clients(self, number: int, ports: Sequence[int] | None = None, **how: Any) -> list[Client]:
        """More clients, none like one before, at all policy engine nodes or at some other ports."""
        made = [
            Client(self._clients + each, self.ports if ports is None else ports, self.history, **how)
            for each in range(number)
        ]
        self._clients += number
        return made

    def crowd(self, number: int, ports: Sequence[int] | None = None, **how: Any) -> Crowd:
        """More clients, at work for the time of a context."""
        return Crowd(self.clients(number, ports, **how))

    def active(self) -> list[Daemon]:
        """The datasource nodes that say that they are active."""
        return [node for node in self.dsds if node.alive and node.state() == "active"]

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until every node is well again and all have the same; fails if that does not come by itself."""
        try:
            self._settle(seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.report()}") from error

    def report(self) -> str:
        """What every process says of itself, and said last."""
        lines = []
        for node in (*self.pes, *self.dsds):
            try:
                said = str(node.ask(seconds=2.0))
            except OSError as error:
                said = str(error)
            lines += [f"{node.role}-{node.instance}: {said}", node.log.read_text(errors="replace")[-3000:]]
        for pe in self.pes:
            with suppress(OSError):
                lines.append(f"pe-{pe.instance}: {pe.call('GET', '/readyz').body}")
        return "\n".join(lines)

    def _settle(self, seconds: float) -> None:
        for node in self.pes:
            node.wait_ready(seconds)
        wait_for(lambda: len(self.active()) == 1, "exactly one active datasource node", seconds)
        marker = self._mark(seconds)

        def there() -> bool:
            return all(marker in self._rows(node) for node in self.pes)

        wait_for(there, "a last push on every node", seconds)
        wait_for(lambda: len({node.ask()["revision"] for node in self.pes}) == 1, "one revision everywhere", seconds)

    def _mark(self, seconds: float) -> Element:
        """Push one row behind everything that was accepted before; what it is."""
        (client,) = self.clients(1, mix={"push": 1})

        def accepted() -> bool:
            client.step()
            return self.history.operations[-1].status == 200

        wait_for(accepted, "a push is accepted", seconds)
        (marker,) = self.history.operations[-1].added
        return marker

    def _rows(self, node: PolicyNode) -> list[Element]:
        reply = node.call("GET", f"/v1/policies/{READER}/tables/seen/rows")
        return pushed_elements(reply.body["results"]) if reply.status == 200 else []

    def state(self, node: PolicyNode) -> list[Element]:
        """All pushed rows and all rules that a node has, in order."""
        rules = rule_elements(node.get(f"/v1/policies/{POLICY}/rules")["results"])
        return sorted([*self._rows(node), *rules], key=str)

    def audit(self) -> list[str]:
        """What is wrong with a cluster that has settled, among its nodes and against the history; empty if nothing."""
        states = [self.state(node) for node in self.pes]
        raw = self.pes[0].get(f"/v1/data-sources/{SOURCE}/tables/t/rows")["results"]
        ours = sorted(pushed_elements(raw), key=str)
        held = [each for each in states[0] if isinstance(each, tuple) and each[0] == "push"]
        operations = self.history.operations
        return [
            *unequal(states),
            *([] if ours == held else [f"the rows {ours} are not those that rules see, {held}"]),
            *lost(operations, states[0]),
            *unexpected(operations, states[0]),
            *self.epochs(),
        ]

    def epochs(self) -> list[str]:
        """Nodes that hold rows of another epoch than that of the one active datasource node."""
        active = [node.ask()["epoch"] for node in self.active()]
        if len(active) != 1:
            return [f"there are {len(active)} active datasource nodes"]
        return [
            f"pe-{node.instance} holds the epoch {held}, the active datasource node has {active[0]}"
            for node in self.pes
            if (held := self._epoch(node)) != active[0]
        ]

    def _epoch(self, node: PolicyNode) -> int:
        path = f"/v1/policies/{READER}/tables/seen/rows"
        told = node.call("GET", path).headers["Congress-Revision"]
        return int(told.partition(f"{SOURCE}=")[2].partition(".")[0] or 0)
