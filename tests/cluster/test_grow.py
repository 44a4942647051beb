"""Hosts that lack copies of queues get them, whichever run of the playbook let them join."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.playbook import Role, needs_ansible

pytestmark = needs_ansible

#: As RabbitMQ 3.10 answers.
RABBITMQCTL = """#!/bin/sh
cat "$STATE/queues"
"""
QUEUES = """#!/bin/sh
echo "$5" >>"$STATE/log"
cat "$STATE/grown"
"""


def _queue(name: str, *hosts: str, kind: str = "quorum") -> dict[str, Any]:
    return {"name": name, "type": kind, "members": [f"rabbit@{host}" for host in hosts] or ""}


WHOLE = _queue("whole", "ctl1", "ctl2", "ctl3")


@pytest.mark.parametrize(
    ("queues", "copies", "asked"),
    [
        ([], 3, []),
        ([WHOLE, _queue("of one broker", kind="classic")], 3, []),
        ([WHOLE, _queue("short", "ctl1", "ctl3")], 3, ["rabbit@ctl2"]),
        ([_queue("one", "ctl1", "ctl3"), _queue("other", "ctl3")], 3, ["rabbit@ctl1", "rabbit@ctl2"]),
        ([_queue("of five brokers", "ctl1", "ctl3")], 2, []),
    ],
    ids=["none", "whole", "short", "shorter", "more-brokers-than-copies"],
)
def test_a_host_gets_the_copies_that_it_lacks(
    queues: list[dict[str, Any]], copies: int, asked: list[str], tmp_path: Path
) -> None:
    fakes = {"rabbitmqctl": RABBITMQCTL, "rabbitmq-queues": QUEUES}
    role = Role(tmp_path, "rabbitmq", "grow", fakes, rabbitmq_copies=copies)
    (role.state / "queues").write_text(json.dumps(queues), encoding="utf-8")
    for grown, changed in (('[\n{"vhost":"congressd","name":"short","size":3,"result":"ok"}\n]', 1), ("[]", 0)):
        (role.state / "grown").write_text(grown, encoding="utf-8")
        done, log = role.run("--limit", "ctl1")
        assert done.returncode == 0, done.stdout
        assert log == asked
        assert f"changed={changed if asked else 0} " in done.stdout
