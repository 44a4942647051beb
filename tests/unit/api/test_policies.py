"""Policies and rules over REST: shapes and codes that Congress' clients rely on."""

from __future__ import annotations

import pytest

from tests.unit.rig import Rig


def test_the_system_policies_exist_and_stay(rig: Rig) -> None:
    kinds = {policy["name"]: policy["kind"] for policy in rig.get("/v1/policies")["results"]}
    assert kinds["classification"] == "nonrecursive"
    assert kinds["action"] == "action"
    error = rig.call("DELETE", "/v1/policies/classification", status=404)["error"]
    assert "Cannot delete system-maintained policy classification" in error["message"]


def test_a_policy_is_made_read_and_deleted(rig: Rig) -> None:
    body = {"name": "security", "description": None, "abbreviation": None, "kind": None}
    response = rig.client.post("/v1/policies", json=body)
    made = response.get_json()
    assert response.status_code == 201
    assert response.headers["Location"].endswith(f"/v1/policies/{made['id']}")
    assert made == {
        "id": made["id"],
        "name": "security",
        "abbreviation": "secur",
        "description": "",
        "owner_id": "user",
        "kind": "nonrecursive",
    }
    assert rig.get("/v1/policies/security") == made == rig.get(f"/v1/policies/{made['id']}")
    assert made in rig.get("/v1/policies")["results"]
    assert rig.call("DELETE", "/v1/policies/security") == made
    assert rig.get("/v1/policies/security", 404)["error"]["error_code"] == 1020


def test_a_policy_with_rules_is_all_or_nothing(rig: Rig) -> None:
    body = {"name": "whole", "rules": [{"rule": "p(x) :- q(x)", "name": "one", "comment": "why"}, {"rule": "q(1"}]}
    error = rig.post("/v1/policies", body, 400)["error"]
    assert error["error_code"] == 1002
    assert "rules[1]" in error["message"]
    rig.get("/v1/policies/whole", 404)
    body["rules"] = [*body["rules"][:1], {"rule": "q(1)"}, {"rule": "q( 1 )"}]
    made = rig.post("/v1/policies", body)
    assert [(rule["rule"], rule["name"], rule["comment"]) for rule in made["rules"]] == [
        ("p(x) :- q(x)", "one", "why"),
        ("q(1)", None, ""),
    ]
    assert rig.rows("whole", "p") == [[1]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, 1010),
        ({"name": None}, 400, 1010),
        ({"name": "1x"}, 400, 1104),
        ({"name": "execute"}, 400, 1104),
        ({"name": "builtin"}, 400, 1104),
        ({"name": "caf\u00e9"}, 400, 1104),
        ({"name": "x" * 256}, 400, 1010),
        ({"name": "ok", "abbreviation": "toolong"}, 400, 1022),
        ({"name": "ok", "kind": "datasource"}, 400, 400),
        ({"name": "ok", "kind": "nosuch"}, 400, 400),
        ({"name": "ok", "desciption": "x"}, 400, 400),
        ({"name": "classification"}, 409, 1103),
        ({"name": "ok", "rules": {}}, 400, 400),
        ({"name": "ok", "rules": [{}]}, 400, 1002),
        ({"name": "ok", "rules": [{"rule": "p(1) q(1)"}]}, 400, 1003),
        ({"name": "ok", "rules": [{"rule": ""}]}, 400, 1002),
    ],
)
def test_a_policy_that_cannot_be_is_refused(rig: Rig, body: object, status: int, code: int) -> None:
    assert rig.post("/v1/policies", body, status)["error"]["error_code"] == code
    rig.get("/v1/policies/ok", 404)


def test_all_kinds_are_accepted_whatever_their_case(rig: Rig) -> None:
    """H10: one policy of kind database broke every query of every Congress node."""
    for kind in ("Database", "MATERIALIZED", "z3", "action", "nonrecursive"):
        rig.post("/v1/policies", {"name": f"kind_{kind}", "kind": kind, "rules": [{"rule": "p(1)"}]})
        assert rig.rows(f"kind_{kind}", "p") == [[1]]
        assert rig.get(f"/v1/policies/kind_{kind}")["kind"] == kind.lower()


def test_a_policy_is_changed_in_part_and_as_a_whole(rig: Rig) -> None:
    made = rig.policy("changing", "p(1)", "p(2)", "q(x) :- p(x)")
    kept = made["rules"][1]["id"]
    rig.call("PATCH", "/v1/policies/changing", {"description": "new", "name": "changed"})
    assert rig.get("/v1/policies/changed")["description"] == "new"
    assert rig.rows("changed", "q") == [[1], [2]]
    rules = {"name": "changed", "rules": [{"rule": "q(x) :- p(x)"}, {"rule": "p(2)", "comment": "c"}, {"rule": "p(3)"}]}
    answer = rig.call("PUT", "/v1/policies/changed", rules)
    assert answer["rules"][1] == {"id": kept, "rule": "p(2)", "name": None, "comment": "c", "enabled": True}
    assert rig.rows("changed", "q") == [[2], [3]]
    assert rig.get("/v1/policies/changed")["description"] == ""


def test_kind_and_system_names_cannot_be_changed(rig: Rig) -> None:
    rig.policy("fixed")
    assert rig.call("PATCH", "/v1/policies/fixed", {"kind": "action"}, 400)["error"]["error_code"] == 1013
    assert rig.call("PATCH", "/v1/policies/action", {"name": "other"}, 403)["error"]["error_code"] == 403


