"""Data sources and pushes over REST."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.rig import Rig, wait_until

TABLES = {"events": ["id", {"name": "host", "type": "str", "description": "where"}]}


def test_a_source_is_made_read_and_deleted(rig: Rig) -> None:
    body = {"name": "doc", "driver": "push", "description": None, "config": {"tables": TABLES}}
    response = rig.client.post("/v1/data-sources", json=body)
    made = response.get_json()
    assert response.status_code == 201
    assert response.headers["Location"].endswith(f"/v1/data-sources/{made['id']}")
    expected = {"name": "doc", "driver": "push", "description": "", "type": None, "enabled": True}
    assert made == expected | {"id": made["id"], "config": {"tables": TABLES}}
    assert rig.get("/v1/data-sources/doc") == made == rig.get(f"/v1/data-sources/{made['id']}")
    assert made in rig.get("/v1/data-sources")["results"]
    spec = {
        "table_id": "events",
        "columns": [
            {"name": "id", "description": "", "type": "any"},
            {"name": "host", "description": "where", "type": "str"},
        ],
        "key": [],
    }
    assert rig.get("/v1/data-sources/doc/schema") == {"tables": [spec]}
    assert rig.get("/v1/data-sources/doc/tables") == {"results": [{"id": "events"}]}
    assert rig.get("/v1/data-sources/doc/tables/events") == {"id": "events"}
    assert rig.get("/v1/data-sources/doc/tables/events/spec") == spec
    assert rig.get("/v1/data-sources/doc/actions") == {"results": []}
    assert rig.get("/v1/data-sources/doc/tables/nosuch", 404)["error"]["error_code"] == 404
    assert rig.call("DELETE", "/v1/data-sources/doc") is None
    rig.get("/v1/data-sources/doc", 404)
    rig.call("DELETE", "/v1/data-sources/doc", status=404)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 400),
        ({"name": "x"}, 400, 400),
        ({"name": "x", "driver": "nosuch"}, 400, 1102),
        ({"name": "x", "driver": "push"}, 400, 1102),
        ({"name": "x", "driver": "push", "config": {"tables": "{"}}, 400, 1102),
        ({"name": "x", "driver": "push", "config": {"tables": {"t": []}}}, 400, 1102),
        ({"name": "x", "driver": "push", "config": {"tables": {"t": ["a"]}, "nosuch": 1}}, 400, 1102),
        ({"name": "_x", "driver": "push", "config": {"tables": {"t": ["a"]}}}, 400, 1104),
        ({"name": "a b", "driver": "push", "config": {"tables": {"t": ["a"]}}}, 400, 1104),
        ({"name": "classification", "driver": "push", "config": {"tables": {"t": ["a"]}}}, 409, 1103),
        ({"name": "x", "driver": "push", "config": []}, 400, 400),
    ],
)
def test_a_source_that_cannot_be_is_refused(rig: Rig, body: object, status: int, code: int) -> None:
    assert rig.post("/v1/data-sources", body, status)["error"]["error_code"] == code
    rig.get("/v1/data-sources/x", 404)


def test_policies_and_sources_share_their_names(rig: Rig) -> None:
    rig.push_source("shared", TABLES)
    assert rig.post("/v1/policies", {"name": "shared"}, 409)["error"]["error_code"] == 1103
    assert rig.post("/v1/data-sources", {"name": "shared", "driver": "fake"}, 409)["error"]["error_code"] == 1103


def test_a_push_replaces_and_changes_rows(rig: Rig) -> None:
    config = {"tables": TABLES, "key": {"events": ["id"]}}
    rig.post("/v1/data-sources", {"name": "keyed", "driver": "push", "config": config})
    rig.policy("watch", "hot(x) :- keyed:events(x, 'hot')")
    path = "/v1/data-sources/keyed/tables/events/rows"
    response = rig.client.put(path, json=[[1, "hot"], {"id": 2, "host": "cold"}])
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Congress-Revision"].endswith("keyed=/1")
    assert rig.rows("watch", "hot") == [[1]]
    rig.call("PATCH", path, {"upsert": [[2, "hot"]], "delete": [1]})
    assert rig.rows("watch", "hot") == [[2]]
    assert rig.get(path)["results"] == [{"data": [2, "hot"]}]
    rig.call("PUT", path, [])
    assert rig.rows("watch", "hot") == []
    status = rig.get("/v1/data-sources/keyed/status")
    assert (status["initialized"], status["push"], status["subscribers"]) == ("True", 3, ["watch"])


@pytest.mark.parametrize("body", [5, {}, [1], [[1]], [[1, 2, 3]], [{"nosuch": 1}], [[1, []]], [[1, {}]], "[[1, 2]]"])
def test_rows_that_do_not_fit_are_refused_and_change_nothing(rig: Rig, body: object) -> None:
    if "picky" not in [source["name"] for source in rig.get("/v1/data-sources")["results"]]:
        rig.push_source("picky", TABLES)
        rig.push("picky", "events", [[1, "a"]])
    rig.call("PUT", "/v1/data-sources/picky/tables/events/rows", body, 400)
    assert rig.rows("picky", "events") == [[1, "a"]]


def test_an_idempotency_key_makes_a_push_count_once(rig: Rig) -> None:
    rig.push_source("once", {"t": ["a"]})
    path = "/v1/data-sources/once/tables/t/rows"
    for _ in range(3):
        rig.call("PUT", path, [[1]], headers={"Idempotency-Key": "k"})
    wait_until(lambda: rig.get("/v1/data-sources/once/status")["push"] == 1)
    rig.call("PUT", path, [[2]], 409, headers={"Idempotency-Key": "k"})
    assert rig.rows("once", "t") == [[1]]


def test_a_push_outlives_the_datasource_node(rig: Rig) -> None:
    rig.push_source("durable", {"t": ["a"]})
    rig.policy("reader", "p(x) :- durable:t(x)")
    rig.push("durable", "t", [[1]])
    rig.stop_dsd()
    response = rig.client.put("/v1/data-sources/durable/tables/t/rows", json=[[2], [3]])
    assert response.status_code == 200
    assert rig.rows("reader", "p") == [[1]]
    assert rig.get("/v1/data-sources/durable/status")["state"] == "unknown"
    rig.start_dsd()
    wait_until(lambda: rig.rows("reader", "p") == [[2], [3]])


def test_rows_of_a_polled_source_cannot_be_pushed(rig: Rig) -> None:
    rig.post("/v1/data-sources", {"name": "polled", "driver": "fake", "config": {}})
    error = rig.call("PUT", "/v1/data-sources/polled/tables/t/rows", [], 409)["error"]
    assert "polled" in error["message"]


def test_a_source_of_files_is_read_and_refreshed(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "servers.csv").write_text("id,name\n1,web\n2,db\n")
    config = {"path": str(tmp_path), "poll_time": "600"}
    rig.post("/v1/data-sources", {"name": "files", "driver": "file", "config": config})
    assert rig.get("/v1/data-sources/files/tables") == {"results": [{"id": "servers"}]}
    rig.policy("checks", "named(n) :- files:servers(name=n)")
    assert rig.rows("checks", "named") == [["db"], ["web"]]
    (tmp_path / "servers.csv").write_text("id,name\n1,changed\n")
    assert rig.post("/v1/data-sources/files?action=request-refresh", {}) is None
    wait_until(lambda: rig.rows("checks", "named") == [["changed"]])


def test_a_rule_over_an_unknown_column_of_a_source_of_files_is_refused(rig: Rig, tmp_path: Path) -> None:
    """The schema is fetched for the check, although nothing had subscribed to the source."""
    (tmp_path / "servers.csv").write_text("id,name\n1,web\n")
    rig.post("/v1/data-sources", {"name": "unread", "driver": "file", "config": {"path": str(tmp_path)}})
    error = rig.post("/v1/policies/classification/rules", {"rule": "p(x) :- unread:servers(nme=x)"}, 400)["error"]
    assert '"name"' in error["message"]


def test_secrets_never_leave(rig: Rig) -> None:
    config = {"user": "ali", "password": "open sesame"}
    response = rig.client.post("/v1/data-sources", json={"name": "cave", "driver": "safe", "config": config})
    assert response.get_json()["config"] == {"user": "ali", "password": "<hidden>"}
    assert rig.rows("cave", "state") == [["ali", True]]
    patched = rig.call("PATCH", "/v1/data-sources/cave", {"config": {"password": "<hidden>", "user": "baba"}})
    shown = [rig.get("/v1/data-sources"), rig.get("/v1/data-sources/cave"), rig.get("/v1/data-sources/cave/status")]
    assert "sesame" not in f"{shown} {patched} {response.data!r}"
    wait_until(lambda: rig.rows("cave", "state") == [["baba", True]])
    rig.call("PUT", "/v1/data-sources/cave", {"config": {"user": "baba", "password": "open barley"}})
    wait_until(lambda: rig.rows("cave", "state") == [["baba", False]])


def test_a_secret_is_not_told_by_errors(rig: Rig) -> None:
    body = {"name": "leak", "driver": "safe", "config": {"user": "x", "password": {"a": "sesame"}}}
    assert "sesame" not in str(rig.post("/v1/data-sources", body, 400))
    body["config"] = {"user": "x", "password": "<hidden>"}
    rig.post("/v1/data-sources", body, 400)


def test_a_source_is_changed_in_part(rig: Rig) -> None:
    rig.push_source("parts", {"t": ["a"]})
    rig.policy("on_parts", "p(x) :- parts:t(x)")
    rig.push("parts", "t", [[1]])
    rig.call("PATCH", "/v1/data-sources/parts", {"config": {"tables": {"t": ["a", "b"]}}, "description": "wide"})
    assert rig.get("/v1/data-sources/parts")["description"] == "wide"
    rig.push("parts", "t", [[1, 2], [3, 4]])
    assert rig.rows("on_parts", "p") == [[1], [3]]
    rig.call("PATCH", "/v1/data-sources/parts", {"driver": "fake"}, 400)
    rig.call("PATCH", "/v1/data-sources/parts", {"enabled": False})
    assert rig.rows("on_parts", "p") == []
    rig.call("PATCH", "/v1/data-sources/parts", {"enabled": True})
    wait_until(lambda: rig.rows("on_parts", "p") == [[1], [3]])


def test_a_source_made_again_under_its_name_starts_empty(rig: Rig) -> None:
    rig.push_source("phoenix", {"t": ["a"]})
    rig.policy("ashes", "p(x) :- phoenix:t(x)")
    rig.push("phoenix", "t", [[1]])
    assert rig.rows("ashes", "p") == [[1]]
    rig.call("DELETE", "/v1/data-sources/phoenix")
    assert rig.rows("ashes", "p") == []
    rig.push_source("phoenix", {"t": ["a", "b"]})
    assert rig.rows("ashes", "p") == []
    rig.push("phoenix", "t", [[2, 3]])
    assert rig.rows("ashes", "p") == [[2]]


def test_drivers_tell_what_clients_print(rig: Rig) -> None:
    for driver in rig.get("/v1/system/drivers")["results"]:
        described = rig.get(f"/v1/system/drivers/{driver['id']}")
        assert {"id", "description", "config", "secret", "tables"} <= described.keys()
        assert set(described["config"].values()) <= {"required", "(optional)"}
    rig.get("/v1/system/drivers/nosuch", 404)


def test_a_table_that_a_source_has_not_is_told_by_the_name_of_the_source(rig: Rig) -> None:
    made = rig.push_source("racked", {"hosts": ["id"]})
    for named in ("racked", made["id"]):
        message = rig.get(f"/v1/data-sources/{named}/tables/hots/rows", 404)["error"]["message"]
        assert "data source 'racked' has no table 'hots'" in message
        assert '"hosts"' in message


def test_a_service_without_actions_says_that_it_has_none(rig: Rig) -> None:
    rig.push_source("mute", {"t": ["id"]})
    rig.policy("asks")
    refused = rig.post("/v1/policies/asks/rules", {"rule": "execute[mute:act(x)] :- mute:t(x)"}, 400)
    assert "'mute' has no action 'act'. It has none" in refused["error"]["message"]
