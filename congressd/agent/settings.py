"""The parameters of both agents, and how they are read: the one place that knows their names."""

from __future__ import annotations

import os
from typing import NamedTuple

from congressd.agent.ocf import Call, ExitCode, OcfError, Parameter

COMMON = (
    Parameter(
        "config",
        "string",
        "/etc/congressd/congressd.conf",
        "Configuration file",
        "The configuration file of the daemon. Without systemd it is handed to the daemon; with systemd the unit "
        "names the file, and this one is only checked to exist.",
    ),
    Parameter(
        "binary",
        "string",
        "/opt/congressd/venv/bin/congressd",
        "The congressd program",
        "The program to start where systemd is not PID 1.",
    ),
    Parameter(
        "supervisor",
        "string",
        "auto",
        "Who holds the process: auto, systemd or direct",
        "systemd: the agent starts and stops the unit. direct: it starts the daemon itself and knows it by its PID "
        "file. auto: systemd where that is PID 1, otherwise direct.",
    ),
    Parameter(
        "unit", "string", "", "systemd unit", "The unit to start. Empty: the one that congressd ships.", unique=True
    ),
    Parameter(
        "run_dir",
        "string",
        "/run/congressd",
        "Directory of PID file and control socket",
        "Where the daemon puts its PID file and its control socket, ROLE-INSTANCE.pid and ROLE-INSTANCE.sock.",
    ),
    Parameter(
        "user",
        "string",
        "congressd",
        "User of the daemon (without systemd)",
        "The daemon is started as this user, with that user's groups. The name root keeps root.",
    ),
    Parameter(
        "log_file",
        "string",
        "",
        "Log file (without systemd)",
        "Where the daemon's output goes. Empty: /var/log/congressd/ROLE-INSTANCE.log.",
    ),
    Parameter(
        "control_timeout",
        "integer",
        "5",
        "Seconds for an answer of the daemon",
        "A daemon that does not answer on its control socket in this many seconds is hung, and is recovered.",
    ),
    Parameter(
        "max_work_age",
        "integer",
        "30",
        "Seconds in which work must be done",
        "A daemon whose work loop has not turned for this many seconds is hung, although it may answer.",
    ),
    Parameter(
        "stop_grace",
        "integer",
        "20",
        "Seconds to end in peace (without systemd)",
        "After this many seconds all processes of the daemon are killed, and before the timeout of the stop in any "
        "case. With systemd the unit says it (TimeoutStopSec).",
    ),
    Parameter(
        "health_url",
        "string",
        "",
        "URL asked by the deep monitor",
        "The monitor of depth 10 fetches this plain http URL and wants status 200, such as "
        "http://{node}:1790/healthz, where {node} is the name of the node. A daemon that misses its database or its "
        "bus is not asked. Empty: none is.",
    ),
)

INSTANCE = Parameter(
    "instance",
    "string",
    "1",
    "Number of the daemon on its node",
    "Tells several daemons on one node apart: in the names of unit, PID file and control socket.",
    unique=True,
)


class Settings(NamedTuple):
    """One daemon as the parameters describe it."""

    role: str  # pe or dsd
    instance: str
    config: str
    binary: str
    systemd: bool
    unit: str
    run_dir: str
    user: str
    log_file: str
    control_timeout: int
    max_work_age: int
    stop_grace: int
    health_url: str

    @property
    def socket(self) -> str:
        return f"{self.run_dir}/{self.role}-{self.instance}.sock"

    @property
    def pid_file(self) -> str:
        return f"{self.run_dir}/{self.role}-{self.instance}.pid"

    @property
    def command(self) -> list[str]:
        """What is started where systemd is not; the role's own arguments come after."""
        return [self.binary, self.role, "--config-file", self.config]


def read(call: Call, role: str, unit: str) -> Settings:
    """The settings of this call; ``unit`` is a template with ``{instance}``. Raises `OcfError` on what cannot be.

    A stop is refused for nothing but the instance: with another in its place it would end another daemon.
    """
    instance = call.text("instance")
    if not instance.replace("-", "").isalnum() or not instance.isascii():
        raise OcfError(ExitCode.ARGS, f"parameter instance is {instance!r}; letters, digits and - are allowed")
    supervisor = call.text("supervisor")
    if supervisor not in ("auto", "systemd", "direct"):
        supervisor = call.refused("supervisor", "auto, systemd or direct is wanted")
    url = call.text("health_url")
    if url and not url.startswith("http://"):
        url = call.refused("health_url", "a URL that begins with http:// is wanted")
    return Settings(
        role=role,
        instance=instance,
        config=call.text("config"),
        binary=call.text("binary"),
        systemd=supervisor == "systemd" or (supervisor == "auto" and os.path.isdir("/run/systemd/system")),
        unit=call.text("unit") or unit.format(instance=instance),
        run_dir=call.text("run_dir").rstrip("/"),
        user=call.text("user"),
        log_file=call.text("log_file") or f"/var/log/congressd/{role}-{instance}.log",
        control_timeout=max(1, call.integer("control_timeout")),
        max_work_age=max(1, call.integer("max_work_age")),
        stop_grace=call.integer("stop_grace"),
        health_url=url.replace("{node}", call.meta("on_node") or os.uname().nodename),
    )


def check(settings: Settings) -> None:
    """Raise `OcfError` when this node cannot run the daemon; another node may be able to (codes 4 and 5)."""
    if not os.path.isfile(settings.config):
        raise OcfError(ExitCode.INSTALLED, f"there is no configuration file {settings.config} on this node")
    if settings.systemd:
        return
    if not os.path.isfile(settings.binary):
        raise OcfError(ExitCode.INSTALLED, f"there is no program {settings.binary} on this node")
    if not os.access(settings.binary, os.X_OK):
        raise OcfError(ExitCode.PERM, f"{settings.binary} may not be executed on this node")
    if settings.user != "root" and os.geteuid() == 0:
        import pwd

        try:
            pwd.getpwnam(settings.user)
        except KeyError:
            raise OcfError(ExitCode.INSTALLED, f"there is no user {settings.user} on this node") from None
