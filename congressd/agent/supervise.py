"""Who holds the daemon's process: systemd, or the agent itself by a PID file. Start it, find it, make sure it ended."""

from __future__ import annotations

import os
import time
from typing import NamedTuple, Protocol

from congressd.agent import control, process
from congressd.agent.ocf import ExitCode, OcfError
from congressd.agent.settings import Settings


class Held(NamedTuple):
    """What is known of the process: ``kind`` is absent (never started, or stopped), dead, zombie or alive.

    ``ended`` is the number of seconds since it died, where that is known.
    """

    kind: str
    detail: str = ""
    ended: float = float("inf")


ABSENT = Held("absent")


class Supervisor(Protocol):
    """Starts, finds and stops the one daemon of its settings."""

    def look(self) -> Held:
        """The process, without asking it."""

    def start(self, arguments: list[str], seconds: float) -> None:
        """Start the daemon; with systemd, also wait until it says that it is ready. Raises `OcfError`."""

    def stop(self, seconds: float) -> list[int]:
        """Stop it, kill it if need be, and return the processes that live even so."""

    def kill(self, seconds: float) -> None:
        """End it without asking. Raises `OcfError` when something of it lives after ``seconds``."""

    def reload(self, seconds: float) -> None:
        """Have it read again what it can read again. Raises `OcfError` when it cannot be told."""

    def needs_restart(self, arguments: list[str]) -> bool:
        """Whether the running process was started with other parameters than these settings."""

    def said(self) -> str:
        """What the daemon that this one has started said last, or where to read it."""


def supervisor(settings: Settings) -> Supervisor:
    """The one that the settings name."""
    return Systemd(settings) if settings.systemd else Direct(settings)


