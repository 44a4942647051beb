"""What keeps a process from starting, and the name under which it runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from congressd.config.options import Settings

RUN_DIR: Final = Path("/run/congressd")  #: of PID files and control sockets, unless something else is said

Role = Literal["pe", "dsd"]


class StartError(Exception):
    """The process cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process this is: its role, its number among those of its role on this machine, the machine's name."""

    role: Role
    instance: str
    machine: str
    run_dir: Path

    @property
    def name(self) -> str:
        """The name among all nodes, such as ``db7.pe-1``; the same after a restart."""
        return f"{self.machine}.{self.role}-{self.instance}"

    @property
    def socket(self) -> Path:
        """Where its control socket is."""
        return self.run_dir / f"{self.role}-{self.instance}.sock"

    @property
    def pid_file(self) -> Path:
        """Where its PID file is."""
        return self.run_dir / f"{self.role}-{self.instance}.pid"


def identify(settings: Settings, role: Role, instance: str) -> Identity:
    """The identity of a process. Raises StartError for an instance that cannot be part of a file's name."""
    if not (instance.isascii() and instance.replace("-", "").isalnum()):
        raise StartError(f"the instance is {instance!r}; letters, digits and - are allowed, such as --instance 1")
    machine = settings.default.node or socket.gethostname()
    # systemd says where RuntimeDirectory= of the unit is; with several it names all of them.
    given = settings.default.run_dir or os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Identity(role, instance, machine, Path(given) if given else RUN_DIR)