def test_rules_are_made_read_changed_and_deleted(rig: Rig) -> None:
    policy = rig.policy("ruled")
    response = rig.client.post("/v1/policies/ruled/rules", json={"rule": "p(x) :- q(x)", "name": None, "comment": None})
    made = response.get_json()
    assert response.headers["Location"].endswith(f"/v1/policies/ruled/rules/{made['id']}")
    path = f"/v1/policies/{policy['id']}/rules/{made['id']}"
    assert rig.get(path) == made
    assert rig.get("/v1/policies/ruled/rules") == {"results": [made]}
    rig.post("/v1/policies/ruled/rules", {"rule": "q(1)"})
    assert rig.rows("ruled", "p") == [[1]]
    changed = rig.call("PATCH", path, {"rule": "p(x) :- q(x), x > 5", "name": "big"})
    assert changed["id"] == made["id"]
    assert rig.rows("ruled", "p") == []
    assert rig.get("/v1/policies/ruled/rules/big") == changed
    rig.call("PATCH", path, {"rule": "p(x) :- q(x)", "enabled": False})
    rig.get("/v1/policies/ruled/tables/p", 200)
    status = rig.get(f"{path}/status")
    assert (status["state"], status["original_str"], status["id"]) == ("disabled", "p(x) :- q(x)", made["id"])
    assert rig.call("DELETE", path)["id"] == made["id"]
    assert rig.call("DELETE", path, status=404)["error"]["error_code"] == 404


def test_rules_in_bulk_are_taken_as_one(rig: Rig) -> None:
    rig.policy("bulk", "p(0)")
    error = rig.post("/v1/policies/bulk/rules", {"rules": [{"rule": "p(1)"}, {"rule": "p(1, 2)"}]}, 400)["error"]
    assert "p(1, 2)" in error["message"]
    assert rig.rows("bulk", "p") == [[0]]
    made = rig.post("/v1/policies/bulk/rules", {"rules": [{"rule": f"p({n})"} for n in range(1, 50)]})
    assert len(made["results"]) == 49
    assert len(rig.rows("bulk", "p")) == 50
    rig.call("PUT", "/v1/policies/bulk/rules", {"rules": [{"rule": "p(7)"}]})
    assert rig.rows("bulk", "p") == [[7]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"rule": "p(x) :- p(x)"}, 400, 1002),
        ({"rule": "p(x) :- q(y)"}, 400, 1002),
        ({"rule": "p(x"}, 400, 1002),
        ({"rule": "p(1) p(2)"}, 400, 1003),
        ({"rule": "known(1)"}, 409, 1008),
        ({"rule": 5}, 400, 1002),
        ({"rul": "p(1)"}, 400, 400),
        ({}, 400, 1002),
        ({"rule": "p(1)", "name": "n" * 256}, 400, 400),
        ({"rule": "nova:p(1)"}, 400, 1002),
        ({"rule": "p(x) :- builtin:nosuch(x)"}, 400, 1002),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rig: Rig, body: object, status: int, code: int) -> None:
    if not any(policy["name"] == "strict" for policy in rig.get("/v1/policies")["results"]):
        rig.policy("strict", "known(1)")
    assert rig.post("/v1/policies/strict/rules", body, status)["error"]["error_code"] == code


def test_a_rule_cannot_stand_in_a_source(rig: Rig) -> None:
    rig.push_source("standing", {"t": ["a"]})
    assert rig.post("/v1/policies/standing/rules", {"rule": "p(1)"}, 400)["error"]["error_code"] == 1019
    assert rig.post("/v1/policies/nosuch/rules", {"rule": "p(1)"}, 404)["error"]["error_code"] == 1020


def test_a_rule_that_waits_says_so_and_wakes(rig: Rig) -> None:
    rig.policy("waiting")
    made = rig.post("/v1/policies/waiting/rules", {"rule": "p(x) :- later:t(b=x)"})
    assert made["warnings"]
    assert rig.get("/v1/policies/waiting/status")["rules"] == {"active": 0, "waiting": 1, "disabled": 0}
    rig.push_source("later", {"t": ["a", "b"]})
    assert rig.get(f"/v1/policies/waiting/rules/{made['id']}/status")["state"] == "active"
    rig.push("later", "t", [[1, 2]])
    assert rig.rows("waiting", "p") == [[2]]


def test_builtins_that_fail_are_told_with_the_rule(rig: Rig) -> None:
    made = rig.policy("failing", "p(z) :- q(x), z = 1 / x", "q(0)", "q(1)")
    assert rig.rows("failing", "p") == [[1]]
    errors = rig.get(f"/v1/policies/failing/rules/{made['rules'][0]['id']}/status")["errors"]
    assert errors["count"] == 1
    assert errors["since"].endswith("Z")
    assert "div" in errors["last"][0]


def test_a_changed_rule_shows_at_once_in_what_was_kept(rig: Rig) -> None:
    rig.policy("kept", "p(1)")
    for _ in range(3):
        assert rig.rows("kept", "p") == [[1]]
    rig.post("/v1/policies/kept/rules", {"rule": "p(2)"})
    assert rig.rows("kept", "p") == [[1], [2]]
