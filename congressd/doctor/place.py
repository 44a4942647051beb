"""The node that is looked at: its configuration, where its files are, and how its programs are asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from congressd.config.options import Settings
from congressd.daemon.start import RUN_DIR
from congressd.doctor.finding import Failed, NotHere

T = TypeVar("T")

PATIENCE: Final = 8.0  #: seconds that a program may take
ANSWER: Final = 3.0  #: seconds that a server may take
#: Where system programs are; root's PATH has it, a user's may not.
SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Paths:
    """Files of other programs; the defaults are Debian's and the playbook's."""

    haproxy_config: Path = Path("/etc/haproxy/haproxy.cfg")
    haproxy_socket: Path = Path("/run/haproxy/admin.sock")
    mariadb_socket: Path = Path("/run/mysqld/mysqld.sock")
    systemd: Path = Path("/run/systemd/system")
    #: Directories whose disk must not fill up; those that do not exist are passed over.
    disks: tuple[Path, ...] = (
        Path("/var/lib/congressd"),
        Path("/var/lib/mysql"),
        Path("/var/lib/rabbitmq"),
        Path("/var/lib/pacemaker"),
        Path("/var/log"),
        Path("/run"),
    )
    corosync_config: Path = Path("/etc/corosync/corosync.conf")
    venv: Path = Path("/opt/congressd/venv")  #: the link to the release that is installed


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed."""

    code: int
    text: str
    errors: str

    @property
    def complaint(self) -> str:
        """What it says went wrong, in a line."""
        lines = [line.strip() for line in (self.errors or self.text).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


@dataclass(frozen=True)
class Place:
    """One node. ``settings`` is None if the configuration cannot be used; ``complaints`` says why, else what to note.

    ``programs`` puts another command in the place of a program's name.
    """

    settings: Settings | None
    config: Path | None = None  #: the file that the settings come from
    complaints: tuple[str, ...] = ()
    paths: Paths = Paths()
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _kept: dict[str, tuple[threading.Lock, list[Any]]] = field(default_factory=dict)

    def need(self) -> Settings:
        """The configuration. Raises NotHere without one."""
        if self.settings is None:
            raise NotHere("not asked, since the configuration cannot be used")
        return self.settings

    @property
    def run_dir(self) -> Path:
        """Where the daemons' control sockets are."""
        return Path((self.settings and self.settings.default.run_dir) or RUN_DIR)

    def has(self, program: str) -> bool:
        """Whether a program is installed."""
        return program in self.programs or shutil.which(program, path=_path()) is not None

    def run(self, program: str, *arguments: str, deadline: float = PATIENCE) -> Output:
        """What a program prints. Raises NotHere if it is not installed, Failed if it takes longer than ``deadline``
        seconds or cannot be started."""
        command = [*self.programs.get(program, (program,)), *arguments]
        told = " ".join((program, *arguments))
        if not self.has(program):
            raise NotHere(f"{program} is not installed")
        environment = {**os.environ, "PATH": _path(), "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "PAGER": "cat"}
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=deadline,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(
                f"`{told}` gave no answer within {deadline:g} s",
                f"run `{told}` by hand, and look with `journalctl -e` for what holds it up",
            ) from None
        except OSError as error:
            raise Failed(f"`{told}` cannot be run: {error.strerror or error}", "run the doctor as root") from None
        return Output(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def once(self, name: str, bring: Callable[[], T]) -> T:
        """What ``bring`` returns or raises; who asks for the same name again gets the same."""
        lock, kept = self._kept.setdefault(name, (threading.Lock(), []))
        with lock:
            if not kept:
                try:
                    kept.append((bring(), None))
                except (NotHere, Failed) as refusal:
                    kept.append((None, refusal))
        value, error = kept[0]
        if error is not None:
            raise error
        return cast(T, value)


def now() -> float:
    """This node's clock, in seconds since 1970."""
    return time.time()


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
