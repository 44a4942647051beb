#!/usr/bin/python3
"""Says what the cluster should run and does not run yet. Standard library only.

Usage: missing.py PE... Prints a line for everything that is missing, and exits with 1 if there is something.

A policy engine is expected where an operator lets it run: on a node that is online, neither in standby nor in
maintenance, and from which no ``pcs resource ban`` keeps it away. A datasource node is expected if it may run anywhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

#: A score that means never.
NEVER = -1_000_000
#: The datasource node alone, and what it is part of in either layout.
DSD = ("dsd", "dsd-clone", "g-dsd")


def missing(state: Element, engines: Sequence[str]) -> Iterator[str]:
    """A sentence for whichever of ``engines`` and the datasource node does not run, by the XML of crm_mon."""
    nodes = _ready(state)
    for engine in engines:
        runs = _where(state, engine, ("Started",))
        for node in nodes:
            if node not in runs and not _banned(state, (engine, f"{engine}-clone"), node):
                yield f"{engine} does not run on {node}"
    if any(not _banned(state, DSD, node) for node in nodes) and not _where(state, "dsd", ("Started", "Promoted")):
        yield "no dsd is active"


def _ready(state: Element) -> list[str]:
    """The nodes on which Pacemaker may start something."""
    options = state.find("summary/cluster_options")
    if options is not None and options.get("maintenance-mode") == "true":
        return []
    return [
        node.get("name", "")
        for node in state.iterfind("nodes/node")
        if node.get("online") == "true" and node.get("standby") != "true" and node.get("maintenance") != "true"
    ]


def _banned(state: Element, resources: Sequence[str], node: str) -> bool:
    """Whether a constraint keeps one of ``resources`` away from ``node``, in whatever role."""
    return any(
        ban.get("resource") in resources and ban.get("node") == node and int(ban.get("weight", 0)) <= NEVER
        for ban in state.iterfind("bans/ban")
    )


def _where(state: Element, resource: str, roles: Sequence[str]) -> set[str]:
    """The nodes on which ``resource`` is in one of ``roles``."""
    return {
        node.get("name", "")
        for each in state.iterfind("resources//resource")
        if each.get("id") == resource and each.get("active") == "true" and each.get("role") in roles
        for node in each.iterfind("node")
    }


def main(engines: Sequence[str]) -> int:
    """Ask the cluster."""
    command = ["crm_mon", "--one-shot", "--output-as=xml"]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = list(missing(ElementTree.fromstring(text), engines))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
