"""A cut cable: the node of the active DSD is alone, and watched from inside while the others go on."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import NamedTuple

from tests.cluster.lab.lab import NODES, SCRIPT, call, inside, nodes, on, token
from tests.cluster.lab.load import POLICY, SOURCE, Load

#: How long the cable is out: longer than a lease.
SECONDS = 25
ACTING = "partition"
_MARK = "congressd_lab_beat"

#: What runs on the cut node: asks its own policy engine, five times a second; a line an answer.
_PROBE = """import json, sys, time, urllib.request
url, token, until = sys.argv[1], sys.argv[2], time.time() + float(sys.argv[3])
while time.time() < until:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
    began = time.time()
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            rows = [row["data"][0] for row in json.load(answer)["results"]]
            print(json.dumps([began, answer.headers.get("Congress-Stale"), max(rows, default=0)]), flush=True)
    except Exception:
        pass
    time.sleep(0.2)
"""


class Answer(NamedTuple):
    """What the cut node's policy engine said: when it was asked (s since 1970), and the newest number it has."""

    asked: float
    said_stale: bool
    number: int


def cut_dsd_node(load: Load, node: str) -> tuple[float, tuple[str, ...]]:
    """Cut ``node`` off for `SECONDS`, without fencing, which would end the question at once.

    The figure: of all answers of its policy engine that did not say that they may be stale, the longest time in
    seconds since a newer push had been accepted elsewhere. And what was broken, in sentences.
    """
    _act()
    on(node, "crm_attribute --type crm_config --name stonith-enabled --update false")
    other = next(other for other in NODES if other != node)
    nodes("cut", node)
    cut = time.time()
    try:
        answers = _watch(node)
        journal = f"journalctl -o cat -u congress-dsd-standby --since @{int(cut)}"
        epochs = inside(node, f"{journal} | grep -c ' active sources=' || true")
        load.settle(20, 60)
    finally:
        nodes("join", node)
        on(other, "crm_attribute --type crm_config --name stonith-enabled --update true")
    broken = [] if epochs.strip() == "0" else [f"{node} took an epoch while it was alone"]
    if not any(answer.asked > cut for answer in answers):
        broken.append(f"the policy engine of {node} said nothing while it was alone, so it was not seen what it says")
    load.settle(40, 60)
    call("DELETE", f"/v1/policies/{ACTING}")
    return _age(answers, load, cut), (*broken, *_executed(node, cut))


def _act() -> None:
    """An action for every push, so that who executes can be seen."""
    names = {policy["name"] for policy in call("GET", "/v1/policies")["results"]}
    if ACTING in names:
        call("DELETE", f"/v1/policies/{ACTING}")
    rule = f'execute[log:write("{_MARK}", x)] :- {SOURCE}:beat(x)'
    call("POST", "/v1/policies", {"name": ACTING, "rules": [{"rule": rule}]})
    time.sleep(2)  # for some actions to be done before the cut


def _watch(node: str) -> list[Answer]:
    """What the policy engine of the cut node answers while the cable is out."""
    found: list[Answer] = []
    url = f"http://{address(node)}:1790/v1/policies/{POLICY}/tables/seen/rows"
    command = [str(SCRIPT), "attach", node, f"python3 - {url} {token()} {SECONDS}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as probe:
        assert probe.stdin
        assert probe.stdout
        threading.Timer(SECONDS + 10, probe.kill).start()
        probe.stdin.write(_PROBE)
        probe.stdin.close()
        for line in probe.stdout:
            asked, stale, number = json.loads(line)
            found.append(Answer(asked, stale is not None, number))
    return found


def _age(answers: list[Answer], load: Load, cut: float) -> float:
    """See `cut_dsd_node`. A push's number is the time at which it was made, in milliseconds."""
    worst = 0.0
    for answer in answers:
        if answer.said_stale or answer.asked < cut:
            continue
        newer = [number for number in load.accepted if answer.number < number < answer.asked * 1000]
        if newer:
            worst = max(worst, answer.asked - min(newer) / 1000)
    return worst


def _executed(node: str, cut: float) -> list[str]:
    """What the logs of the DSDs say of actions: none on the cut node once it was alone, and some elsewhere."""
    moments: dict[str, list[float]] = {}
    for other in NODES:
        # The line that the action writes, not the note of its success, which waits for the database.
        wrote = f"grep 'activation=[0-9a-f-]* {_MARK}' || true"
        command = f"journalctl -o short-unix -u congress-dsd-standby --since @{int(cut)} | {wrote}"
        moments[other] = [float(line.split()[0]) for line in on(other, command).splitlines()]
    # What had been committed when the cable came out may still be written down.
    late = [moment for moment in moments[node] if cut + 1 < moment < cut + SECONDS]
    found = [f"{node} executed {len(late)} actions while it was alone"] if late else []
    if not any(moment > cut for other in NODES if other != node for moment in moments[other]):
        found.append("no other node has executed an action since the cable came out")
    return found


def address(node: str) -> str:
    """The node's address, which its policy engine listens on."""
    listed = {line.split()[0]: line.split()[1] for line in nodes("status").splitlines()}
    return listed[node]
