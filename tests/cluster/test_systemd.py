"""The units: how much they may do, and that they fit the timers of the cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))


def _service(unit: Path) -> dict[str, str]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return dict(parser["Service"])


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


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_says_when_it_is_ready_and_is_watched(unit: Path) -> None:
    service = _service(unit)
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == ("all" if unit.name.startswith("congress-pe") else "main")
    assert int(service["WatchdogSec"]) <= (30 if unit.name.startswith("congress-pe") else 10)
    assert service["Restart"] == "no"
    assert "tell-pacemaker" in service["ExecStopPost"]


def test_all_units_have_the_same_limits() -> None:
    own = {"ExecStart", "ExecStopPost", "SyslogIdentifier", "LogExtraFields", "NotifyAccess", "WatchdogSec"}
    limits = [{name: value for name, value in _service(unit).items() if name not in own} for unit in UNITS]
    assert limits[0] == limits[1] == limits[2]
