"""Processes as the kernel sees them: who lives, who is a zombie, and who belongs to a daemon.

A process ID alone proves nothing: the number may have been given to another program, the process may be a zombie
that nobody reaps, and children may outlive it. So a daemon is known by its command line, and it has ended only when
no live process of its session is left.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from typing import NamedTuple

#: What the kernel says of a process that has ended. Any other error, as when no file can be opened, proves no end.
GONE = (FileNotFoundError, ProcessLookupError)


class Found(NamedTuple):
    """A process that the PID file or a unit led to; ``zombie`` when it is dead but not yet reaped."""

    pid: int
    zombie: bool


def pid_in(path: str) -> int | None:
    """The number in a PID file, or None when there is no file or no number in it."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(64).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return int(text) if text.isascii() and text.isdigit() and int(text) > 1 else None


def find(pid: int, words: Collection[str]) -> Found | None:
    """The process ``pid`` if its command line has all ``words`` as arguments (the program by its base name).

    A zombie has no command line any more, so it is known by its number alone.
    """
    state = _state(pid)
    if state is None:
        return None
    if state == "Z" and not _live_threads(pid):
        return Found(pid, zombie=True)
    arguments = _arguments(pid)
    names = {os.path.basename(argument) for argument in arguments} | set(arguments)
    return Found(pid, zombie=False) if all(word in names for word in words) else None


def search(words: Collection[str]) -> int | None:
    """A live process that `find` knows by ``words``, whoever it is, or None."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            found = find(int(entry), words)
            if found and not found.zombie:
                return found.pid
    return None


def started_as(pid: int, command: list[str]) -> bool:
    """Whether the process was started with ``command``; an interpreter may stand before a script's name."""
    arguments = _arguments(pid)
    return arguments[-len(command) :] == command


def hang_up(pid: int, words: Collection[str]) -> bool:
    """Send SIGHUP to the live process ``pid`` that `find` knows by ``words``; whether there was one."""
    found = find(pid, words)
    if found is None or found.zombie:
        return False
    _send(pid, signal.SIGHUP)
    return True


def members(leader: int) -> list[int]:
    """All live processes of the session or process group that ``leader`` began, itself included, zombies not."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        fields = _stat(int(entry))
        if fields is None:
            continue
        state, group, session = fields[0], int(fields[2]), int(fields[3])
        if leader in (int(entry), group, session) and (state != "Z" or _live_threads(int(entry))):
            found.append(int(entry))
    return found


def end(leader: int, grace: float, limit: float) -> list[int]:
    """Ask ``leader`` to stop, kill its whole session after ``grace`` seconds (0: at once), and wait at most ``limit``.

    A quarter of ``limit`` is kept for the killing, however long the grace. Returns the processes that live even so: an
    empty list is proof of death.
    """
    started = time.monotonic()
    if grace > 0:
        _send(leader, signal.SIGTERM)
        _send(leader, signal.SIGCONT)  # a stopped process takes no SIGTERM
    left = _wait(leader, started + min(grace, limit * 0.75))
    while left and time.monotonic() < started + limit:
        for pid in left:
            _send(pid, signal.SIGKILL)
        left = _wait(leader, min(started + limit, time.monotonic() + 1.0))
    return left


def _wait(leader: int, until: float) -> list[int]:
    """Who is left of the session when nobody is, or when time is up."""
    pause = 0.005
    while True:
        left = members(leader)
        if not left or time.monotonic() >= until:
            return left
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None; the name before may hold blanks and brackets."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except GONE:
        return None


def _state(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[0] if fields else None


def _live_threads(pid: int) -> bool:
    """Whether a thread still runs: a process whose first thread has ended looks like a zombie from outside."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except GONE:
        return False
    return any(int(thread) != pid and (_state_of_thread(pid, thread) or "Z") not in "ZX" for thread in threads)


def _state_of_thread(pid: int, thread: str) -> str | None:
    try:
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (*GONE, IndexError):
        return None


def _arguments(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\0").split("\0")
    except GONE:
        return []