class Direct:
    """The daemon in a session of its own, known by its PID file and its command line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._words = (os.path.basename(settings.binary), settings.role)
        self._started_at = 0  # where the log ended when the daemon was started

    def look(self) -> Held:
        pid = process.pid_in(self._settings.pid_file)
        if pid is None:
            pid = self._leader()
            return ABSENT if pid is None else Held("alive", f"process {pid} lives without a PID file")
        found = process.find(pid, self._words)
        if found is None:
            left = process.members(pid) if not os.path.isdir(f"/proc/{pid}") else []
            if left:
                return Held("alive", f"process {pid} died, its children {_list(left)} live on")
            return Held("dead", f"process {pid} died and left {self._settings.pid_file}")
        if found.zombie:
            return Held("zombie", f"process {pid} is dead, but not reaped by its parent")
        return Held("alive", f"process {pid} lives")

    def start(self, arguments: list[str], seconds: float) -> None:
        import subprocess

        settings = self._settings
        account = None if settings.user == "root" or os.geteuid() != 0 else settings.user
        for directory in (settings.run_dir, os.path.dirname(settings.log_file)):
            self._make(directory, account)
        with open(settings.log_file, "ab") as log:
            self._started_at = log.tell()
            child = subprocess.Popen(
                [*settings.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(settings),
                user=account,
                group=_group(account) if account else None,
                extra_groups=_groups(account) if account else None,
                umask=0o027,
                start_new_session=True,
            )
        until = time.monotonic() + seconds
        while process.pid_in(settings.pid_file) != child.pid and not os.path.exists(settings.socket):
            if child.poll() is not None:
                raise OcfError(ExitCode.GENERIC, f"the daemon ended with status {child.returncode}: {self.said()}")
            if time.monotonic() >= until:
                process.end(child.pid, 0.0, 5.0)
                child.poll()
                sentence = f"the daemon wrote no {settings.pid_file} within {seconds:.0f} s: {self.said()}"
                raise OcfError(ExitCode.GENERIC, sentence)
            time.sleep(0.02)
        child.returncode = 0  # it lives on without us: the destructor must not say that it was forgotten

    def stop(self, seconds: float) -> list[int]:
        left = self._end(self._settings.stop_grace, seconds)
        if not left:
            for path in (self._settings.pid_file, self._settings.socket):
                _remove(path)
        return left

    def kill(self, seconds: float) -> None:
        left = self._end(0.0, seconds)
        if left:
            raise OcfError(ExitCode.GENERIC, f"processes of the daemon live after SIGKILL: {_list(left)}")

    def reload(self, seconds: float) -> None:
        del seconds  # a signal is sent at once
        leader = self._leader()
        if leader is None or not process.hang_up(leader, self._words):
            raise OcfError(ExitCode.GENERIC, f"no process of the daemon can be told; see {self._settings.pid_file}")

    def needs_restart(self, arguments: list[str]) -> bool:
        pid = process.pid_in(self._settings.pid_file)
        wanted = [*self._settings.command, *arguments]
        return pid is not None and not process.started_as(pid, wanted)

    def said(self) -> str:
        return _last_line(self._settings.log_file, self._started_at)

    def _leader(self) -> int | None:
        """The number that the daemon's main process has, or had, or None.

        By the PID file; where that names nobody, or a stranger who got the number, by who listens on the socket, or
        else by the whole command line: one that hangs early has neither yet.
        """
        pid = process.pid_in(self._settings.pid_file)
        if pid is not None and (process.find(pid, self._words) or not os.path.isdir(f"/proc/{pid}")):
            return pid
        pid = control.peer(self._settings.socket)
        if pid is None or not process.find(pid, self._words):
            instance = ("--instance", self._settings.instance) if self._settings.role == "pe" else ()
            pid = process.search((*self._words, self._settings.config, *instance))
        if pid is None:
            return None
        session = os.getsid(pid)  # a policy engine answers in a child of its main process
        return session if process.find(session, self._words) else pid

    def _end(self, grace: float, seconds: float) -> list[int]:
        """End the daemon and what it began; returns the processes that live even so."""
        leader = self._leader()
        return [] if leader is None else process.end(leader, grace, seconds)

    @staticmethod
    def _make(directory: str, account: str | None) -> None:
        if os.path.isdir(directory):
            return
        os.makedirs(directory, mode=0o750)
        if account:
            import shutil

            shutil.chown(directory, account, _group(account))


class Systemd:
    """The daemon as a unit: systemd knows its processes by their control group."""

    def __init__(self, settings: Settings) -> None:
        self._unit = settings.unit

    def look(self) -> Held:
        shown = self._show()
        if shown["LoadState"] != "loaded":
            return Held("absent", f"there is no unit {self._unit}")
        state = shown["ActiveState"]
        exited = shown.get("ExecMainExitTimestampMonotonic", "")
        ended = time.monotonic() - int(exited) / 1e6 if exited.isdigit() and exited != "0" else float("inf")
        if state == "deactivating" and shown.get("MainPID") == "0":
            return Held("dead", f"{self._unit} has ended: {shown.get('Result')}", ended)
        if state in ("active", "activating", "reloading", "deactivating"):
            return Held("alive", f"{self._unit} is {state} ({shown.get('SubState')})")
        if state == "failed":
            return Held("dead", f"{self._unit} failed: {shown.get('Result')}", ended)
        return ABSENT

    def start(self, arguments: list[str], seconds: float) -> None:
        del arguments  # the unit has its own
        self._systemctl("reset-failed", 5.0)
        code, output = self._systemctl("start", seconds)
        if code != 0:
            raise OcfError(ExitCode.GENERIC, f"systemd cannot start {self._unit}: {output or self.look().detail}")

    def stop(self, seconds: float) -> list[int]:
        until = time.monotonic() + seconds
        silent: OcfError | None = None
        group = self._group()
        # When the node is shut down the unit's own end waits for Pacemaker's (Before=), which waits for this one.
        self._systemctl("stop --job-mode=ignore-dependencies", max(1.0, seconds - 5.0))
        while True:
            try:
                ended, silent = self._show()["ActiveState"] in ("inactive", "failed"), None
            except OcfError as error:
                ended, silent = False, error  # a systemd that does not answer proves nothing
            left = _in_group(group)
            if ended and not left:
                self._systemctl("reset-failed", 2.0)
                return []
            if time.monotonic() >= until:
                if silent and not left:
                    raise silent
                return left or [0]
            self._systemctl("kill --signal=SIGKILL --kill-who=all", 2.0)
            time.sleep(0.2)

    def kill(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._systemctl("kill --signal=SIGKILL --kill-who=all", seconds)
        while self.look().kind == "alive":
            if time.monotonic() >= until:
                raise OcfError(ExitCode.GENERIC, f"{self._unit} lives after SIGKILL")
            time.sleep(0.05)

    def reload(self, seconds: float) -> None:
        code, output = self._systemctl("reload", seconds)
        if code != 0:
            raise OcfError(ExitCode.GENERIC, f"systemd cannot reload {self._unit}: {output or code}")

    def needs_restart(self, arguments: list[str]) -> bool:
        del arguments  # neither the program nor its arguments come from the parameters, but the unit does
        return self.look().kind != "alive"

    def said(self) -> str:
        return f"see journalctl --unit={self._unit}"

    def _group(self) -> str:
        """The unit's control group; empty when it has none, or systemd does not say."""
        try:
            return self._show().get("ControlGroup", "")
        except OcfError:
            return ""

    def _show(self) -> dict[str, str]:
        """What systemd knows of the unit. Raises `OcfError` when it does not say: that is not the same as no unit."""
        code, output = self._systemctl(
            "show --property=LoadState,ActiveState,SubState,Result,MainPID,ControlGroup,ExecMainExitTimestampMonotonic",
            5.0,
        )
        shown = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        if code != 0 or not {"LoadState", "ActiveState"} <= shown.keys():
            raise OcfError(ExitCode.GENERIC, f"systemd does not tell the state of {self._unit}: {output or code}")
        return shown

    def _systemctl(self, words: str, seconds: float) -> tuple[int, str]:
        import subprocess

        try:
            done = subprocess.run(
                ["systemctl", *words.split(), self._unit],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, f"systemctl {words.split()[0]} took longer than {seconds:.0f} s"
        except FileNotFoundError:
            raise OcfError(ExitCode.INSTALLED, "there is no systemctl on this node") from None
        except OSError as error:  # no memory, process or file descriptor to be had: it proves nothing of the unit
            return 126, f"systemctl cannot be run just now: {error.strerror}"
        return done.returncode, done.stdout.decode(errors="replace").strip()


def _in_group(group: str) -> list[int]:
    """The processes of a control group (none if it is empty), in the layout of version 2 or of version 1."""
    if not group:
        return []
    found: set[int] = set()
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
        try:
            with open(f"{root}{group}/cgroup.procs", encoding="ascii") as file:
                found.update(int(line) for line in file if line.strip() not in ("", "0"))
        except (OSError, ValueError):
            continue
    return sorted(found)


def _environment(settings: Settings) -> dict[str, str]:
    """What the daemon sees: nothing of Pacemaker's, the run directory under systemd's own name for it."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**kept, "PATH": path, "RUNTIME_DIRECTORY": settings.run_dir, "PYTHONUNBUFFERED": "1"}


def _group(account: str) -> int:
    import pwd

    return pwd.getpwnam(account).pw_gid


def _groups(account: str) -> list[int]:
    return os.getgrouplist(account, _group(account))


def _last_line(path: str, position: int) -> str:
    """What the daemon said last, from ``position`` on."""
    try:
        with open(path, "rb") as file:
            file.seek(position)
            lines = file.read()[-4096:].decode(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1][:300] if lines else f"it said nothing; see {path}"


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
