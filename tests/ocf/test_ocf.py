"""The OCF module by itself, the metadata against every schema that reads them, and the pure rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from congressd.agent import dsd, pe
from congressd.agent.ocf import Action, Agent, Call, ExitCode, OcfError, run
from tests.ocf.conftest import MakeRig
from tests.ocf.rig import ROOT, wait_for

SCHEMAS = [
    ("--dtdvalid", Path("/usr/share/resource-agents/ra-api-1.dtd")),
    ("--relaxng", Path("/usr/share/resource-agents/metadata.rng")),
    ("--relaxng", Path("/usr/share/pcs/data/ocf-1.0.rng")),
    ("--relaxng", Path("/usr/share/pcs/data/ocf-1.1.rng")),
]


def _agent(handler: object) -> Agent:
    return Agent("test", "1", "", "", (), (Action("monitor", 20, handler),))  # type: ignore[arg-type]


def _raise(error: Exception) -> object:
    def handler(call: Call) -> ExitCode:
        raise error

    return handler


@pytest.mark.parametrize("result", [None, 0, True, "ok", 6])
def test_a_handler_that_returns_no_exit_code_has_failed(result: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_agent(lambda call: result), ["monitor"], {}) is ExitCode.GENERIC
    assert "in place of an exit code" in capsys.readouterr().err


def test_an_exception_is_a_soft_error_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(_agent(_raise(ValueError("no such thing"))), ["monitor"], {}) is ExitCode.GENERIC
    assert capsys.readouterr().err == "ocf-exit-reason:monitor failed: ValueError: no such thing\n"


def test_no_code_bans_a_resource_from_the_whole_cluster() -> None:
    assert 6 not in {int(code) for code in ExitCode}


@pytest.mark.parametrize("code", [ExitCode.ARGS, ExitCode.PERM, ExitCode.INSTALLED])
def test_a_probe_is_silent_about_what_the_node_lacks(code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"OCF_RESKEY_CRM_meta_interval": "0"}
    assert run(_agent(_raise(OcfError(code, "missing"))), ["monitor"], environ) is ExitCode.NOT_RUNNING
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("agent", [pe.AGENT, dsd.AGENT], ids=["pe", "dsd"])
@pytest.mark.parametrize(("kind", "schema"), SCHEMAS, ids=[path.name for _, path in SCHEMAS])
def test_the_metadata_pass_every_schema(agent: Agent, kind: str, schema: Path) -> None:
    if not schema.exists() or not shutil.which("xmllint"):
        pytest.skip(f"{schema} or xmllint is not installed")
    done = subprocess.run([ROOT / "ocf" / agent.name, "meta-data"], capture_output=True, check=True)
    checked = subprocess.run(["xmllint", "--noout", kind, schema, "-"], input=done.stdout, capture_output=True)
    assert checked.returncode == 0, checked.stderr.decode()


@pytest.mark.parametrize("agent", [pe.AGENT, dsd.AGENT], ids=["pe", "dsd"])
def test_the_metadata_name_every_parameter_and_action(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    run(agent, ["meta-data"], {})
    document = ElementTree.fromstring(capsys.readouterr().out)
    assert [item.get("name") for item in document.iter("parameter")] == [p.name for p in agent.parameters]
    assert [item.get("name") for item in document.iter("action")] == [a.name for a in agent.actions]
    assert all(text.text for text in document.iter("longdesc"))


@pytest.mark.parametrize("agent", [pe.AGENT, dsd.AGENT], ids=["pe", "dsd"])
def test_the_metadata_have_pacemaker_reload_what_a_running_daemon_can_change(
    agent: Agent, capsys: pytest.CaptureFixture[str]
) -> None:
    run(agent, ["meta-data"], {})
    document = ElementTree.fromstring(capsys.readouterr().out)
    assert document.findtext("version") == "1.0"
    names = {action.get("name") for action in document.iter("action")}
    assert "reload" in names
    assert "reload-agent" not in names
    unique = {item.get("name") for item in document.iter("parameter") if item.get("unique") == "1"}
    assert unique - {"layout"} == {"instance", "unit"}


@pytest.fixture
def installation() -> Iterator[Path]:
    """A place that everybody may read, as an agent's is; the checkout may be in somebody's home."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def installed(agent: Path, place: Path) -> Path:
    """The agent with what it imports, copied to a place."""
    copy = place / "ocf" / agent.name
    copy.parent.mkdir()
    shutil.copy(agent, copy)
    shutil.copytree(ROOT / "congressd" / "agent", place / "congressd" / "agent")
    shutil.copy(ROOT / "congressd" / "__init__.py", place / "congressd")
    return copy


