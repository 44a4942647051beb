"""A network of its own for a test that breaks one: an empty namespace with a loopback interface. Needs root."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000  # linux/sched.h


def in_a_network_of_its_own(work: Callable[[], T]) -> T:
    """What ``work`` returns. It runs in a thread that alone is in the new namespace, as are the processes it starts."""

    def enter() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "a network namespace needs root")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    with ThreadPoolExecutor(1, initializer=enter) as alone:
        return alone.submit(work).result()


def drop_packets_to(port: int) -> None:
    """Lose all packets to and from a TCP port, as a cable that was taken out does."""
    assert os.readlink("/proc/thread-self/ns/net") != os.readlink("/proc/self/ns/net"), "only in a network of its own"
    table = ["inet", "cut"]
    chain = "{ type filter hook input priority 0; }"
    for rule in (["table", *table], ["chain", *table, "input", chain], *_rules(table, port)):
        subprocess.run(["nft", "add", *rule], check=True)


def _rules(table: list[str], port: int) -> list[list[str]]:
    return [["rule", *table, "input", "tcp", end, str(port), "drop"] for end in ("dport", "sport")]
