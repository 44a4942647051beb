"""The commands of docs/operate.md for a cluster that is there already, run by the real pcs on a file."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cluster.simulation import ROOT, Simulator, empty

BLOCKS = re.findall(r"```pcs\n(.*?)```", (ROOT / "docs" / "operate.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=["promotable", "group"])
def test_the_commands_make_a_clean_configuration(block: str, tmp_path: Path) -> None:
    if not shutil.which("pcs"):
        pytest.skip("pcs (Debian package pcs) is not installed")
    cib = tmp_path / "cib.xml"
    cib.write_bytes(ElementTree.tostring(empty()))
    for line in block.strip().splitlines():
        words = shlex.split(line)
        # --force: the agents need not be installed where the tests run.
        command = [words[0], "-f", str(cib), *words[1:], "--force"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    properties = "stonith-enabled=false"
    subprocess.run(["pcs", "-f", str(cib), "property", "set", properties, "--force"], check=True, capture_output=True)
    simulator = Simulator(tmp_path)
    assert "error" not in simulator.verify(cib)
    assert any("dsd" in line and "Start" in line for line in simulator.summary(cib))
