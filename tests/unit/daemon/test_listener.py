"""A datasource node's health and figures over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.api.access import OpenAccess, TokenAccess
from congressd.api.tokenfile import add, new_token
from congressd.daemon import reference
from congressd.daemon.dsd_metrics import Look
from congressd.daemon.listener import Listener
from congressd.daemon.start import StartError
from congressd.daemon.status import State, Status
from congressd.dsd.source import Figures

DOCS = Path(__file__).parents[3] / "docs"
SOURCES = (
    Figures("good", failing=False, rows=7, read_at=1_700_000_000.0, batches=3, unconfirmed=0),
    Figures("new", failing=True, rows=0, read_at=None, batches=0, unconfirmed=1),
)


def look(state: State) -> Look:
    active = state is State.ACTIVE
    return Look(Status("dsd", state, 42 if active else None, 5, True, True, None, 0.1, 2), SOURCES)


class Asked:
    """A listener that can be asked; ``state`` is what the node does."""

    def __init__(self, access: OpenAccess | TokenAccess) -> None:
        self.state = State.STANDBY
        self.listener = Listener("127.0.0.1", 0, access, lambda: look(self.state))

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.listener.port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked(OpenAccess())
    yield made
    made.listener.close()


def test_only_the_active_node_is_ready_and_every_one_is_well(asked: Asked) -> None:
    assert asked.ask("/healthz")[0] == 200
    assert asked.ask("/readyz") == (503, '{"ready": false, "state": "standby", "epoch": null}')
    asked.state = State.ACTIVE
    assert asked.ask("/readyz") == (200, '{"ready": true, "state": "active", "epoch": 42}')
    assert asked.ask("/readyz", "HEAD") == (200, "")


def test_figures_are_those_of_the_node_and_of_each_source(asked: Asked) -> None:
    asked.state = State.ACTIVE
    status, text = asked.ask("/metrics")
    assert status == 200
    lines = text.splitlines()
    assert "congressd_dsd_active 1.0" in lines
    assert "congressd_dsd_epoch 42.0" in lines
    assert 'congressd_dsd_source_rows{source="good"} 7.0' in lines
    assert 'congressd_dsd_source_failing{source="new"} 1.0' in lines
    assert 'congressd_dsd_source_unconfirmed_total{source="new"} 1.0' in lines
    assert not any(line.startswith('congressd_dsd_source_read_seconds{source="new"}') for line in lines)


def test_other_paths_and_methods_are_refused_with_what_there_is(asked: Asked) -> None:
    status, said = asked.ask("/v1/policies")
    assert (status, "there are /healthz, /readyz and /metrics" in said) == (404, True)
    assert asked.ask("/healthz", "POST")[0] == 501


def test_figures_take_a_token_where_tokens_are_taken(tmp_path: Path) -> None:
    token, entry = new_token("prometheus", "reader", None)
    add(tmp_path / "tokens", entry)
    asked = Asked(TokenAccess(tmp_path / "tokens"))
    try:
        assert asked.ask("/metrics")[0] == 401
        assert asked.ask("/metrics", Authorization="Bearer wrong")[0] == 401
        assert asked.ask("/metrics", Authorization=f"Bearer {token}")[0] == 200
        assert asked.ask("/readyz")[0] == 503
    finally:
        asked.listener.close()


def test_an_address_of_another_machine_is_listened_on_and_a_taken_port_is_told(asked: Asked) -> None:
    Listener("192.0.2.7", 0, OpenAccess(), lambda: look(State.STANDBY)).close()
    with pytest.raises(StartError, match=rf"port {asked.listener.port} cannot be listened on: Address already in use"):
        Listener("127.0.0.1", asked.listener.port, OpenAccess(), lambda: look(State.STANDBY))


def test_the_page_of_metrics_is_up_to_date() -> None:
    current = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert current == reference.page(), "run `python -m congressd.daemon.reference > docs/metrics.md`"