@pytest.mark.parametrize(("role", "layout"), [("pe", ""), ("dsd", "group"), ("dsd", "promotable")])
def test_ocf_tester_passes(make: MakeRig, installation: Path, role: str, layout: str) -> None:
    if not shutil.which("ocf-tester"):
        pytest.skip("ocf-tester (Debian package resource-agents) is not installed")
    if os.geteuid() != 0:
        pytest.skip("ocf-tester needs root")
    node = make(role, **({"layout": layout} if layout else {}))
    agent = installed(node.agent, installation)
    options = [part for name, value in node.parameters.items() for part in ("-o", f"{name}={value}")]
    command = ["ocf-tester", "-n", f"{role}:0", *options, str(agent)]
    environment = {"PATH": os.environ["PATH"], "OCF_ROOT": "/usr/lib/ocf"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed all tests" in done.stdout


def alone(agent: Path, place: Path, venv: str = "/nowhere") -> Path:
    """The agent's script copied to a place by itself, on a node that has a ``venv`` or none."""
    copy = place / "ocf" / agent.name
    copy.parent.mkdir()
    copy.write_text(agent.read_text(encoding="utf-8").replace("/opt/congressd/venv", venv), encoding="utf-8")
    copy.chmod(0o755)
    return copy


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_a_node_that_lacks_the_package_has_to_run_nothing_and_is_not_powered_off(
    make: MakeRig, tmp_path: Path, role: str
) -> None:
    node = make(role)
    node.agent = alone(node.agent, tmp_path)
    lacking = "the package congressd is not installed on this node"
    assert node.call("monitor", probe=True) == (ExitCode.NOT_RUNNING, "")
    assert node.call("start") == (ExitCode.INSTALLED, lacking)
    assert node.call("monitor") == (ExitCode.INSTALLED, lacking)
    assert node.call("meta-data").code == ExitCode.INSTALLED
    assert node.call("stop") == (ExitCode.SUCCESS, "")


@pytest.mark.parametrize("role", ["pe", "dsd"])
def test_a_stop_without_the_package_is_no_success_while_a_daemon_lives(
    make: MakeRig, tmp_path: Path, role: str
) -> None:
    node = make(role)
    node.agent = alone(node.agent, tmp_path)
    child = node.spawn("--instance", "1")
    wait_for(lambda: child.pid in node.processes(), "a process that is known by its command")
    code, reason = node.call("stop", probe=True)
    assert code == ExitCode.GENERIC
    assert f"a daemon of it lives: {child.pid}" in reason
    assert node.call("stop", instance="2") == (ExitCode.SUCCESS, "")
    child.kill()
    child.wait()
    assert node.call("stop") == (ExitCode.SUCCESS, "")


@pytest.mark.parametrize(
    ("role", "unit"), [("pe", "congress-pe@3"), ("dsd", "congress-dsd"), ("dsd", "congress-dsd-standby")]
)
def test_a_stop_without_the_package_has_systemd_end_the_unit(
    make: MakeRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str, unit: str
) -> None:
    node = make(role, supervisor="systemd", instance="3")
    node.agent = alone(node.agent, tmp_path)
    child = node.spawn("--instance", "3")
    program = tmp_path / "programs" / "systemctl"
    program.parent.mkdir()
    ends = f"kill -9 {child.pid}; while grep -q . /proc/{child.pid}/cmdline; do sleep 0.01; done"
    program.write_text(f"#!/bin/sh\ncase $* in stop*' {unit}.service'*) {ends} ;; esac\n", encoding="ascii")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert node.call("stop") == (ExitCode.SUCCESS, "")
    assert child.wait(5) == -9


@pytest.mark.parametrize("version", [f"python3.{sys.version_info[1]}", "python3.5", "python3.99"])
def test_the_package_is_found_in_the_venv_of_another_python(make: MakeRig, tmp_path: Path, version: str) -> None:
    node = make("dsd")
    packages = tmp_path / "venv" / "lib" / version / "site-packages" / "congressd"
    shutil.copytree(ROOT / "congressd" / "agent", packages / "agent")
    shutil.copy(ROOT / "congressd" / "__init__.py", packages)
    node.agent = alone(node.agent, tmp_path, str(tmp_path / "venv"))
    assert node.call("validate-all") == (ExitCode.SUCCESS, "")
    assert node.call("monitor").code == ExitCode.NOT_RUNNING


@pytest.mark.parametrize("agent", [pe.AGENT, dsd.AGENT], ids=["pe", "dsd"])
def test_the_one_script_is_the_agent_that_it_is_called_by(agent: Agent, tmp_path: Path) -> None:
    """Also where it was copied, as the playbook copies it: then there is no link."""
    assert os.readlink(ROOT / "ocf" / "congress-pe") == "congress-dsd"
    command = [os.fspath(installed(ROOT / "ocf" / agent.name, tmp_path)), "meta-data"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert ElementTree.fromstring(done.stdout).get("name") == agent.name


def test_the_agents_need_nothing_but_the_standard_library() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); from congressd.agent import pe, dsd, metadata, webcheck"
    subprocess.run(["/usr/bin/python3", "-SE", "-c", code, ROOT], check=True)


def test_a_monitor_imports_nothing_that_it_does_not_need() -> None:
    heavy = ("subprocess", "dataclasses", "inspect", "logging", "urllib.request", "xml.etree")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from congressd.agent import dsd; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-SE", "-c", code, ROOT], capture_output=True, text=True, check=True)
    assert not set(heavy) & set(done.stdout.split())
