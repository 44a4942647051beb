"""The doctor on what Pacemaker's own `crm_mon` says of clusters that `crm_simulate` made from our configuration."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from congressd.config.options import Bus, Settings
from congressd.doctor import ask_pacemaker, judge_pacemaker, run
from congressd.doctor.ask_pacemaker import Cluster
from congressd.doctor.finding import Failed, Finding, Level
from congressd.doctor.place import Place
from tests.cluster.simulation import Simulator

pytestmark = pytest.mark.skipif(
    not shutil.which("crm_mon", path="/usr/sbin:/usr/bin"),
    reason="pacemaker-cli-utils (Debian package) is not installed",
)

QUORUM = """Quorum information
------------------
Date:             Sun Nov 22 15:08:11 2026
Quorum provider:  corosync_votequorum
Nodes:            {nodes}
Node ID:          1
Ring ID:          1.1c
Quorate:          {quorate}

Votequorum information
----------------------
Expected votes:   3
Highest expected: 3
Total votes:      {nodes}
Quorum:           2 {blocked}
Flags:            {flags}
"""

#: What `crm_mon` prints where Pacemaker does not run.
AWAY = """<pacemaker-result api-version="2.25" request="crm_mon --output-as=xml -1">
  <status code="102" message="Not connected">
    <errors>
      <error>error: Could not connect to launcher: Connection refused</error>
      <error>crm_mon: Connection to cluster failed: Connection refused</error>
    </errors>
  </status>
</pacemaker-result>
"""

Change = Callable[[Simulator, Path], Path]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    return Simulator(tmp_path_factory.mktemp("cib"))


def look(cib: Path) -> Cluster:
    """What the doctor's probe sees of a CIB file, through the real `crm_mon`."""
    place = Place(Settings(bus=Bus("rabbit://u:p@h/")), programs={"crm_mon": ("env", f"CIB_file={cib}", "crm_mon")})
    return ask_pacemaker.ask_cluster(place)


def judged(cluster: Cluster) -> list[Finding]:
    return [
        *judge_pacemaker.judge_cluster(cluster),
        *judge_pacemaker.judge_fencing(ask_pacemaker.Watchdog(cluster, "")),
        *judge_pacemaker.judge_resources(cluster),
        *judge_pacemaker.judge_failures(cluster),
    ]


@pytest.mark.parametrize("layout", ["group", "promotable"])
def test_a_cluster_in_which_everything_runs_is_well(simulator: Simulator, layout: str) -> None:
    cluster = look(simulator.running(pacemaker_dsd_layout=layout))
    findings = judged(cluster)
    assert {each.level for each in findings} == {Level.OK}, findings
    assert [each.name for each in cluster.members] == ["ctl1", "ctl2", "ctl3"]
    assert any("the DSD on ctl" in each.fact for each in findings)
    assert any("3 fence devices run" in each.fact for each in findings)


def after(*injected: str) -> Change:
    return lambda simulator, cib: simulator.after(cib, *injected)


def standby(simulator: Simulator, cib: Path) -> Path:
    simulator.standby(cib, "ctl3")
    return simulator.after(cib)


def without(name: str, value: str) -> Change:
    """The cluster with another property."""

    def change(simulator: Simulator, cib: Path) -> Path:
        tree = ElementTree.parse(cib)
        owner = tree.find(".//crm_config/cluster_property_set")
        assert owner is not None
        for pair in list(owner):
            if pair.get("name") == name:
                owner.remove(pair)
        ElementTree.SubElement(owner, "nvpair", id=f"changed-{name}", name=name, value=value)
        tree.write(cib)
        return cib

    return change


def ban(cib: Path, resource: str, node: str) -> Path:
    """What `pcs resource ban` writes."""
    tree = ElementTree.parse(cib)
    constraints = tree.find("configuration/constraints")
    assert constraints is not None
    identity = f"cli-ban-{resource}-on-{node}"
    ElementTree.SubElement(
        constraints, "rsc_location", id=identity, rsc=resource, node=node, score="-INFINITY", role="Started"
    )
    tree.write(cib)
    return cib


