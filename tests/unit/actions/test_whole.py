"""Execute rules through the whole service: from a row to a call at a target, and what people may do on the way."""

from __future__ import annotations

from typing import Any

from tests.unit.actions.target import Target
from tests.unit.rig import Rig, wait_until

TABLES = {"bad": ["id"], "ok": ["id"]}


def rule_of(target: Target, body: str = "inv:bad(x)", path: str = "/act/", action: str = "http:request") -> str:
    return f'execute[{action}("POST", url)] :- {body}, concat("{target.url}{path}", x, url)'


def add(rig: Rig, rule: str, **options: Any) -> Any:
    if not any(policy["name"] == "p" for policy in rig.get("/v1/policies")["results"]):
        rig.post("/v1/policies", {"name": "p"})
    return rig.post("/v1/policies/p/rules", {"rule": rule, "options": options})


def listed(rig: Rig, **query: str) -> list[dict[str, Any]]:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    found: list[dict[str, Any]] = rig.get(f"/v1/actions?{text}")["results"]
    return found


def wait_states(rig: Rig, *states: str, **query: str) -> list[dict[str, Any]]:
    """The activations, once their states are these, whatever their order."""
    wait_until(lambda: sorted(each["state"] for each in listed(rig, **query)) == sorted(states), 15)
    return listed(rig, **query)


def test_a_row_becomes_one_call_with_everything_on_record(rig: Rig, target: Target) -> None:
    rig.push_source("inv", TABLES)
    rule = add(rig, rule_of(target))
    rig.push("inv", "bad", [["a"]])
    (call,) = target.wait(1)
    (done,) = wait_states(rig, "succeeded")
    assert (call.method, call.path, call.activation) == ("POST", "/act/a", done["id"])
    assert done["result"]["output"]["status"] == 200
    assert (done["policy"], done["rule_id"], done["attempts"], done["open"]) == ("p", rule["id"], 1, True)
    assert done["why"]["rule"].startswith("execute[http:request(")
    assert any('inv:bad("a")' in line for line in done["why"]["rows"])
    assert done["epoch"] and done["started_at"] and done["finished_at"]


def test_a_row_that_stays_is_acted_on_once_and_again_when_it_comes_back(rig: Rig, target: Target) -> None:
    rig.push_source("inv", TABLES)
    add(rig, rule_of(target))
    rig.push("inv", "bad", [["a"], ["b"]])
    target.wait(2)
    rig.push("inv", "bad", [["a"], ["b"], ["c"]])
    target.wait(3)
    wait_states(rig, *["succeeded"] * 3)
    rig.push("inv", "bad", [["b"], ["c"]])
    wait_until(lambda: len(listed(rig, open="false")) == 1)
    rig.push("inv", "bad", [["a"], ["b"], ["c"]])
    target.wait(4)
    assert target.paths() == {"/act/a": 2, "/act/b": 1, "/act/c": 1}
