"""The lab as the measurements see it: nodes to ask and to harm, and the API behind its address."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tools" / "cluster" / "nodes"
DIRECTORY = Path(os.environ.get("LAB_DIR", "/var/lib/congressd-lab"))
NODES = ("ctl1", "ctl2", "ctl3")
API = "http://198.18.0.20:1789"


class ClusterError(Exception):
    """The cluster did not do in time what it had to do."""


def nodes(*arguments: str) -> str:
    """The script that holds the containers."""
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ClusterError(f"nodes {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def on(node: str, command: str) -> str:
    """A command's output on a node."""
    return nodes("ssh", node, command)


def inside(node: str, command: str) -> str:
    """The same for a node whose cable is out."""
    return nodes("attach", node, command)


def wait_until(condition: Callable[[], bool], what: str, seconds: float, pause: float = 0.2) -> float:
    """Wait until ``condition`` holds; the seconds that it took. What fails inside counts as not yet."""
    began = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - began
        except (ClusterError, OSError, ValueError):
            pass
        if time.monotonic() - began > seconds:
            raise ClusterError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def token() -> str:
    """The administrator's token, as the playbook made it."""
    return (DIRECTORY / "inventory" / "secrets" / "api_token_admin").read_text(encoding="ascii").strip()


def call(method: str, path: str, body: Any = None, timeout: float = 10.0) -> Any:
    """One call of the API with the administrator's token; the JSON of its answer."""
    request = urllib.request.Request(
        f"{API}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token()}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read()
    return json.loads(text) if text else None


class State:
    """What Pacemaker says of its cluster, from the first node that answers."""

    def __init__(self) -> None:
        for node in NODES:
            try:
                self._document = ElementTree.fromstring(on(node, "crm_mon --one-shot --output-as=xml"))
                return
            except (ClusterError, ElementTree.ParseError):
                continue
        raise ClusterError("no node answers")

    def online(self) -> set[str]:
        """The nodes that are members."""
        return {str(node.get("name")) for node in self._document.findall("nodes/node") if node.get("online") == "true"}

    def where(self, resource: str) -> list[str]:
        """The nodes on which a resource runs."""
        found = []
        for entry in self._document.iter("resource"):
            if entry.get("id") == resource and entry.get("role") in ("Started", "Promoted"):
                found += [str(node.get("name")) for node in entry.findall("node")]
        return found

    def standing_by(self) -> bool:
        """Whether the other DSDs stand by, where the layout has such."""
        entries = self._document.findall(".//clone[@id='dsd-clone']/resource")
        return not entries or sum(entry.get("role") == "Unpromoted" for entry in entries) == len(NODES) - 1

    def whole(self) -> bool:
        """Whether every node is online and everything runs that can run."""
        return (
            self.online() == set(NODES)
            and len(self.where("dsd")) == 1
            and self.standing_by()
            and all(len(self.where(clone)) == len(NODES) for clone in ("pe-1", "haproxy"))
            and len(self.where("vip-api")) == 1
        )


def status(node: str, role: str) -> dict[str, Any]:
    """What a daemon says of itself on its control socket."""
    code = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(3); s.connect(sys.argv[1]); "
        's.sendall(b\'{\\"method\\": \\"status\\"}\\n\'); print(s.makefile().readline())'
    )
    answer = json.loads(on(node, f'python3 -SE -c "{code}" /run/congressd/{role}-1.sock'))
    told: dict[str, Any] = answer["status"]
    return told
