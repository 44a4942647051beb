"""Tables, rows, queries, explanations and simulation over REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from congressd.engine import budget
from tests.unit.rig import Rig


@pytest.fixture(scope="module", autouse=True)
def cloud(rig: Rig) -> Iterator[None]:
    rig.push_source("doc", {"events": ["id", "host", "up"]})
    rig.push("doc", "events", [[1, "a", True], [2, "b", None], [3, "caf\u00e9", False]])
    rig.policy("alice", "p(x, h) :- doc:events(x, h), not q(x)", "q(1)", "r(x) :- q(x), bob:s(x)")
    rig.policy("change", 'action("set")', "q+(x) :- set(x)", "q-(y) :- set(x), q(y)", kind="action")
    return iter([None])


def test_tables_are_those_of_heads_and_bodies(rig: Rig) -> None:
    names = [table["id"] for table in rig.get("/v1/policies/alice/tables")["results"]]
    assert names == ["bob:s", "doc:events", "p", "q", "r"]
    for name in names:
        assert rig.get(f"/v1/policies/alice/tables/{name}") == {"id": name}
    message = rig.get("/v1/policies/alice/tables/pp/rows", 404)["error"]["message"]
    assert '"p"' in message


def test_rows_come_in_order_with_their_values(rig: Rig) -> None:
    assert rig.rows("alice", "p") == [[2, "b"], [3, "caf\u00e9"]]
    assert rig.rows("alice", "doc:events") == [[1, "a", True], [2, "b", None], [3, "caf\u00e9", False]]
    assert rig.rows("doc", "events") == rig.rows("alice", "doc:events")
    assert rig.rows("alice", "bob:s") == []


@pytest.mark.parametrize("text", ["True", "true", "1"])
def test_a_trace_is_text(rig: Rig, text: str) -> None:
    answer = rig.get(f"/v1/policies/alice/tables/p/rows?trace={text}")
    assert [row["data"][0] for row in answer["results"]] == [2, 3]
    lines = answer["trace"].splitlines()
    assert all(line.startswith("alice : ") for line in lines)
    assert any('doc:events(2, "b"' in line for line in lines)


def test_a_query_is_an_atom_or_a_rule(rig: Rig) -> None:
    def asked(text: str) -> list[list[object]]:
        answer = rig.client.get("/v1/policies/alice/query", query_string={"q": text}).get_json()
        return [row["data"] for row in answer["results"]]

    assert asked("p(2, y)") == [[2, "b"]]
    assert asked('doc:events(id=x, host="a")') == [[1, "a", True]]
    assert asked("found(h) :- p(x, h), x > 2") == [["caf\u00e9"]]
    assert asked("p(99, y)") == []


def test_a_query_of_a_table_that_nothing_defines_says_so(rig: Rig) -> None:
    def warned(text: str) -> list[str] | None:
        answer = rig.client.get("/v1/policies/alice/query", query_string={"q": text}).get_json()
        assert answer["results"] == []
        warnings: list[str] | None = answer.get("warnings")
        return warnings

    sentence = "No rule or fact defines the table alice:pp yet; it is empty until one does."
    assert [warning.partition(" Did you mean")[0] for warning in warned("pp(x, y)") or ()] == [sentence]
    assert [warning.partition(" Did you mean")[0] for warning in warned("found(x) :- pp(x, y)") or ()] == [sentence]
    assert warned("p(99, y)") is None


@pytest.mark.parametrize(
    ("query", "code"),
    [("", 400), ("q=", 400), ("q=p(", 1100), ("q=p(x)%20q(x)", 1100), ("q=doc:events(nocol=x)", 1100), ("x=1", 400)],
)
def test_a_query_that_cannot_be_is_refused(rig: Rig, query: str, code: int) -> None:
    error = rig.get(f"/v1/policies/alice/query?{query}", 400)["error"]
    assert error["error_code"] in (code, 1100)


def simulate(rig: Rig, body: object, query: str = "", status: int = 200) -> object:
    answer = rig.post(f"/v1/policies/alice?action=simulate{query}", body, status)
    return answer["result"] if status == 200 else answer["error"]["error_code"]


def test_a_simulation_answers_and_changes_nothing(rig: Rig) -> None:
    body = {"query": "p(x, h)", "sequence": "q+(2) doc:events+(4, 'd', true)", "action_policy": "change"}
    assert simulate(rig, body) == ['p(3, "caf\u00e9")', 'p(4, "d")']
    assert simulate(rig, body, "&delta=True") == ['p+(4, "d")', 'p-(2, "b")']
    assert rig.rows("alice", "p") == [[2, "b"], [3, "caf\u00e9"]]


def test_a_simulated_action_has_the_effects_of_its_theory(rig: Rig) -> None:
    body = {"query": "q(x)", "sequence": "set(9)", "action_policy": "change"}
    assert simulate(rig, body) == ["q(9)"]
    assert rig.rows("alice", "q") == [[1]]


def test_a_simulation_takes_rules_and_tells_its_trace(rig: Rig) -> None:
    body = {"query": "n(x)", "sequence": "n+(x) :- p(x, h)", "action_policy": "action"}
    answer = rig.post("/v1/policies/alice?action=simulate&trace=True", body)
    assert answer["result"] == ["n(2)", "n(3)"]
    assert "Simulate" in answer["trace"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"query": None}, 1004),
        ({"sequence": None}, 1004),
        ({"action_policy": None}, 1004),
        ({"action_policy": "nosuch"}, 1007),
        ({"query": "p("}, 1007),
        ({"query": "p(x, h) q(x)"}, 1007),
        ({"sequence": "q+(1, 2)"}, 1007),
        ({"sequence": "q+("}, 1007),
        ({"sequence": "nothing(1)"}, 1007),
        ({"sequence": "doc:events+(1)"}, 1007),
        ({"sequence": "q+(2) q+(x) :- nope:t(col=x)"}, 1007),
    ],
)
def test_a_simulation_that_fails_changes_nothing(rig: Rig, change: dict[str, object], code: int) -> None:
    """H9: in Congress it changed the live state for good."""
    body = {"query": "p(x, h)", "sequence": "q+(3)", "action_policy": "change"} | change
    assert simulate(rig, body, status=400) == code
    assert rig.rows("alice", "q") == [[1]]
    assert rig.rows("alice", "p") == [[2, "b"], [3, "caf\u00e9"]]


def test_an_unknown_or_missing_action_is_refused(rig: Rig) -> None:
    for query in ("", "?action=nosuch", "?action=simulate&action=simulate", "?action="):
        message = rig.post(f"/v1/policies/alice{query}", {}, 400)["error"]["message"]
        assert "action" in message
    rig.post("/v1/policies/nosuch?action=simulate", {"query": "p(x)", "sequence": "", "action_policy": "action"}, 404)


def test_values_survive_the_whole_way(rig: Rig) -> None:
    values = [None, True, False, 1, 1.5, -3, 10**30, "", "1", "true", "\U0001f600", 'a"b\\c', "line\nbreak", "\u0000"]
    rig.push_source("values", {"t": ["n", "v"]})
    rig.push("values", "t", [[n, value] for n, value in enumerate(values)])
    rig.policy("reader", "copy(n, v) :- values:t(n, v)", "same(n, m) :- values:t(n, v), values:t(m, v), n != m")
    answer = rig.client.get("/v1/policies/reader/tables/copy/rows").data
    assert [row["data"][1] for row in json.loads(answer)["results"]] == values
    assert rig.rows("reader", "same") == []


def test_a_large_table_is_ordered_and_whole(rig: Rig) -> None:
    rig.push_source("large", {"t": ["a", "b"]})
    rig.push("large", "t", [[n % 97, f"v{n}"] for n in range(20_000)])
    rows = rig.rows("large", "t")
    assert len(rows) == 20_000
    assert rows == sorted(rows)


# --- columns and explanations


def _asked(rig: Rig, path: str, **query: str) -> Any:
    response = rig.client.get(f"/v1/policies/{path}", query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


@pytest.fixture(scope="module")
def named(rig: Rig, cloud: None) -> Rig:
    rig.policy(
        "named",
        'first("none", 1)',
        "first(who, n) :- doc:events(n, who)",
        "first(other, number) :- doc:events(number, other)",
        'half(x, "a") :- doc:events(x)',
        "sum(x, _1) :- doc:events(x), x < 3, _1 = x + 1",
        "twice(x, x) :- doc:events(x)",
        "fact(1, 2)",
        "deep(x) :- first(h, x), not half(x, h), x > 1",
    )
    return rig


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("doc/tables/events/rows", ["id", "host", "up"]),
        ("alice/tables/doc:events/rows", ["id", "host", "up"]),
        ("alice/tables/p/rows", ["x", "h"]),
        ("alice/tables/q/rows", [None]),
        ("named/tables/first/rows", ["who", "n"]),
        ("named/tables/half/rows", ["x", None]),
        ("named/tables/sum/rows", ["x", "_1_"]),
        ("named/tables/twice/rows", ["x", None]),
        ("named/tables/fact/rows", [None, None]),
        ("named/query?q=first(a,b)", ["who", "n"]),
        ("named/query?q=doc:events(1,_,_)", ["id", "host", "up"]),
        ('named/query?q=found(b,"c",d)+:-+first(b,d)', ["b", None, "d"]),
        ("named/query?q=half(99,_)", ["x", None]),
        ("alice/tables/bob:s/rows", [None]),
    ],
)
def test_rows_come_with_the_names_of_their_columns(named: Rig, path: str, columns: list[str | None]) -> None:
    answer = named.get(f"/v1/policies/{path}")
    assert answer["columns"] == columns
    assert all(len(row["data"]) == len(columns) for row in answer["results"])


def test_matching_rows_are_explained_to_people_and_programs(named: Rig) -> None:
    answer = _asked(named, "named/query", q="deep(3)", trace="true")
    assert [row["data"] for row in answer["results"]] == [[3]]
    assert answer["trace"].splitlines()[0].startswith("named : named:deep(3) by deep(x) :-")
    (why,) = answer["explanations"]
    assert why["data"] == [3]
    steps = why["steps"]
    assert (steps[0]["table"], steps[0]["data"]) == ("named:deep", [3])
    assert len(steps[0]["conditions"]) == 2
    (premise,) = steps[0]["premises"]
    assert (steps[premise]["table"], steps[premise]["data"]) == ("named:first", ["caf\u00e9", 3])
    (source,) = steps[premise]["premises"]
    assert steps[source] == {"table": "doc:events", "data": [3, "caf\u00e9", False]}
    rules = {rule["id"] for rule in named.get("/v1/policies/named/rules")["results"]}
    assert {step["rule_id"] for step in steps if "rule" in step} <= rules
    assert len(_asked(named, "named/query", q="deep(x)", trace="true")["explanations"]) == 2
    assert _asked(named, "named/query", q="deep(99)", trace="true")["explanations"] == []


def test_only_rows_of_tables_are_explained(named: Rig) -> None:
    answer = named.client.get("/v1/policies/named/query", query_string={"q": "f(x) :- deep(x)", "trace": "true"})
    assert (answer.status_code, answer.get_json()["error"]["error_code"]) == (400, 1100)
    assert "ask an atom" in answer.get_json()["error"]["message"]


def test_a_row_that_much_rests_on_is_one_step(rig: Rig) -> None:
    rules = [f"s{n}(x) :- s{n - 1}(x), s{n - 1}(y), x = y" for n in range(1, 40)]
    rig.policy("shared", "s0(1)", *rules)
    (why,) = _asked(rig, "shared/query", q="s39(1)", trace="true")["explanations"]
    assert len(why["steps"]) == 40


def test_the_age_of_rows_bounds_a_simulation_too(rig: Rig) -> None:
    body = {"query": "p(x, y)", "sequence": "q+(2)", "action_policy": "change"}
    path = "/v1/policies/alice?action=simulate&max_staleness="
    assert rig.post(f"{path}60", body)["result"] == ['p(3, "caf\u00e9")']
    assert "max_staleness" in rig.post(f"{path}-1", body, 400)["error"]["message"]


def test_a_rule_that_rows_blow_up_is_suspended_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_ROWS", 1_000)
    rig.push_source("wide", {"a": ["x"], "b": ["y"]})
    rig.policy("product", "all(x, y) :- wide:a(x), wide:b(y)", "some(x) :- wide:a(x)")
    assert rig.rows("product", "all") == []
    rig.push("wide", "a", [[number] for number in range(100)])
    rig.push("wide", "b", [[number] for number in range(100)])
    assert len(rig.rows("product", "some")) == 100
    refused = rig.get("/v1/policies/product/tables/all/rows", 400)["error"]
    assert refused["error_code"] == 1109
    assert "share no variable" in refused["message"]
    [first, _] = rig.get("/v1/policies/product/rules")["results"]
    status = rig.get(f"/v1/policies/product/rules/{first['id']}/status")
    assert "more than 1,000 rows" in status["errors"]["suspended"]
