"""Running an agent as Pacemaker does: a process with an environment, an exit code and a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]

#: What an agent exits with.
OK, GENERIC, ARGS, PERM, INSTALLED, NOT_RUNNING, PROMOTED = 0, 1, 2, 4, 5, 7, 8
DEGRADED, DEGRADED_PROMOTED = 190, 191


class Result(NamedTuple):
    """What one call of an agent came to."""

    code: int
    reason: str


class Rig:
    """A node with one daemon of a role, in a directory of its own; ``faults`` is what the daemon is told to do."""

    def __init__(self, directory: Path, role: str, **parameters: str) -> None:
        self.directory = directory
        self.role = role
        self.agent = ROOT / "ocf" / f"congress-{role}"
        self.config = directory / "congressd.conf"
        self.binary = directory / "bin" / "congressd"
        self.binary.parent.mkdir()
        shutil.copy(Path(__file__).with_name("fakedaemon.py"), self.binary)
        self.binary.chmod(0o755)
        self.faults()
        self.parameters = {
            "config": str(self.config),
            "binary": str(self.binary),
            "supervisor": "direct",
            "run_dir": str(directory / "run"),
            "log_file": str(directory / "log" / "daemon.log"),
            "user": "root",
            "control_timeout": "1",
            "stop_grace": "5",
            **parameters,
        }

    def faults(self, **faults: Any) -> None:
        """What the daemon does wrong from now on; ``status`` is what it says beside the defaults."""
        new = self.config.with_suffix(".new")
        new.write_text(json.dumps(faults), encoding="utf-8")
        new.replace(self.config)

    def call(
        self,
        action: str,
        *,
        probe: bool = False,
        depth: int = 0,
        seconds: float = 20,
        files: int = 1024,
        **changed: str,
    ) -> Result:
        """Run the agent for one action with the parameters, some of them ``changed``; it may open so many ``files``."""
        done = subprocess.run(
            ["/bin/sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", self.agent, action],
            env=self.environment(probe=probe, depth=depth, seconds=seconds, **changed),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        reasons = [line.removeprefix("ocf-exit-reason:") for line in done.stderr.splitlines()]
        return Result(done.returncode, "\n".join(reasons))

    def environment(self, *, probe: bool, depth: int, seconds: float, **changed: str) -> dict[str, str]:
        """Pacemaker's environment of one action."""
        return {
            "PATH": os.environ["PATH"],
            "OCF_ROOT": "/usr/lib/ocf",
            "HA_RSCTMP": str(self.directory),
            "OCF_RESOURCE_INSTANCE": f"{self.role}:0",
            "OCF_CHECK_LEVEL": str(depth),
            "OCF_RESKEY_CRM_meta_interval": "0" if probe else "5000",
            "OCF_RESKEY_CRM_meta_timeout": str(int(seconds * 1000)),
            **{f"OCF_RESKEY_{name}": value for name, value in {**self.parameters, **changed}.items()},
        }

    def run_file(self, suffix: str) -> Path:
        """The daemon's file in the run directory, such as its PID file (``pid``)."""
        return self.directory / "run" / f"{self.role}-1.{suffix}"

    def pid(self, suffix: str = "pid") -> int:
        """The number in the PID file, or in that of the child."""
        return int(self.run_file(suffix).read_text(encoding="ascii"))

    def processes(self) -> list[int]:
        """The live processes that were started with this node's configuration, by their command lines."""
        name = f"\0{self.config}".encode()
        return sorted(int(file.parent.name) for file in Path("/proc").glob("[0-9]*/cmdline") if name in _read(file))

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A daemon that this test is the parent of, so that it is not reaped when it dies."""
        self.run_file("pid").parent.mkdir(exist_ok=True)
        command = [str(self.binary), self.role, "--config-file", str(self.config), *arguments]
        environment = {"RUNTIME_DIRECTORY": self.parameters["run_dir"], "PATH": os.environ["PATH"]}
        return subprocess.Popen(command, env=environment, start_new_session=True)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait until ``condition`` holds, at most ``seconds``."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
