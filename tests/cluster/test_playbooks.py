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
from tests.cluster.simulation import NODES, ROOT, defaults

PLAYBOOKS = sorted(path.name for path in ANSIBLE.glob("*.yml"))

#: Modules that change a file which is not ours.
EDITS = ("ansible.builtin.lineinfile", "ansible.builtin.blockinfile")

pytestmark = needs_ansible


def check_variables(
    directory: Path, variables: dict[str, object], *options: str, names: tuple[str, ...] = NODES
) -> subprocess.CompletedProcess[str]:
    """The first play of site.yml, which changes nothing, with this machine as all three hosts of the example."""
    addresses = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]
    facts = {
        "distribution": "Debian",
        "distribution_major_version": "12",
        "distribution_version": "12",
        "service_mgr": "systemd",
        "all_ipv4_addresses": addresses,
    }
    here = {"ansible_connection": "local", "common_data": str(directory / "mysql")}
    hosts = {
        name: {**here, "cluster_address": address, **variables} for name, address in zip(names, addresses, strict=True)
    }
    inventory = {"congressd": {"hosts": hosts}}
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
    return _ansible("-i", str(directory / "hosts.yml"), str(directory / "play.yml"), *options, directory=directory)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_parses(playbook: str, tmp_path: Path) -> None:
    done = _ansible("--syntax-check", playbook, directory=tmp_path)
    assert done.returncode == 0, done.stderr


needs_debian = pytest.mark.skipif(not os.path.isdir("/etc/apt"), reason="the checks want Debian")
FENCE = [{"name": f"fence-{node}", "agent": "fence_virsh", "hosts": [node]} for node in ("ctl1", "ctl2", "ctl3")]


@needs_debian
@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "no fence device covers ctl1, ctl2, ctl3"),
        ({"fence_devices": FENCE[:2]}, "no fence device covers ctl3"),
        ({"fence_devices": FENCE, "timers": {"unit_stop": 90}}, "a stop must have been forced and proven"),
        ({"fence_devices": FENCE}, ""),
        ({"fence_none_i_accept_split_brain": True}, ""),
        ({"fence_watchdog": True}, ""),
        ({"cluster_address": "ctl1.example.org"}, "ctl1 has no interface with the address ctl1.example.org"),
        ({"cluster_address": "2001:db8::1"}, "Set cluster_address to an IPv4 address of its own"),
        ({"cluster_address": "192.0.2.99"}, "it has 192.0.2.11, 192.0.2.12, 192.0.2.13"),
        ({"cluster_address": "192.0.2.11"}, "must be IPv4 addresses, each another"),
        ({"vip_api": "192.0.2.12"}, "vip_api (192.0.2.12)"),
        ({"vip_dsd": "api.example.org"}, "vip_dsd (api.example.org)"),
    ],
)
def test_a_cluster_that_cannot_be_safe_is_refused(variables: dict[str, object], sentence: str, tmp_path: Path) -> None:
    done = check_variables(tmp_path, variables)
    if sentence:
        assert done.returncode != 0
        assert sentence in " ".join(done.stdout.split())
    else:
        assert done.returncode == 0, done.stdout


@needs_debian
def test_names_that_rabbitmq_does_not_take_are_refused(tmp_path: Path) -> None:
    names = ("ctl1.example.org", "ctl2.example.org", "ctl3.example.org")
    done = check_variables(tmp_path, {"fence_none_i_accept_split_brain": True}, names=names)
    assert done.returncode != 0
    assert "Call it ctl1 there, with ansible_host: ctl1.example.org" in " ".join(done.stdout.split())


@needs_debian
def test_a_host_with_databases_of_its_own_is_refused_unless_they_may_go(tmp_path: Path) -> None:
    for name in ("mysql", "sys", "shop"):
        (tmp_path / "mysql" / name).mkdir(parents=True)
    safe: dict[str, object] = {"fence_none_i_accept_split_brain": True}
    done = check_variables(tmp_path, safe)
    assert done.returncode != 0
    assert "a MariaDB of its own with the databases shop. In the cluster" in " ".join(done.stdout.split())
    assert check_variables(tmp_path, safe | {"galera_may_erase": True}).returncode == 0
    (tmp_path / "mysql" / "grastate.dat").touch()
    assert check_variables(tmp_path, safe).returncode == 0


@needs_debian
def test_there_is_nothing_to_compare_with_on_bare_hosts(tmp_path: Path) -> None:
    done = check_variables(tmp_path, {"fence_none_i_accept_split_brain": True}, "--check")
    assert done.returncode != 0
    assert "everything would be made. Run without --check first" in " ".join(done.stdout.split())


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


def _install_units(directory: Path, **timers: int) -> dict[str, str]:
    """The task that installs units, into a directory, with ``timers`` of an inventory: what is written, by name."""
    tasks = yaml.safe_load((ANSIBLE / "roles/congressd/tasks/configure.yml").read_text(encoding="utf-8"))
    task = next(task for task in tasks if task.get("register") == "congressd_units")
    del task["notify"]
    module = task["ansible.builtin.template"]
    module["dest"] = module["dest"].replace("/etc/systemd/system", str(directory / "units"))
    text = yaml.safe_dump([task]).replace(
        "src: timers.conf.j2", f"src: {ANSIBLE}/roles/congressd/templates/timers.conf.j2"
    )
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"congressd_timers": {**defaults()["pacemaker_timers"], **timers}, "ansible_connection": "local"},
        "tasks": yaml.safe_load(text.replace("{{ playbook_dir }}", str(ANSIBLE))),
    }
    for unit in ("congress-pe@", "congress-dsd", "congress-dsd-standby"):
        (directory / "units" / f"{unit}.service.d").mkdir(parents=True)
    (directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = _ansible(str(directory / "play.yml"), directory=directory)
    assert done.returncode == 0, done.stdout
    written = [path for path in (directory / "units").rglob("*") if path.is_file()]
    return {str(path.relative_to(directory / "units")): path.read_text(encoding="utf-8") for path in written}


def test_units_are_as_they_are_and_timers_of_the_inventory_count(tmp_path: Path) -> None:
    written = _install_units(tmp_path, pe_unit_watchdog=55, unit_stop=40)
    for unit, watchdog in (("congress-pe@", 55), ("congress-dsd", 10), ("congress-dsd-standby", 10)):
        assert written.pop(f"{unit}.service") == (ROOT / "systemd" / f"{unit}.service").read_text(encoding="utf-8")
        lines = [line for line in written.pop(f"{unit}.service.d/timers.conf").splitlines() if line[0] != "#"]
        assert lines == ["[Service]", f"WatchdogSec={watchdog}", "TimeoutStartSec=45", "TimeoutStopSec=40"]
    assert not written


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
