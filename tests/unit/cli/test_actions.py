"""The verbs of actions, against a whole service."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Shell
from tests.unit.rig import Rig, wait_until


def states(shell: Shell, *arguments: str) -> list[str]:
    return sorted(each["state"] for each in shell.json("actions", "list", *arguments))


def test_a_rule_from_a_file_waits_for_approval(shell: Shell, rig: Rig, tmp_path: Path) -> None:
    file = tmp_path / "ops.yaml"
    file.write_text(
        "name: ops\nrules:\n- rule: 'execute[log:write(\"bad\", x)] :- inv:bad(x)'\n  options: {approval: true}\n"
    )
    shell.run("policy", "apply", str(file))
    assert "approval: true" in shell.run("policy", "export", "ops")
    rig.push("inv", "bad", [["a"], ["b"], ["c"]])
    wait_until(lambda: states(shell) == ["awaiting"] * 3)
    first = shell.json("actions", "list", "--limit", "1")[0]
    assert "rejected" in shell.run("actions", "reject", first["id"])
    rule = shell.json("rule", "list", "ops")[0]
    assert shell.run("actions", "approve", "--rule", rule["id"]).count("approved") == 2
    wait_until(lambda: states(shell) == ["cancelled", "succeeded", "succeeded"])
    assert states(shell, "--state", "cancelled", "--open", "--service", "log") == ["cancelled"]
    listed = shell.run("actions", "list")
    assert 'log:write("bad", "a")' in listed
    assert (listed.count("approved by "), listed.count("rejected by ")) == (2, 1)
    shown = shell.run("actions", "show", first["id"])
    assert "wanted by execute[log:write" in shown
    assert "inv:bad(" in shown


def test_actions_are_asked_for_and_the_status_told(shell: Shell) -> None:
    assert "asked for" in shell.run("actions", "run", "log:write", "hello", "5")
    wait_until(lambda: states(shell) == ["succeeded"])
    assert shell.json("actions", "list")[0]["args"] == ["hello", 5]
    assert shell.json("actions", "status")["states"]["succeeded"] == 1


def test_options_of_a_rule_are_given_as_yaml(shell: Shell) -> None:
    shell.run("policy", "create", "p")
    rule = shell.json("rule", "create", "p", "execute[log:write(x)] :- inv:bad(x)", "--options", "retries: 3")
    assert rule["options"] == {"retries": 3}
    assert shell.json("rule", "update", "p", rule["id"], "--options", "{}").get("options") is None


def test_waiting_actions_are_settled_by_the_name_of_their_rule(shell: Shell, rig: Rig) -> None:
    text = "execute[log:write(x)] :- inv:bad(x)"
    for policy in ("p", "q"):
        shell.run("policy", "create", policy)
    shell.run("rule", "create", "p", text, "--name", "pauser", "--options", "approval: true")
    rig.push("inv", "bad", [["a"]])
    wait_until(lambda: states(shell) == ["awaiting"])
    assert "no policy has a rule with the id or name 'paser'" in shell.fails(
        "actions", "approve", "--rule", "paser", code=3
    )
    assert "policy q has no rule" in shell.fails("actions", "approve", "--policy", "q", "--rule", "pauser", code=3)
    assert states(shell, "--rule", "pauser") == ["awaiting"]
    rule = shell.json("rule", "create", "q", "seen(x) :- inv:bad(x)", "--name", "pauser")
    assert rule["id"] in shell.fails("actions", "reject", "--rule", "pauser", code=2)
    assert "approved" in shell.run("actions", "approve", "--policy", "p", "--rule", "pauser")
    wait_until(lambda: states(shell) == ["succeeded"])
    assert states(shell, "--policy", "p", "--rule", "pauser") == ["succeeded"]
    assert "nothing of the rule pauser waits" in shell.fails(
        "actions", "approve", "--policy", "p", "--rule", "pauser", code=2
    )


def test_a_listing_of_nothing_known_says_so(shell: Shell) -> None:
    assert "nope" in shell.fails("actions", "list", "--policy", "nope", code=3)
    assert "nope" in shell.fails("actions", "list", "--rule", "nope", code=3)
    assert "--limit" in shell.fails("actions", "list", "--limit", "0", code=2)