#: What happened, and for each finding: its level, words of the fact, words of what to do.
CASES: dict[str, tuple[Change, Sequence[tuple[Level, str, str]]]] = {
    "a node is gone": (
        after("-f", "ctl3"), [(Level.PROBLEM, "node ctl3 is offline", "pcs cluster start ctl3")],
    ),
    "a node is in standby": (standby, [(Level.WARNING, "ctl3 is in standby", "pcs node unstandby ctl3")]),
    "the DSD failed once": (
        after("-i", "dsd_monitor_3000@ctl1=1"), [(Level.WARNING, "dsd_monitor_3000 on ctl1 failed", "cleanup dsd")],
    ),
    "a policy engine works less well": (
        after("-i", "pe-1_monitor_5000@ctl2=190"), [(Level.WARNING, "on ctl2: it works, but", "cleanup pe-1")],
    ),
    "a policy engine cannot be stopped": (
        after("-i", "pe-1_monitor_5000@ctl2=1", "-F", "pe-1_stop_0@ctl2=1"),
        [(Level.PROBLEM, "pe-1 is blocked on ctl2", "stop it by hand")],
    ),
    "fencing was switched off": (
        without("stonith-enabled", "false"), [(Level.PROBLEM, "fencing is off", "fence_devices")],
    ),
    "somebody banned the DSD": (
        lambda simulator, cib: ban(cib, "g-dsd", "ctl3"), [(Level.WARNING, "g-dsd is banned from ctl3", "clear g-dsd")],
    ),
    "maintenance": (
        without("maintenance-mode", "true"), [(Level.WARNING, "maintenance mode", "maintenance-mode=false")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_happened_is_found_and_has_advice(simulator: Simulator, name: str) -> None:
    change, expected = CASES[name]
    findings = judged(look(change(simulator, simulator.running(pacemaker_dsd_layout="group"))))
    for level, fact, advice in expected:
        assert any(each.level is level and fact in each.fact and advice in each.advice for each in findings), findings
    assert all(each.advice for each in findings if each.level in (Level.WARNING, Level.PROBLEM))


def test_a_cluster_without_us_is_told(simulator: Simulator, tmp_path: Path) -> None:
    tree = ElementTree.parse(simulator.running())
    resources = tree.find("configuration/resources")
    assert resources is not None
    resources.clear()
    tree.write(tmp_path / "cib.xml")
    findings = judge_pacemaker.judge_resources(look(tmp_path / "cib.xml"))
    assert [each.fact for each in findings] == ["Pacemaker has no resource of congressd"]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (QUORUM.format(nodes=3, quorate="Yes", blocked="", flags="Quorate"), Level.OK),
        (QUORUM.format(nodes=2, quorate="Yes", blocked="", flags="Quorate"), Level.WARNING),
        (QUORUM.format(nodes=1, quorate="No", blocked="Activity blocked", flags=""), Level.PROBLEM),
    ],
)
def test_quorum_as_corosync_tells_it(text: str, level: Level) -> None:
    (finding,) = judge_pacemaker.judge_quorum(ask_pacemaker.read_quorum(text))
    assert finding.level is level


def test_fencing_history_as_pacemaker_tells_it() -> None:
    cluster = ask_pacemaker.read_cluster(
        '<pacemaker-result><summary><current_dc present="true" name="ctl1" with_quorum="true"/>'
        '<cluster_options stonith-enabled="true"/></summary>'
        '<fence_history status="0">'
        '<fence_event action="reboot" target="ctl3" client="pacemaker-controld.1" origin="ctl1" status="failed" '
        'exit-reason="Connection timed out" completed="2026-11-22 15:08:11Z"/>'
        '<fence_event action="reboot" target="ctl3" client="pacemaker-controld.1" origin="ctl1" status="success" '
        'delegate="ctl1" completed="2026-11-21 15:08:11Z"/>'
        '</fence_history><status code="0" message="OK"/></pacemaker-result>'
    )
    findings = judge_pacemaker.judge_fencing(ask_pacemaker.Watchdog(cluster, "10"))
    assert [each.fact for each in findings] == [
        "the last try to power off ctl3 failed (2026-11-22 15:08:11Z): Connection timed out"
    ]


def test_what_is_no_cluster_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "away.xml").write_text(AWAY)
    away = ("sh", "-c", f"cat {tmp_path}/away.xml; exit 102")

    def place(**programs: Any) -> Place:
        return Place(Settings(bus=Bus("rabbit://u:p@h/")), programs=programs)

    with pytest.raises(Failed, match="Pacemaker does not answer"):
        ask_pacemaker.ask_cluster(place(crm_mon=away))
    with pytest.raises(Failed, match="cannot be read"):
        ask_pacemaker.ask_cluster(place(crm_mon=("echo", "no XML")))
    names = ("pacemaker", "fencing", "resources", "failures", "address")
    levels = {each.name: each.level for each in run.run(place(crm_mon=away), names)}
    assert levels.pop("pacemaker") is Level.PROBLEM
    assert set(levels.values()) == {Level.NOT_HERE}, "one fault is told once"
