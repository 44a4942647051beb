"""What the service tells of itself: status, metrics, stale answers, the revision history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.api.metrics import METRICS
from congressd.bus.streams import Disconnected, Resync, ResyncReason
from congressd.daemon.presence import Presence
from congressd.daemon.status import State, Status
from tests.unit.rig import Rig, wait_until


def _status(role: str, state: State, epoch: int | None = None) -> Status:
    return Status(role, state, epoch, 7, True, True, 0.25, 0.1, 3, ("slow",), "because")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def watched(rig: Rig) -> Rig:
    rig.push_source("seen", {"t": ["a"]})
    rig.policy("look", "p(x) :- seen:t(x)", "bad(y) :- seen:t(x), builtin:div(1, x, y)")
    rig.push("seen", "t", [[0], [1]])
    assert rig.rows("look", "p") == [[0], [1]]
    assert rig.rows("look", "bad") == [[1]]
    return rig


def test_nodes_are_told_with_what_they_last_said(watched: Rig) -> None:
    one = Presence(watched.control, "a.dsd-1", lambda: _status("dsd", State.ACTIVE, 99))
    one()
    Presence(watched.control, "b.dsd-1", lambda: _status("dsd", State.STANDBY)).tell()
    nodes = wait_until(lambda: len(found := watched.get("/v1/system/status")["nodes"]) == 2 and found)
    assert [(node["node"], node["role"], node["state"], node["epoch"]) for node in nodes] == [
        ("a.dsd-1", "dsd", "active", 99),
        ("b.dsd-1", "dsd", "standby", None),
    ]
    assert (nodes[0]["bus"], nodes[0]["failing"], nodes[0]["revision"]) == (True, ["slow"], 7)
    figures = watched.client.get("/metrics").get_data(as_text=True)
    assert 'congressd_nodes{role="dsd",state="active"} 1.0' in figures
    assert 'congressd_node_silent_seconds{node="b.dsd-1"}' in figures


def test_a_node_says_at_once_what_is_new_and_is_silent_when_it_says_nothing(
    watched: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [State.STARTING]
    presence = Presence(watched.control, "c.pe-1", lambda: _status("pe", states[-1]))

    def told() -> str | None:
        nodes = watched.get("/v1/system/status")["nodes"]
        return next((str(node["state"]) for node in nodes if node["node"] == "c.pe-1"), None)

    presence()
    wait_until(lambda: told() == "starting")
    states.append(State.READY)
    presence()
    wait_until(lambda: told() == "ready")
    with monkeypatch.context() as patch:
        patch.setattr("congressd.pe.roll.SILENCE", -1.0)
        assert told() == "silent"
    states.append(State.STOPPING)
    presence()
    wait_until(lambda: told() == "stopping")
    monkeypatch.setattr("congressd.pe.roll.SILENCE", -1.0)
    assert told() is None


def test_the_status_tells_of_sources_rules_engine_and_queues(watched: Rig) -> None:
    status = watched.get("/v1/system/status")
    (source,) = [each for each in status["sources"] if each["source"] == "seen"]
    assert (source["state"], source["behind"], source["pushes_waiting"]) == ("held", 0, 0)
    assert source["held"].startswith(source["published"])
    (failed,) = [each for each in status["failures"] if each["policy"] == "look"]
    assert failed["rule_id"] in {rule["id"] for rule in watched.get("/v1/policies/look/rules")["results"]}
    assert failed["count"] >= 1
    assert "builtin:div(1, 0" in failed["last"][-1]
    assert (status["ready"], status["bus"], status["revision"]) == (True, "connected", watched.node.revision)
    assert status["epoch"] > 0
    assert status["engine"]["rows"] >= 4
    assert status["answers"]["kept"] >= 1


def test_what_was_pushed_and_not_published_is_counted(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.push_source("doc", {"t": ["a"]})
        rig.policy("p", "q(x) :- doc:t(x)")
        rig.push("doc", "t", [[1]])
        assert rig.rows("p", "q") == [[1]]
        rig.stop_dsd()
        for number in range(3):
            rig.push("doc", "t", [[number]])
        (source,) = rig.get("/v1/system/status")["sources"]
        assert source["pushes_waiting"] == 3
        assert 'congressd_pushes_waiting{source="doc"} 3.0' in rig.client.get("/metrics").get_data(as_text=True)
        rig.start_dsd()
        wait_until(lambda: rig.get("/v1/system/status")["sources"][0]["pushes_waiting"] == 0)


def test_every_metric_of_the_table_is_told_and_no_other(watched: Rig) -> None:
    text = watched.client.get("/metrics").get_data(as_text=True)
    told = {line.split()[2].removesuffix("_total"): line.split()[3] for line in text.splitlines() if "# TYPE" in line}
    told = {name: kind for name, kind in told.items() if not name.endswith("_created")}
    assert told == {row.name: row.kind for row in METRICS}
    assert len({row.name for row in METRICS}) == len(METRICS)


# --- stale answers


@pytest.fixture
def cut(watched: Rig) -> Iterator[Rig]:
    """A node that is cut off from the bus."""
    watched.subscriber.put([Disconnected("the test says so")])
    wait_until(lambda: not watched.node.streams.connected)
    yield watched
    watched.subscriber.put([Resync(watched.subscriber.sources, ResyncReason.RECONNECTED)])
    wait_until(lambda: watched.node.streams.connected)


@pytest.mark.parametrize(
    ("path", "stale", "status"),
    [
        ("/v1/policies", "*", 200),
        ("/v1/policies/nothing", "*", 404),
        ("/v1/policies/look/tables/p/rows", "*,seen", 200),
        ("/v1/policies/look/query?q=p(0)", "*,seen", 200),
        ("/v1/data-sources/seen/tables/t/rows", "*,seen", 200),
        ("/readyz", "*", 200),
    ],
)
def test_a_node_that_is_cut_off_says_so_in_every_answer(cut: Rig, path: str, stale: str, status: int) -> None:
    answer = cut.client.get(path)
    assert (answer.status_code, answer.headers["Congress-Stale"]) == (status, stale)
    assert "the test says so" in cut.get("/readyz")["bus"]


def test_a_node_that_is_not_cut_off_says_nothing(watched: Rig) -> None:
    for path in ("/v1/policies", "/v1/policies/look/tables/p/rows", "/readyz"):
        assert "Congress-Stale" not in watched.client.get(path).headers


def test_a_node_without_sources_is_not_cut_off(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        assert rig.get("/readyz")["bus"] == "connected"
        assert "Congress-Stale" not in rig.client.get("/v1/policies").headers


# --- the revision history


def test_the_history_tells_who_changed_what_and_no_secret(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        first = rig.node.revision
        rig.policy("one", "p(1)")
        rule = rig.post("/v1/policies/one/rules", {"rule": "q(x) :- p(x)", "name": "n"})
        config = {"user": "ann", "password": "open sesame"}
        rig.post("/v1/data-sources", {"name": "vault", "driver": "safe", "config": config})
        rig.call("PATCH", f"/v1/policies/one/rules/{rule['id']}", {"comment": "why"})
        rig.call("DELETE", "/v1/policies/one")
        response = rig.client.get(f"/v1/revisions?since={first}")
        assert "open sesame" not in response.get_data(as_text=True)
        results = response.get_json()["results"]
        assert [each["revision"] for each in results] == list(range(first + 1, first + 6))
        assert [[change["kind"] for change in each["changes"]] for each in results] == [
            ["policy_created", "rule_created"],
            ["rule_created"],
            ["source_created"],
            ["rule_updated"],
            ["policy_deleted"],
        ]
        assert {each["author"] for each in results} == {"anonymous"}
        assert results[1]["changes"][0]["policy"] == "one"
        assert results[1]["changes"][0]["record"] == rule
        assert results[2]["changes"][0]["record"]["config"] == {"user": "ann", "password": "<hidden>"}
        assert all(each["at"].endswith("Z") and each["count"] == len(each["changes"]) for each in results)
        # by pages, and the last ones
        assert rig.get(f"/v1/revisions?since={first}&limit=2")["results"] == results[:2]
        page = rig.get(f"/v1/revisions?since={first + 2}&limit=2")["results"]
        assert [each["revision"] for each in page] == [first + 3, first + 4]
        assert page[1]["changes"][0]["policy_id"] == results[0]["changes"][0]["policy_id"]
        assert [each["revision"] for each in rig.get("/v1/revisions?limit=2")["results"]] == [first + 4, first + 5]
        assert rig.get(f"/v1/revisions?since={first + 5}")["results"] == []


def test_of_a_large_revision_the_first_changes_are_told(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.policy("large", *(f"p({number})" for number in range(300)))
        (last,) = rig.get("/v1/revisions?limit=1")["results"]
        assert (last["count"], len(last["changes"])) == (301, 200)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1.5", "since=-1", "since=", "until=3"])
def test_a_history_that_cannot_be_is_refused(rig: Rig, query: str) -> None:
    message = rig.get(f"/v1/revisions?{query}", 400)["error"]["message"]
    assert query.partition("=")[0] in message
