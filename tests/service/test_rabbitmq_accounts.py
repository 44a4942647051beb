"""The playbook's accounts of RabbitMQ, made by Ansible on a real broker: a changed password arrives, and stays."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import amqp
import pytest
import yaml

from tests.cluster.playbook import ANSIBLE, run_playbook
from tests.service.rabbitmq import RabbitServer

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.skipif(not shutil.which("ansible-playbook"), reason="ansible (Debian package) is not installed"),
]

#: For our broker, also where Ansible's modules name the one that a host has.
RABBITMQCTL = """#!/bin/sh
if [ "$1 $2 $3" = "-q -n rabbit" ]; then shift 3; set -- -q "$@"; fi
exec {} "$@"
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RabbitServer]:
    """A broker of this test's own: it loses its guest."""
    server = RabbitServer(tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def play(broker: RabbitServer, tmp_path: Path) -> Callable[[str], int]:
    """Runs the tasks with a password; returns how many of them changed something."""
    program = tmp_path / "path" / "rabbitmqctl"
    program.parent.mkdir()
    program.write_text(RABBITMQCTL.format(shlex.join(broker.control_command)), encoding="utf-8")
    program.chmod(0o755)
    tasks = ANSIBLE / "roles" / "rabbitmq" / "tasks" / "accounts.yml"

    def run(password: str) -> int:
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "environment": {"PATH": f"{program.parent}:/usr/sbin:/usr/bin:/sbin:/bin"},
            "vars": {"secret_rabbitmq": password, "rabbitmq_vhost": "congressd"},
            "tasks": [{"ansible.builtin.include_tasks": str(tasks)}],
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        done = run_playbook("-i", "localhost,", "-v", str(tmp_path / "play.yml"), directory=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert password not in done.stdout
        changed = re.search(r"changed=(\d+)", done.stdout)
        assert changed
        return int(changed[1])

    return run


def _lets_in(broker: RabbitServer, password: str) -> bool:
    try:
        with amqp.Connection(f"127.0.0.1:{broker.port}", "congressd", password, virtual_host="congressd"):
            return True
    except amqp.AccessRefused:
        return False


def test_a_changed_password_arrives_and_a_second_run_changes_nothing(
    broker: RabbitServer, play: Callable[[str], int]
) -> None:
    assert play("first-password") > 0
    assert _lets_in(broker, "first-password")
    assert play("second-password") == 1
    assert _lets_in(broker, "second-password")
    assert not _lets_in(broker, "first-password")
    assert play("second-password") == 0
