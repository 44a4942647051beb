"""The units: how much they may do, and that they fit the timers of the cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))


_COMMAND = "/opt/congressd/venv/bin/congressd"
_CONFIGURATION = "--config-file /etc/congressd/congressd.conf"
_TELL = "+-/opt/congressd/libexec/tell-pacemaker"
_BOOT = "multi-user.target"
PE, DSD, STANDBY = "congress-pe@.service", "congress-dsd.service", "congress-dsd-standby.service"


class Promise(NamedTuple):
    """A directive that others rely on: its value, for all units or by unit (None: not there), and why it is so."""

    section: str
    name: str
    value: str | dict[str, str | None]
    why: str


PROMISES = (
    Promise(
        "Unit", "Before", "pacemaker.service", "at shutdown Pacemaker stops the daemon, in its order, before systemd"
    ),
    Promise(
        "Unit",
        "Conflicts",
        {PE: None, DSD: STANDBY, STANDBY: DSD},
        "both layouts have one identity, PID file and control socket",
    ),
    Promise(
        "Unit",
        "After",
        "network-online.target time-sync.target",
        "epochs begin with the clock, addresses must be there",
    ),
    Promise("Unit", "Wants", "network-online.target", "without it nothing waits for the network"),
    Promise("Service", "Type", "notify", "a start ends when the control socket answers, which the agent asks next"),
    Promise("Service", "NotifyAccess", {PE: "all", DSD: "main", STANDBY: "main"}, "the engine is in gunicorn's worker"),
    Promise(
        "Service",
        "ExecStart",
        {
            PE: f"{_COMMAND} pe {_CONFIGURATION} --instance %i",
            DSD: f"{_COMMAND} dsd {_CONFIGURATION}",
            STANDBY: f"{_COMMAND} dsd {_CONFIGURATION} --standby",
        },
        "only Pacemaker makes one of those that stand by active",
    ),
    Promise("Service", "ExecReload", "/bin/kill -HUP $MAINPID", "the agents' reload is systemctl reload"),
    Promise(
        "Service",
        "ExecStopPost",
        {PE: f"{_TELL} %n pe-%i", DSD: f"{_TELL} %n dsd", STANDBY: f"{_TELL} %n dsd"},
        "+: as root, who may talk to Pacemaker; -: its failure is none of the daemon; ids of the resources",
    ),
    Promise("Service", "WatchdogSec", {PE: "30", DSD: "10", STANDBY: "10"}, "what a hang may cost: docs/operate.md"),
    Promise("Service", "TimeoutAbortSec", "500ms", "more than SAY_TIME of api/server.py; part of the time to recover"),
    Promise("Service", "TimeoutStartSec", "45", "less than the 60 s of the agents' start"),
    Promise("Service", "TimeoutStopSec", "25", "less than the 60 s of the agents' stop, and killed by then"),
    Promise(
        "Service", "KillMode", "mixed", "SIGTERM is for gunicorn's parent, who drains its worker; SIGKILL for both"
    ),
    Promise("Service", "Restart", "no", "Pacemaker alone restarts, since it alone knows where"),
    Promise("Service", "User", "congressd", "the owner of configuration, keys and state"),
    Promise(
        "Service", "RuntimeDirectory", "congressd", "/run/congressd: where the agents look for sockets and PID files"
    ),
    Promise(
        "Service", "RuntimeDirectoryPreserve", "yes", "units share it: the end of one must not remove it for others"
    ),
    Promise("Service", "RuntimeDirectoryMode", "0750", "whoever may use a control socket may stop the daemon"),
    Promise(
        "Install", "WantedBy", {PE: _BOOT, DSD: _BOOT, STANDBY: None}, "who stands by does so under Pacemaker only"
    ),
)


def _unit(unit: Path) -> RawConfigParser:
    parser = RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser


def _service(unit: Path) -> dict[str, str]:
    return dict(_unit(unit)["Service"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_a_unit_has_what_is_relied_upon(promise: Promise, unit: Path) -> None:
    wanted = promise.value[unit.name] if isinstance(promise.value, dict) else promise.value
    assert _unit(unit).get(promise.section, promise.name, fallback=None) == wanted, promise.why


def test_there_are_units() -> None:
    assert [unit.name for unit in UNITS] == [
        "congress-dsd-standby.service",
        "congress-dsd.service",
        "congress-pe@.service",
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_exposure_is_low(unit: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze (Debian package systemd) is not installed")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    score = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert score, done.stdout + done.stderr
    assert float(score[1]) <= 3.0


def test_all_units_have_the_same_limits() -> None:
    own = {"ExecStart", "ExecStopPost", "SyslogIdentifier", "LogExtraFields", "NotifyAccess", "WatchdogSec"}
    limits = [{name: value for name, value in _service(unit).items() if name not in own} for unit in UNITS]
    assert limits[0] == limits[1] == limits[2]
