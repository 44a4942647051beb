"""The commands of docs/operate.md, run by the real pcs on a file: what makes a cluster, and what daily life needs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cluster.simulation import ROOT, Simulator, empty

PAGE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```pcs\n(.*?)```", PAGE, re.DOTALL)

#: A command of the page, what Pacemaker does about it (or, injected, about a fault after it), and what takes it back.
DOING = [
    (
        "pcs resource ban dsd-clone ctl1",
        [],
        ["Stop dsd:0 ( Unpromoted ctl1 ) due to node availability"],
        "pcs resource clear dsd-clone ctl1",
    ),
    (
        "pcs node standby ctl3",
        [],
        [
            "Move vip-dsd ( ctl3 -> ctl2 )",
            "Promote dsd:1 ( Unpromoted -> Promoted ctl2 )",
            "Stop dsd:2 ( Promoted ctl3 ) due to node availability",
            "Stop pe-1:2 ( ctl3 ) due to node availability",
            "Stop haproxy:2 ( ctl3 ) due to node availability",
        ],
        "pcs node unstandby ctl3",
    ),
    (
        "pcs property set maintenance-mode=true",
        ["-i", "pe-1_monitor_5000@ctl1=1"],
        [],
        "pcs property set maintenance-mode=false",
    ),
    (
        "pcs resource ban pe-1-clone ctl1 --wait",
        [],
        ["Stop pe-1:0 ( ctl1 ) due to node availability"],
        "pcs resource clear pe-1-clone ctl1 --wait",
    ),
]

pytestmark = pytest.mark.skipif(not shutil.which("pcs"), reason="pcs (Debian package pcs) is not installed")


def _pcs(cib: Path, line: str, *more: str) -> None:
    # A file is not waited for.
    words = [word for word in shlex.split(line)[1:] if word != "--wait"]
    done = subprocess.run(["pcs", "-f", str(cib), *words, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("block", BLOCKS, ids=["promotable", "group"])
def test_the_commands_make_a_clean_configuration(block: str, tmp_path: Path) -> None:
    cib = tmp_path / "cib.xml"
    cib.write_bytes(ElementTree.tostring(empty()))
    for line in block.strip().splitlines():
        _pcs(cib, line, "--force")  # the agents need not be installed where the tests run
    _pcs(cib, "pcs property set stonith-enabled=false", "--force")
    simulator = Simulator(tmp_path)
    assert "error" not in simulator.verify(cib)
    assert any("dsd" in line and "Start" in line for line in simulator.summary(cib))


@pytest.mark.parametrize(("command", "injected", "does", "back"), DOING, ids=[row[0] for row in DOING])
def test_a_command_of_daily_life_does_what_the_page_says(
    command: str, injected: list[str], does: list[str], back: str, tmp_path: Path
) -> None:
    for line in (command, back):
        assert re.sub(r"ctl\d", "ctl1", line) in PAGE
    simulator = Simulator(tmp_path)
    cib = simulator.running()
    before = simulator.summary(cib, *injected)
    _pcs(cib, command)
    assert simulator.summary(cib, *injected) == does
    assert does != before
    _pcs(cib, back)
    assert simulator.summary(cib, *injected) == before
