"""The configuration that the playbook writes, made by Ansible and read by congressd."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from congressd.config.load import load
from congressd.config.options import Settings
from tests.cluster.playbook import ANSIBLE, run_playbook

pytestmark = pytest.mark.skipif(
    not shutil.which("ansible-playbook"), reason="ansible (Debian package) is not installed"
)


def _written(directory: Path, **variables: object) -> Settings:
    """What congressd makes of the configuration of the example's first host; nothing of it may be complained of."""
    hosts = {f"ctl{number}": {"cluster_address": f"192.0.2.1{number}"} for number in (1, 2, 3)}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"congressd": {"hosts": hosts}}), encoding="utf-8")
    role = ANSIBLE / "roles" / "congressd"
    template = {"src": str(role / "templates" / "congressd.conf.j2"), "dest": str(directory / "congressd.conf")}
    play = {
        "hosts": "ctl1",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ANSIBLE / "roles" / name / "defaults" / "main.yml") for name in ("pacemaker", "congressd")],
        "vars": {"congressd_timers": "{{ pacemaker_timers }}", "secrets_dir": str(directory / "secrets")},
        "tasks": [{"ansible.builtin.template": template, "vars": variables}],
    }
    (directory / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    shutil.copytree(ANSIBLE / "group_vars", directory / "group_vars", dirs_exist_ok=True)
    done = run_playbook("-i", str(directory / "hosts.yml"), str(directory / "play.yml"), directory=directory)
    assert done.returncode == 0, done.stdout + done.stderr
    loaded = load([directory / "congressd.conf"])
    assert not loaded.warnings
    return loaded.settings


def test_every_node_knows_itself_and_all_brokers(tmp_path: Path) -> None:
    settings = _written(tmp_path)
    default = settings.default
    assert (default.node, default.bind_host, default.bind_port) == ("ctl1", "192.0.2.11", 1790)
    assert default.auth_strategy == "token"
    assert all(f"@192.0.2.1{number}:5672" in settings.bus.url for number in (1, 2, 3))
    assert settings.database.connection.endswith("@127.0.0.1:3307/congressd")
    assert settings.dsd.bind_port == 0


def test_options_of_the_inventory_are_added_and_win(tmp_path: Path) -> None:
    options = {"actions": {"mail_server": "mail.example.org", "mail_tls": True}, "pe": {"drain_time": 4}}
    settings = _written(tmp_path, congressd_options=options, vip_dsd="192.0.2.21")
    assert (settings.actions.mail_server, settings.actions.mail_tls) == ("mail.example.org", True)
    assert settings.pe.drain_time == 4
    assert (settings.dsd.bind_host, settings.dsd.bind_port) == ("192.0.2.21", 1788)
