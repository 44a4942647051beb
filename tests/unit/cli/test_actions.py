"""The verbs of actions, against a whole service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from congressd.cli.client import cli
from tests.unit.rig import Rig, wait_until


class Shell:
    """`congress` in this process, talking HTTP to a service."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def run(self, *arguments: str) -> str:
        """What the command prints; it must succeed."""
        done = CliRunner().invoke(cli, ["--endpoint", self._endpoint, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run("-o", "json", *arguments))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        rig.push_source("inv", {"bad": ["id"]})
        yield rig


@pytest.fixture
def shell(rig: Rig) -> Iterator[Shell]:
    server = make_server("127.0.0.1", 0, rig.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Shell(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join(5)


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
