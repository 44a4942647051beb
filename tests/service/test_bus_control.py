"""The control plane over a real RabbitMQ: calls, their ends, and notices."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from congressd.bus.oslo_control import OsloControl
from congressd.model.errors import CongressError
from congressd.model.values import FALSE, TRUE
from tests.service.rabbitmq import RabbitServer, wait_for

pytestmark = pytest.mark.rabbitmq
Make = Callable[[], OsloControl]


@pytest.fixture
def make(rabbitmq: RabbitServer, tmp_path: Path) -> Iterator[Make]:
    """Makes the controls of as many nodes as a test needs, and closes them."""
    with ExitStack() as stack:

        def control() -> OsloControl:
            node = OsloControl((rabbitmq.url,), f"node-{uuid4().hex[:8]}", tmp_path)
            stack.callback(node.close)
            return node

        yield control


@pytest.fixture
def target() -> str:
    """A name that no other test uses."""
    return f"target-{uuid4().hex[:8]}"


def answered(control: OsloControl, target: str, method: str, args: dict[str, Any] | None = None) -> Any:
    """The answer, as soon as there is one: `serve` returns before the broker knows."""
    answers: list[Any] = []

    def ask() -> bool:
        try:
            answers.append(control.call(target, method, args, timeout=2))
        except CongressError as error:
            if error.code.name != "unavailable":
                raise
        return bool(answers)

    wait_for(ask, f"an answer of {target}", 60)
    return answers[0]


def test_a_call_reaches_the_method_and_its_answer_the_caller(make: Make, target: str) -> None:
    make().serve(target, {"echo": lambda item: {"item": item}})
    item = [("nova", 2**80, -0.0, TRUE, FALSE, None, "\ud800ü"), {"a": [1, 1.0]}]
    assert repr(answered(make(), target, "echo", {"item": item})) == repr({"item": item})


def test_errors_of_a_method_reach_the_caller(make: Make, target: str) -> None:
    def refuse() -> None:
        raise CongressError("not_found", "there is no source 'x'")

    make().serve(target, {"refuse": refuse, "fail": lambda: 1 / 0, "set": lambda: {1, 2}})
    client = make()
    with pytest.raises(CongressError, match="there is no source 'x'") as caught:
        answered(client, target, "refuse")
    assert caught.value.code.name == "not_found"
    with pytest.raises(CongressError, match="ZeroDivisionError"):
        answered(client, target, "fail")
    with pytest.raises(CongressError, match="has no method 'other'"):
        answered(client, target, "other")
    with pytest.raises(CongressError, match="set cannot travel"):
        answered(client, target, "set")


def test_a_call_to_nobody_is_given_up_in_time(make: Make, target: str) -> None:
    with pytest.raises(CongressError, match=r"did not answer 'echo' within 0\.5 s") as caught:
        make().call(target, "echo", timeout=0.5)
    assert caught.value.code.name == "unavailable"


def test_a_call_that_takes_too_long_is_given_up(make: Make, target: str) -> None:
    go_on = threading.Event()
    make().serve(target, {"ready": lambda: True is True and 1, "wait": lambda: go_on.wait(30) and None})
    client = make()
    assert answered(client, target, "ready") == 1
    with pytest.raises(CongressError, match="did not answer 'wait'"):
        client.call(target, "wait", timeout=0.5)
    go_on.set()


def test_the_next_node_answers_when_the_first_stops(make: Make, target: str) -> None:
    first, second, client = make(), make(), make()
    registration = first.serve(target, {"who": lambda: "first"})
    assert answered(client, target, "who") == "first"
    registration.stop()
    second.serve(target, {"who": lambda: "second"})
    assert answered(client, target, "who") == "second"


def test_a_notice_reaches_every_listener_of_its_topic(make: Make, target: str) -> None:
    heard: dict[str, list[Any]] = {"one": [], "two": [], "other": []}
    one, two = make(), make()
    one.listen(target, heard["one"].append)
    two.listen(target, heard["two"].append)
    two.listen(target + "-other", heard["other"].append)
    numbers = itertools.count()

    def both_hear() -> bool:
        one.notify(target, {"revision": next(numbers)})
        return bool(heard["one"] and heard["two"])

    wait_for(both_hear, "both to hear", 15)
    one.notify(target, {"revision": "last"})
    wait_for(lambda: all({"revision": "last"} in heard[who] for who in ("one", "two")), "both to hear the last")
    assert heard["other"] == []


def test_everything_goes_on_after_the_broker_was_killed_and_started(
    make: Make, target: str, rabbitmq: RabbitServer
) -> None:
    heard: list[Any] = []
    server, client = make(), make()
    server.serve(target, {"who": lambda: "server"})
    server.listen(target, heard.append)
    assert answered(client, target, "who") == "server"
    rabbitmq.kill()
    try:
        with pytest.raises(CongressError, match="did not answer"):
            client.call(target, "who", timeout=1)
        client.notify(target, "into the void")
    finally:
        rabbitmq.start()
    assert answered(client, target, "who") == "server"

    def is_heard() -> bool:
        client.notify(target, "again")
        return "again" in heard

    wait_for(is_heard, "a notice to arrive again", 60)


def test_nothing_is_monkey_patched_and_no_warning_is_shown() -> None:
    script = """
import socket, threading, time
before = (socket.socket, threading.Thread.start, threading.Lock, time.sleep)
import congressd.bus.oslo_control
assert before == (socket.socket, threading.Thread.start, threading.Lock, time.sleep)
import sys
patcher = sys.modules.get("eventlet.patcher")
assert patcher is None or not any(map(patcher.is_monkey_patched, ("os", "select", "socket", "thread", "time")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_quorum_queues_are_declared(make: Make, target: str, rabbitmq: RabbitServer) -> None:
    node, heard = make(), list[Any]()
    node.serve(target, {"who": lambda: "me"})
    node.listen(target, heard.append)
    answered(make(), target, "who")
    kinds = {line.split("\t")[1] for line in rabbitmq.control("list_queues", "name", "type").splitlines()[1:]}
    assert kinds == {"quorum"}


#: Calls once from a process whose group has lost its leader, as after a start by a script that has ended.
ORPHAN = """
import os, sys, time
if os.fork():
    os._exit(0)
while os.path.exists(f"/proc/{os.getpgrp()}/stat"):
    time.sleep(0.01)
from pathlib import Path
from congressd.bus.oslo_control import OsloControl
url, directory, target = sys.argv[1:]
control = OsloControl((url,), "orphan", Path(directory))
control.call(target, "greet", {"name": "you"}, timeout=20)
os._exit(0)
"""


def test_a_process_whose_group_has_lost_its_leader_can_call(
    make: Make, target: str, rabbitmq: RabbitServer, tmp_path: Path
) -> None:
    greeted: list[str] = []
    server = make()
    server.serve(target, {"greet": lambda name: greeted.append(name)})
    answered(server, target, "greet", {"name": "me"})
    command = [sys.executable, "-c", ORPHAN, rabbitmq.url, str(tmp_path), target]
    leader = subprocess.Popen(command, start_new_session=True)
    assert leader.wait(30) == 0
    wait_for(lambda: "you" in greeted, "the call of the orphan")
