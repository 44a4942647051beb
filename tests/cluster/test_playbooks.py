"""The playbooks without hosts: they parse, and they refuse what must be refused before anything is changed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.playbook import ANSIBLE, needs_ansible
from tests.cluster.playbook import run_playbook as _ansible

PLAYBOOKS = sorted(path.name for path in ANSIBLE.glob("*.yml"))

#: Modules that change a file which is not ours.
EDITS = ("ansible.builtin.lineinfile", "ansible.builtin.blockinfile")

pytestmark = needs_ansible


def check_variables(directory: Path, variables: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """The first play of site.yml, which changes nothing, with this machine as all three hosts of the example."""
    facts = {
        "distribution": "Debian",
        "distribution_major_version": "12",
        "distribution_version": "12",
        "service_mgr": "systemd",
    }
    here = {"ansible_connection": "local", "cluster_address": "127.0.0.1"}
    inventory = {"congressd": {"hosts": {name: {**here, **variables} for name in ("ctl1", "ctl2", "ctl3")}}}
    (directory / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    play = [
        {
            "hosts": "congressd",
            "gather_facts": False,
            "tasks": [
                {"ansible.builtin.set_fact": {**facts, "cacheable": True}},
                {"ansible.builtin.include_role": {"name": str(ANSIBLE / "roles" / "common"), "tasks_from": "check"}},
            ],
        }
    ]
    (directory / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
    shutil.copytree(ANSIBLE / "group_vars", directory / "group_vars", dirs_exist_ok=True)
    return _ansible("-i", str(directory / "hosts.yml"), str(directory / "play.yml"), directory=directory)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_parses(playbook: str, tmp_path: Path) -> None:
    done = _ansible("--syntax-check", playbook, directory=tmp_path)
    assert done.returncode == 0, done.stderr


FENCE = [{"name": f"fence-{node}", "agent": "fence_virsh", "hosts": [node]} for node in ("ctl1", "ctl2", "ctl3")]


@pytest.mark.skipif(not os.path.isdir("/etc/apt"), reason="the checks want Debian")
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "no fence device covers ctl1, ctl2, ctl3"),
        ({"fence_devices": FENCE[:2]}, "no fence device covers ctl3"),
        ({"fence_devices": FENCE, "timers": {"unit_stop": 90}}, "a stop must have been forced and proven"),
        ({"fence_devices": FENCE}, ""),
        ({"fence_none_i_accept_split_brain": True}, ""),
        ({"fence_watchdog": True}, ""),
    ],
)
def test_a_cluster_that_cannot_be_safe_is_refused(variables: dict[str, object], sentence: str, tmp_path: Path) -> None:
    done = check_variables(tmp_path, variables)
    if sentence:
        assert done.returncode != 0
        assert sentence in " ".join(done.stdout.split())
    else:
        assert done.returncode == 0, done.stdout


def _tasks(path: Path) -> Iterator[dict[str, Any]]:
    """Every task of a file, those of its blocks too, once for each item of a literal loop."""
    for task in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
        for inner in task.get("block", [task]):
            loop = inner.get("loop", [None])
            for item in loop if isinstance(loop, list) else [None]:
                yield _filled(inner, item)


def _filled(value: Any, item: Any) -> Any:
    """``value`` with ``item`` and the one variable that paths begin with put in."""
    if isinstance(value, dict):
        return {name: _filled(inner, item) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, item) for inner in value]
    if not isinstance(value, str):
        return value
    known = {"item": item, "congressd_releases": "/opt/congressd/releases"}
    known |= {f"item.{name}": inner for name, inner in item.items()} if isinstance(item, dict) else {}
    return re.sub(r"{{ ([\w.]+) }}", lambda found: str(known.get(found[1], found[0])), value)


def test_destroy_removes_whatever_the_roles_make(tmp_path: Path) -> None:
    play = yaml.safe_load((ANSIBLE / "destroy.yml").read_text(encoding="utf-8"))[0]
    (tmp_path / "destroy.yml").write_text(yaml.safe_dump(play["tasks"]), encoding="utf-8")
    undone = list(_tasks(tmp_path / "destroy.yml"))
    removed = {task["ansible.builtin.file"]["path"] for task in undone if "ansible.builtin.file" in task}
    edited = {task[module]["path"] for task in undone for module in EDITS if module in task}
    edited |= {task["ansible.builtin.copy"]["dest"] for task in undone if "ansible.builtin.copy" in task}
    seen = 0
    for file in sorted(ANSIBLE.glob("roles/*/tasks/*.yml")):
        for task in _tasks(file):
            if file.name == "control.yml" or task.get("delegate_to") == "localhost":
                continue
            for module in ("ansible.builtin.copy", "ansible.builtin.template", "ansible.builtin.file"):
                made = task.get(module, {})
                path = made.get("dest") or made.get("path", "")
                if path and made.get("state") != "absent" and not path.endswith(".service.d"):
                    seen += 1
                    assert any(path == gone or path.startswith(f"{gone}/") for gone in removed), (task["name"], path)
            for module in EDITS:
                assert task.get(module, {}).get("path") in (edited | {None}), task["name"]
            if task.get("ansible.builtin.user", {}).get("system"):
                name = task["ansible.builtin.user"]["name"]
                assert {"name": name, "state": "absent"} in [other.get("ansible.builtin.user") for other in undone]
            unit = task.get("ansible.builtin.systemd", {})
            if unit.get("masked"):
                units = [other.get("ansible.builtin.systemd", {}) for other in undone]
                assert any((other.get("name"), other.get("masked")) == (unit["name"], False) for other in units)
    assert seen > 30


def test_a_release_is_used_when_the_database_has_its_schema_and_not_before() -> None:
    tasks = ANSIBLE / "roles" / "congressd" / "tasks"
    names = [task["name"] for task in yaml.safe_load((tasks / "main.yml").read_text(encoding="utf-8"))]
    order = ["Install the release", "Bring the database to the schema of this release", "Use the release"]
    assert [name for name in names if name in order] == order
    linked = {
        file.name: "dest: /opt/congressd/venv\n" in file.read_text(encoding="utf-8") for file in tasks.glob("*.yml")
    }
    assert [name for name, there in linked.items() if there] == ["use.yml"]


@pytest.mark.skipif(not shutil.which("haproxy", path="/usr/sbin:/usr/bin"), reason="haproxy is not installed")
def test_a_certificate_that_haproxy_could_not_use_is_not_installed(tmp_path: Path) -> None:
    (copy,) = [
        task
        for task in _tasks(ANSIBLE / "roles" / "haproxy" / "tasks" / "main.yml")
        if task.get("ansible.builtin.copy", {}).get("validate")
    ]
    for name in ("one", "other"):
        request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=api"
        made = [*request.split(), "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    good = {}
    for key in ("one.key", "other.key", "/dev/null"):
        pem = tmp_path / "api.pem"
        pem.write_text((tmp_path / "one.crt").read_text() + (tmp_path / key).read_text(), encoding="ascii")
        command = shlex.split(copy["vars"]["haproxy_try"] % pem)
        good[key] = subprocess.run(command, env={"PATH": "/usr/sbin:/usr/bin:/bin"}, check=False).returncode == 0
    assert good == {"one.key": True, "other.key": False, "/dev/null": False}
