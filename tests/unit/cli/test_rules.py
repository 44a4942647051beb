"""The verbs of rules and policies, against a whole service."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.unit.cli.conftest import Shell


def test_a_disabled_rule_stays_disabled_through_export_and_apply(shell: Shell, tmp_path: Path) -> None:
    shell.run("policy", "create", "p")
    shell.run("rule", "create", "p", "error(x) :- inv:bad(x)", "--name", "one")
    shell.run("rule", "create", "p", "other(x) :- inv:bad(x)", "--name", "two")
    shell.run("rule", "update", "p", "one", "--disable")
    listed = shell.run("-o", "csv", "rule", "list", "p")
    assert {line.split(",")[1]: line.split(",")[2] for line in listed.splitlines()} == {
        "name": "state",
        "one": "disabled",
        "two": "active",
    }
    exported = shell.run("policy", "export", "p")
    assert [rule.get("enabled") for rule in yaml.safe_load(exported)["rules"]] == [False, None]
    (tmp_path / "p.yaml").write_text(exported, encoding="utf-8")
    shell.run("policy", "apply", str(tmp_path / "p.yaml"))
    assert [rule["enabled"] for rule in shell.json("rule", "list", "p")] == [False, True]
    shell.run("rule", "update", "p", "one", "--enable")
    assert [rule["enabled"] for rule in shell.json("rule", "list", "p")] == [True, True]


def test_a_policy_that_stands_twice_in_files_is_refused_before_anything_is_sent(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("name: p\nrules: [a(1)]\n---\nname: p\nrules: [a(2)]\n")
    for verb in ("apply", "create-from-file"):
        assert "the policy p stands in" in shell.fails("policy", verb, str(tmp_path / "p.yaml"), code=2)
    assert "p" not in [each["name"] for each in shell.json("policy", "list")]
