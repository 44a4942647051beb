#!/usr/bin/python3 -SE
"""A daemon with the interface that the agents know: PID file, control socket, signals, and a choice of faults.

It stands where ``congressd`` would: ``congressd ROLE --config-file FILE [...]``. FILE is JSON and is read again for
every answer, so that a test can change its mind: ``status`` (what to say beside the defaults), ``slow`` (seconds
before it listens), ``late`` (seconds before it has a PID file), ``end`` (a sentence to end with, in order, in place of
listening), ``fail`` (a sentence to end with at once), ``deaf`` (live, but never listen), ``hang`` (take
connections, never answer), ``refuse`` (an error to answer), ``refuse_activate`` (to that only), ``stubborn`` (ignore
SIGTERM), ``child`` (have a child that ignores SIGTERM and outlives its parent). Every SIGHUP adds a line to
``ROLE-INSTANCE.reloads``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any


def settings(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        given: dict[str, Any] = json.loads(file.read() or "{}")
    return given


def main() -> None:
    role = sys.argv[1]
    config = sys.argv[sys.argv.index("--config-file") + 1]
    instance = sys.argv[sys.argv.index("--instance") + 1] if "--instance" in sys.argv else "1"
    given = settings(config)
    if "fail" in given:
        print(given["fail"], flush=True)
        sys.exit(3)
    time.sleep(given.get("late", 0))
    base = f"{os.environ['RUNTIME_DIRECTORY']}/{role}-{instance}"
    with open(f"{base}.pid", "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")

    def reread(*_: object) -> None:
        with open(f"{base}.reloads", "a", encoding="ascii") as file:
            file.write("again\n")

    signal.signal(signal.SIGHUP, reread)
    if given.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.get("child"):
        with open(f"{base}.child", "w", encoding="ascii") as file:
            code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
            child = subprocess.Popen([sys.executable, "-SE", "-c", code], stdout=subprocess.PIPE)
            if child.stdout:
                child.stdout.readline()
            file.write(str(child.pid))
    time.sleep(given.get("slow", 0))
    if "end" in given:
        print(given["end"], flush=True)
        os.unlink(f"{base}.pid")
        sys.exit(1)
    if given.get("deaf"):
        time.sleep(600)
    serve(f"{base}.sock", role, config, "standby" if "--standby" in sys.argv else "active")


def serve(path: str, role: str, config: str, state: str) -> None:
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(8)
    if role == "pe":
        state = "ready"
    held = []
    while True:
        connection, _ = listener.accept()
        given = settings(config)
        if given.get("hang"):
            held.append(connection)
            continue
        line = connection.makefile("rb").readline()
        if not line:
            continue
        method = json.loads(line)["method"]
        if method == "activate" and "refuse_activate" in given:
            given["refuse"], method = given["refuse_activate"], ""
        state = {"activate": "active", "standby": "standby", "drain": "draining"}.get(method, state)
        told = {
            "role": role, "state": state, "epoch": 7, "revision": 3, "bus": True, "database": True,
            "last_batch_age": 0.5, "work_age": 0.1, "sources": 4, "failing": [], "reason": "", "version": "0.1.0",
        }  # fmt: skip
        told.update(given.get("status", {}))
        answer = {"ok": False, "error": given["refuse"]} if "refuse" in given else {"ok": True, "status": told}
        connection.sendall(json.dumps(answer).encode() + b"\n")
        connection.close()
        if method == "stop":
            return


if __name__ == "__main__":
    main()
