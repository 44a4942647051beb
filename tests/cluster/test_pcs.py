"""The commands of docs/operate.md, run by the real pcs on a file: what makes a cluster, and what daily life needs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from tests.cluster.simulation import ROOT, Simulator, configuration, empty

PAGE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```pcs\n(.*?)```", PAGE, re.DOTALL)
LAYOUTS = ("promotable", "group")

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


def _made_by_the_page(tmp_path: Path, layout: str) -> Path:
    """The CIB of a cluster that one has already, after the page's commands."""
    common, promotable, group = BLOCKS
    cib = tmp_path / "cib.xml"
    cib.write_bytes(ElementTree.tostring(empty()))
    for line in (common + {"promotable": promotable, "group": group}[layout]).strip().splitlines():
        _pcs(cib, line, "--force")  # the agents need not be installed where the tests run
    return cib


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_commands_make_a_clean_configuration(layout: str, tmp_path: Path) -> None:
    cib = _made_by_the_page(tmp_path, layout)
    _pcs(cib, "pcs property set stonith-enabled=false", "--force")
    simulator = Simulator(tmp_path)
    assert "error" not in simulator.verify(cib)
    assert any("dsd" in line and "Start" in line for line in simulator.summary(cib))


def _meta(owner: Element) -> dict[str, str]:
    pairs = owner.findall("meta_attributes/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def _resources(configuration: Element) -> dict[str, tuple[dict[str, str], set[tuple[str, ...]]]]:
    """By resource: its meta attributes, with those of its group or clone and the defaults, and its operations."""
    defaults = configuration.find("rsc_defaults")
    inherited = {} if defaults is None else _meta(defaults)
    found = {}
    for owner in _part(configuration, "resources"):
        for resource in owner.iter("primitive"):
            operations = {
                (
                    *(operation.get(name, "") for name in ("name", "interval", "timeout", "role", "on-fail")),
                    *(pair.get("value", "") for pair in operation.iter("nvpair")),
                )
                for operation in resource.iter("op")
            }
            meta = {**inherited, **_meta(owner), **_meta(resource)}
            found[resource.get("id", "")] = (meta, operations)
    return found


def _constraints(configuration: Element) -> set[frozenset[tuple[str, str]]]:
    """Colocations and orders without their names; which node is the first choice of an empty cluster is left out."""
    default = {"rsc-role": "Started", "with-rsc-role": "Started", "first-action": "start", "then-action": "start"}
    found = set()
    for constraint in _part(configuration, "constraints"):
        if constraint.tag != "rsc_location":
            given = {**{k: v for k, v in constraint.items() if k != "id"}, "kind of": constraint.tag}
            found.add(frozenset((k, v) for k, v in given.items() if default.get(k) != v))
    return found


def _part(configuration: Element, name: str) -> Element:
    found = configuration.find(name)
    assert found is not None, name
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_commands_make_what_the_playbook_makes(layout: str, tmp_path: Path) -> None:
    made = ElementTree.parse(_made_by_the_page(tmp_path, layout)).getroot().find("configuration")
    assert made is not None
    ours = configuration(pacemaker_dsd_layout=layout, pacemaker_fence_devices=[])
    assert _constraints(made) == _constraints(ours)
    theirs = _resources(made)
    for name, (meta, operations) in _resources(ours).items():
        assert theirs[name][0] == meta, name
        assert operations <= theirs[name][1], name
    urls = [pair.get("value") for pair in made.iter("nvpair") if pair.get("name") == "health_url"]
    assert len(urls) == (2 if layout == "group" else 1)


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
