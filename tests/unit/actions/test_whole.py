"""Execute rules through the whole service: from a row to a call, and what people may do on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from congressd.dsd.executor import ExecutorSettings
from congressd.model.actions import Blast
from tests.unit.actions.support import PAUSE, add, bad, listed, settle, wait_states
from tests.unit.actions.target import Target
from tests.unit.actions.world import World
from tests.unit.rig import Rig, wait_until


def test_a_row_becomes_one_call_with_everything_on_record(rig: Rig, target: Target) -> None:
    rule = add(rig, f'execute[http:request("POST", url)] :- inv:bad(x), concat("{target.url}/act/", x, url)')
    bad(rig, "a")
    (call,) = target.wait(1)
    (done,) = wait_states(rig, "succeeded")
    assert (call.method, call.path, call.activation) == ("POST", "/act/a", done["id"])
    assert done["result"]["output"]["status"] == 200
    assert (done["policy"], done["rule_id"], done["attempts"], done["open"]) == ("p", rule["id"], 1, True)
    assert done["why"]["rule"].startswith("execute[http:request(")
    assert any('inv:bad("a")' in line for line in done["why"]["rows"])
    assert rule["id"] not in str(done["why"]["rows"])
    assert all(done[name] for name in ("epoch", "started_at", "finished_at"))


def test_a_row_that_stays_is_acted_on_once_and_again_when_it_comes_back(rig: Rig, world: type[World]) -> None:
    add(rig, PAUSE)
    bad(rig, "a", "b")
    wait_states(rig, *["succeeded"] * 2)
    bad(rig, "a", "b", "c")
    wait_states(rig, *["succeeded"] * 3)
    bad(rig, "b", "c")
    wait_until(lambda: len(listed(rig, open="false")) == 1)
    bad(rig, "a", "b", "c")
    wait_states(rig, *["succeeded"] * 4)
    assert sorted(world.done()) == [("pause", (each,)) for each in "aabc"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("execute[world:pauze(x)] :- inv:bad(x)", 'Did you mean "pause"?'),
        ("execute[wordl:pause(x)] :- inv:bad(x)", 'Did you mean "world"?'),
        ("execute[pause(x)] :- inv:bad(x)", "no data source or service 'p'"),
        ("execute[world:pause()] :- inv:bad(x)", "0 arguments were given, but pause(id) takes 1"),
        ("execute[world:pause(x, x)] :- inv:bad(x)", "2 arguments were given, but pause(id) takes 1"),
        ('execute[world:set(x, "1")] :- inv:bad(x)', 'argument value of set(id, [value]) is "1"; it must be a whole'),
        ("execute[http:request(x)] :- inv:bad(x)", "takes 2 to 4"),
        ("execute[webhook:notify(x)] :- inv:bad(x)", "takes at least 2"),
        ('execute[mail:send(x, 1, "")] :- inv:bad(x)', "argument subject of send(to, subject, [body]) is 1"),
    ],
)
def test_actions_that_do_not_exist_and_wrong_arguments_are_refused_on_insertion(rig: Rig, rule: str, said: str) -> None:
    rig.post("/v1/policies", {"name": "p"})
    error = rig.post("/v1/policies/p/rules", {"rule": rule}, 400)["error"]
    assert error["error_code"] == 1002
    assert said in error["message"]
    assert rig.get("/v1/policies/p/rules")["results"] == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dryrun": True}, "no option 'dryrun'"),
        ({"approval": "yes"}, "options.approval: 'yes' is not true or false"),
        ({"retries": 1.5}, "options.retries: '1.5' is not a whole number from 0 to 100"),
        ({"delay": -1}, "options.delay"),
        ({"rate": {"seconds": 1}}, "options.rate.actions is missing"),
        ({"rate": 5}, "options.rate: '5' is not an object"),
        ({"blast_radius": {"percent": 101}}, "options.blast_radius.percent: '101' is not a number from 0 to 100"),
    ],
)
def test_options_that_a_rule_cannot_have_are_refused(rig: Rig, options: dict[str, Any], said: str) -> None:
    rig.post("/v1/policies", {"name": "p"})
    error = rig.post("/v1/policies/p/rules", {"rule": PAUSE, "options": options}, 400)["error"]
    assert (error["error_code"], said in error["message"]) == (1108, True), error["message"]
    error = rig.post("/v1/policies/p/rules", {"rule": "q(1)", "options": {"dry_run": True}}, 400)["error"]
    assert "asks for no action" in error["message"]


def test_options_are_part_of_the_rule(rig: Rig) -> None:
    options = {"approval": True, "retries": 2, "rate": {"actions": 1, "seconds": 60}}
    rule = add(rig, PAUSE, **options)
    assert rig.get(f"/v1/policies/p/rules/{rule['id']}")["options"] == options
    changed = rig.call("PATCH", f"/v1/policies/p/rules/{rule['id']}", {"options": {"dry_run": True}})
    assert changed["options"] == {"dry_run": True}


def test_an_action_that_needs_approval_waits_for_it(rig: Rig, world: type[World]) -> None:
    add(rig, PAUSE, approval=True)
    bad(rig, "a", "b")
    first, second = wait_states(rig, "awaiting", "awaiting")
    assert world.calls == []
    assert settle(rig, first, "approve")["state"] == "pending"
    rejected = settle(rig, second, "reject")
    assert (rejected["state"], [each["verb"] for each in rejected["settled"]]) == ("cancelled", ["rejected"])
    done, _ = wait_states(rig, "succeeded", "cancelled")
    ((said, by, at),) = [each.values() for each in done["settled"]]
    assert (said, by, len(at)) == ("approved", "anonymous", len(done["created_at"]))
    assert done["created_at"] < at < done["finished_at"]
    assert world.done() == [("pause", tuple(first["args"]))]
    refused = settle(rig, second, "approve", 409)["error"]
    assert refused["error_code"] == 409
    assert "is cancelled; only one that is awaiting can be approved" in refused["message"]


def test_a_dry_run_writes_down_and_does_nothing_until_it_is_switched_off(rig: Rig, world: type[World]) -> None:
    rule = add(rig, PAUSE, dry_run=True)
    bad(rig, "a")
    (dry,) = wait_states(rig, "cancelled")
    assert dry["result"] == {"dry_run": True}
    assert world.calls == []
    rig.call("PATCH", f"/v1/policies/p/rules/{rule['id']}", {"options": {}})
    wait_states(rig, "cancelled", "succeeded")
    assert world.done() == [("pause", ("a",))]


def test_a_failure_is_tried_again_as_often_as_the_rule_says_and_then_by_hand(rig: Rig, target: Target) -> None:
    add(rig, f'execute[http:request("PUT", "{target.url}/status/503")] :- inv:bad(x)', retries=2, backoff=0.01)
    bad(rig, "a")
    (failed,) = wait_states(rig, "failed")
    assert failed["attempts"] == 3
    assert "503" in failed["result"]["error"]
    settle(rig, failed, "retry")
    target.wait(4)
    wait_until(lambda: listed(rig)[0]["attempts"] == 4 and listed(rig)[0]["state"] == "failed")


def test_a_row_must_hold_for_the_delay(rig: Rig, world: type[World]) -> None:
    add(rig, PAUSE, delay=3600)
    bad(rig, "a")
    (waiting,) = wait_states(rig, "pending")
    assert waiting["not_before"] > waiting["created_at"]
    bad(rig)
    (gone,) = wait_states(rig, "cancelled")
    assert gone["result"] == {"cancelled": "the row holds no longer"}
    assert world.calls == []


def test_a_rate_lets_no_more_through(rig: Rig, world: type[World]) -> None:
    add(rig, PAUSE, rate={"actions": 2, "seconds": 3600})
    bad(rig, *range(5))
    wait_states(rig, "succeeded", "succeeded", *["pending"] * 3)
    assert len(world.calls) == 2


def test_a_rule_that_suddenly_wants_too_much_is_stopped_and_says_so(rig: Rig, world: type[World]) -> None:
    add(rig, PAUSE, blast_radius={"rows": 3})
    bad(rig, 1, 2)
    wait_states(rig, "succeeded", "succeeded")
    bad(rig, 1, 2, 3, 4)
    held = wait_states(rig, "awaiting", "awaiting", state="awaiting")
    assert "the rule wants 4 actions within 60 s, more than its limit of 3" in held[0]["result"]["held"]
    bad(rig, 1, 2, 3, 4, 5)
    held = wait_states(rig, *["awaiting"] * 3, state="awaiting")
    assert "approve or reject those first" in held[0]["result"]["held"]
    for each in held:
        settle(rig, each, "approve")
    wait_states(rig, *["succeeded"] * 5)
    assert sorted(world.done()) == [("pause", (each,)) for each in range(1, 6)]


def test_a_rule_is_stopped_by_its_share_of_a_table(rig: Rig, world: type[World]) -> None:
    add(rig, "execute[world:destroy(x)] :- inv:bad(x), inv:ok(x)", blast_radius={"percent": 10})
    rig.push("inv", "ok", [[each] for each in range(100)])
    bad(rig, *range(10))
    wait_states(rig, *["succeeded"] * 10)
    bad(rig, *range(11))
    (held,) = wait_states(rig, "awaiting", state="awaiting")
    assert "more than 10 % of the 100 rows" in held["result"]["held"]


def test_a_share_of_no_table_stops_no_rule(rig: Rig, world: type[World]) -> None:
    add(rig, 'execute[world:pause("a")] :- true', blast_radius={"percent": 2})
    add(rig, "execute[world:pause(x)] :- inv:bad(x)", blast_radius={"percent": 2})
    bad(rig, "b")
    wait_states(rig, "succeeded", "succeeded")
    assert sorted(world.done()) == [("pause", ("a",)), ("pause", ("b",))]


def test_an_outcome_that_nobody_knows_waits_for_a_person(rig: Rig, world: type[World]) -> None:
    add(rig, "execute[world:lose(x)] :- inv:bad(x)", retries=5)
    add(rig, "execute[world:hang(x)] :- inv:bad(x)")
    add(rig, "execute[world:break(x)] :- inv:bad(x)")
    bad(rig, "a")
    unknown = {each["action"]: each for each in wait_states(rig, "unknown", "unknown", "unknown")}
    assert unknown["lose"]["result"] == {"error": "the answer was lost"}
    assert "did not end within its time limit" in unknown["hang"]["result"]["error"]
    assert "ZeroDivisionError" in unknown["break"]["result"]["error"]
    assert settle(rig, unknown["lose"], "resolve", outcome="done")["state"] == "succeeded"
    assert settle(rig, unknown["hang"], "resolve", outcome="failed")["state"] == "failed"
    settle(rig, unknown["break"], "resolve", outcome="retry")
    wait_until(lambda: rig.get(f"/v1/actions/{unknown['break']['id']}")["attempts"] == 2)
    assert [action for action, _ in world.done()].count("lose") == 1
    settle(rig, unknown["lose"], "resolve", 409, "failed")


def test_a_person_may_ask_for_an_action_and_follow_it(rig: Rig, world: type[World]) -> None:
    body = {"name": "world:pause", "args": {"positional": ["a"], "named": {}}}
    first = rig.post("/v1/policies/action?action=execute", body, 200)["id"]
    second = rig.post("/v1/data-sources/world?action=execute", {"name": "set", "args": {"positional": [1, 2]}}, 200)
    wait_until(lambda: rig.get(f"/v1/actions/{first}")["state"] == "succeeded")
    done = wait_until(lambda: (each := rig.get(f"/v1/actions/{second['id']}"))["state"] == "succeeded" and each)
    assert (done["requested_by"], done["rule_id"], done["args"]) == ("anonymous", None, [1, 2])
    assert sorted(world.done()) == [("pause", ("a",)), ("set", (1, 2))]
    for wrong, code in (
        ({"name": "pause"}, 1017),
        ({"name": "world:pauze"}, 1016),
        ({"name": "word:pause"}, 1016),
        ({"name": "world:pause"}, 1018),
        ({"name": "world:pause", "args": {"named": {"id": 1}}}, 1018),
        ({"name": "world:pause", "args": {"positional": [[1]]}}, 1018),
        ({"name": "world:pause", "args": 5}, 1018),
        ({}, 1016),
    ):
        assert rig.post("/v1/policies/action?action=execute", wrong, 400)["error"]["error_code"] == code, wrong


def test_a_request_with_an_idempotency_key_is_one(rig: Rig, world: type[World]) -> None:
    body = {"name": "world:pause", "args": {"positional": ["a"]}}
    path = "/v1/policies/action?action=execute"
    ids = {rig.call("POST", path, body, 200, {"Idempotency-Key": "k1"})["id"] for _ in range(3)}
    assert len(ids) == 1
    other = body | {"args": {"positional": ["b"]}}
    assert "another request" in rig.call("POST", path, other, 409, {"Idempotency-Key": "k1"})["error"]["message"]
    wait_states(rig, "succeeded")
    assert len(world.calls) == 1


def test_the_log_is_filtered_and_paged(rig: Rig) -> None:
    add(rig, PAUSE)
    rule = add(rig, "execute[world:destroy(x)] :- inv:ok(x)")
    bad(rig, *range(5))
    rig.push("inv", "ok", [[9]])
    wait_states(rig, *["succeeded"] * 6)
    assert len(listed(rig, rule=rule["id"])) == len(listed(rig, name="destroy")) == 1
    assert len(listed(rig, service="world", policy="p", state="succeeded,failed", open="true")) == 6
    assert listed(rig, policy="q") == listed(rig, state="failed") == []
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = rig.get(f"/v1/actions?limit=2{f'&after={after}' if after else ''}")
        seen += [each["id"] for each in page["results"]]
        after = page["next"]
    assert sorted(seen) == sorted(each["id"] for each in listed(rig))
    assert "is not one or several of" in rig.get("/v1/actions?state=done", 400)["error"]["message"]
    assert "is not what `next`" in rig.get("/v1/actions?after=x", 400)["error"]["message"]
    rig.get("/v1/actions/nowhere", 404)


def test_the_status_says_who_leads_and_what_is_held_back(rig: Rig) -> None:
    rig.post("/v1/data-sources", {"name": "late", "driver": "fake", "config": {"plan": '[{"error": "away"}]'}})
    rule = add(rig, "execute[world:pause(x)] :- inv:bad(x), not late:fake_table(x, _)")
    status = wait_until(lambda: (each := rig.get("/v1/system/actions"))["blocked"] and each)
    assert status["blocked"] == [
        {
            "rule_id": rule["id"],
            "policy": "p",
            "reason": "data source late has delivered nothing in this epoch yet",
        }
    ]
    assert status["leader"] in status["policy_engines"]
    assert status["states"]["unknown"] == 0
    assert 'congressd_actions{state="unknown"} 0.0' in rig.client.get("/metrics").get_data(as_text=True)


def test_a_simulation_tells_which_actions_would_be_run(rig: Rig, world: type[World]) -> None:
    rule = add(rig, PAUSE)
    bad(rig, "a")
    wait_states(rig, "succeeded")
    body = {"query": "inv:bad(x)", "sequence": 'inv:bad+("b") inv:bad-("a")', "action_policy": "action"}
    answer = rig.post("/v1/policies/p?action=simulate", body, 200)
    about = {"service": "world", "action": "pause", "policy": "p", "rule_id": rule["id"]}
    assert answer["actions"] == [about | {"args": ["b"]}]
    assert answer["actions_ended"] == [about | {"args": ["a"]}]
    assert len(world.calls) == 1
    assert "actions" not in rig.post("/v1/policies/p?action=simulate", body | {"sequence": ""}, 200)


def test_a_source_tells_its_actions(rig: Rig) -> None:
    actions = {each["name"]: each for each in rig.get("/v1/data-sources/world/actions")["results"]}
    assert actions["set"]["idempotent"] is True
    assert [each["name"] for each in actions["set"]["args"]] == ["id", "value"]


def test_deleting_a_rule_ends_what_it_wants(rig: Rig, world: type[World]) -> None:
    rule = add(rig, PAUSE, approval=True)
    bad(rig, "a")
    wait_states(rig, "awaiting")
    rig.call("DELETE", f"/v1/policies/p/rules/{rule['id']}")
    (ended,) = wait_states(rig, "cancelled")
    assert ended["open"] is False
    assert world.calls == []


def test_the_switch_and_the_limits_may_change_while_actions_wait(rig: Rig, world: type[World]) -> None:
    assert rig.dsd is not None
    settings = rig.dsd.settings
    rig.dsd.reconfigure(replace(settings.actions, enabled=False), settings.services)
    add(rig, PAUSE)
    bad(rig, "a", "b")
    wait_states(rig, "pending", "pending")
    rig.dsd.reconfigure(replace(settings.actions, blast=Blast(rows=1)), settings.services)
    wait_states(rig, "succeeded", "succeeded")
    bad(rig, "a", "b", "c", "d")
    wait_states(rig, "succeeded", "succeeded", "awaiting", "awaiting")
    assert sorted(world.done()) == [("pause", ("a",)), ("pause", ("b",))]


def test_activations_that_are_over_are_forgotten_beyond_the_number_that_is_kept(rig: Rig, world: type[World]) -> None:
    assert rig.dsd is not None
    add(rig, PAUSE)
    bad(rig, "a", "b")
    wait_states(rig, *["succeeded"] * 2)
    bad(rig, "a", "b", "c")
    wait_states(rig, *["succeeded"] * 3)
    bad(rig, "c")
    wait_until(lambda: len(listed(rig, open="false")) == 2)
    settings = replace(rig.dsd.settings, actions=ExecutorSettings(keep_count=1, prune_period=0.1))
    rig.stop_dsd()
    rig.start_dsd(settings)
    (left,) = wait_states(rig, "succeeded")
    assert (left["args"], left["open"]) == (["c"], True)
