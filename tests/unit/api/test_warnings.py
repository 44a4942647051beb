"""Answers that rest on rules that do not work, or on sources that cannot be read, say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from congressd.pe import streams
from tests.unit.rig import Rig, wait_until


@pytest.fixture(scope="module", autouse=True)
def shop(rig: Rig) -> None:
    rig.push_source("shop", {"items": ["id", "price"], "gone": ["id"]})
    rig.push("shop", "items", [["a", 1], ["b", 2]])


def _asked(rig: Rig, path: str, **query: str) -> Any:
    return rig.client.get(f"/v1/policies/{path}", query_string=query).get_json()


def _rule_id(rig: Rig, policy: str, begins: str) -> str:
    rules = rig.get(f"/v1/policies/{policy}/rules")["results"]
    return str(next(rule["id"] for rule in rules if rule["rule"].startswith(begins)))


def test_rules_that_work_need_no_words(rig: Rig) -> None:
    rig.policy("fine", "cheap(x) :- shop:items(x, 1)")
    assert "warnings" not in _asked(rig, "fine/tables/cheap/rows")
    assert "warnings" not in _asked(rig, "fine/query", q="cheap(x)")


def test_a_rule_that_waits_is_told_with_rows_and_queries(rig: Rig) -> None:
    rig.push_source("brief", {"t": ["id"]})
    rig.policy("waits", "top(x) :- middle(x), not shop:gone(x)", "middle(x) :- brief:t(id=x)", "other(1)")
    assert "warnings" not in _asked(rig, "waits/tables/top/rows")
    rig.call("DELETE", "/v1/data-sources/brief")
    for path, query in [
        ("waits/tables/top/rows", {}),
        ("waits/tables/top/rows", {"trace": "true"}),
        ("waits/query", {"q": "top(x)"}),
        ("waits/query", {"q": 'top("a")'}),
        ("waits/query", {"q": 'top("b")', "trace": "true"}),
        ("waits/query", {"q": "found(x) :- shop:items(x, y), not top(x)"}),
    ]:
        (warning,) = _asked(rig, path, **query)["warnings"]
        assert warning.startswith(
            "The rule 'middle(x) :- brief:t(id=x)' of policy 'waits' has no effect, since it waits:"
        )
        assert "brief" in warning.partition("waits: ")[2]
    assert "warnings" not in _asked(rig, "waits/tables/other/rows")
    rig.push_source("brief", {"t": ["id"]})
    assert "warnings" not in _asked(rig, "waits/tables/top/rows")


def test_a_disabled_rule_is_told_and_what_it_reads_is_not(rig: Rig) -> None:
    rig.policy("off", "error(x) :- half(x)", "half(x) :- shop:items(x, 2)")
    rule = f"/v1/policies/off/rules/{_rule_id(rig, 'off', 'half')}"
    rig.call("PATCH", rule, {"enabled": False})
    sentence = "The rule 'half(x) :- shop:items(x, 2)' of policy 'off' has no effect, since it is disabled."
    assert _asked(rig, "off/tables/error/rows")["warnings"] == [sentence]
    assert sentence in _asked(rig, "off/query", q="error(x)")["warnings"]
    rig.call("PATCH", rule, {"enabled": True})
    assert _asked(rig, "off/tables/error/rows") == {"results": [{"data": ["b"]}], "columns": ["x"]}


def test_of_many_rules_that_do_not_work_some_are_told(rig: Rig) -> None:
    rig.policy("many", *(f"p(x) :- shop:items(x, {number})" for number in range(8)))
    for rule in rig.get("/v1/policies/many/rules")["results"]:
        rig.call("PATCH", f"/v1/policies/many/rules/{rule['id']}", {"enabled": False})
    warnings = _asked(rig, "many/tables/p/rows")["warnings"]
    assert len(warnings) == 6
    assert warnings[-1] == "3 more rules that the answer rests on do not work."


def test_rows_of_a_source_that_can_be_read_no_more_are_stale(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SILENCE", 2.0)  # a heartbeat comes every second
    folder = tmp_path / "racks"
    folder.mkdir()
    (folder / "hosts.csv").write_text("id\nh1\n", encoding="utf-8")
    config = {"path": str(folder), "poll_time": 0.1}
    rig.post("/v1/data-sources", {"name": "racks", "driver": "file", "config": config})
    rig.policy("racked", "host(x) :- racks:hosts(x)")
    wait_until(lambda: rig.rows("racked", "host") == [["h1"]])

    def stale() -> str | None:
        return rig.client.get("/v1/policies/racked/tables/host/rows").headers.get("Congress-Stale")

    wait_until(lambda: stale() is None)
    folder.rename(tmp_path / "away")
    wait_until(lambda: stale() == "racks")
    rig.get("/v1/data-sources/racks/status")
    assert stale() == "racks"
    assert rig.rows("racked", "host") == [["h1"]]
    (tmp_path / "away").rename(folder)
    wait_until(lambda: stale() is None)


def test_the_first_rows_alone_can_be_asked_for(rig: Rig) -> None:
    rig.policy("cut", "p(x) :- shop:items(x, y)")
    for path, query in [
        ("policies/cut/tables/p/rows", {}),
        ("policies/cut/tables/p/rows", {"trace": "true"}),
        ("policies/cut/query", {"q": "p(x)"}),
        ("policies/cut/query", {"q": "p(x)", "trace": "true"}),
        ("policies/cut/query", {"q": "q(x) :- p(x)"}),
        ("data-sources/shop/tables/items/rows", {}),
    ]:
        answers = [
            rig.client.get(f"/v1/{path}", query_string={**query, **limit}).get_json()
            for limit in ({"limit": "1"}, {"limit": "2"}, {})
        ]
        assert [len(answer["results"]) for answer in answers] == [1, 2, 2]
        assert [row["data"][0] for row in answers[0]["results"]] == ["a"]
        assert [answer.get("truncated") for answer in answers] == [True, None, None]
        assert "trace" not in answers[0] or 'p("b")' not in answers[0]["trace"]


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "x", ""])
def test_a_limit_is_a_whole_number(rig: Rig, limit: str) -> None:
    for path in ("policies/fine/tables/cheap/rows", "policies/fine/query", "data-sources/shop/tables/items/rows"):
        assert "limit" in rig.get(f"/v1/{path}?limit={limit}", 400)["error"]["message"]
    assert "limit" in rig.get(f"/v1/actions?limit={limit}", 400)["error"]["message"]
