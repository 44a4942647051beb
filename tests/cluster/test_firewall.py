"""The firewall of the cluster's ports, by the real nft in a network of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import jinja2
import pytest
import yaml

from tests.cluster.simulation import ROOT
from tests.network import in_a_network_of_its_own

ROLE = ROOT / "ansible" / "roles" / "common"
FILE = "/etc/congressd/firewall.nft"

pytestmark = pytest.mark.skipif(
    not shutil.which("nft", path="/usr/sbin:/usr/bin") or os.geteuid() != 0,
    reason="nft (Debian package nftables) is not installed, or this is not root",
)


def rules(directory: Path) -> Path:
    """The role's template, for three nodes."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    cluster = {"cluster_addresses": ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "common_more_addresses": ["192.0.2.20"]}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("firewall.nft.j2").render(
        {**defaults, **cluster, "ansible_managed": "", "pe_first_port": 1790, "pe_instances": 2}
    )
    (directory / "firewall.nft").write_text(text, encoding="utf-8")
    return directory / "firewall.nft"


def commands(unit: Path, name: str, file: Path) -> list[list[str]]:
    """What systemd runs for one setting of a unit, with ``file`` instead of the host's."""
    lines = [line.split("=", 1)[1] for line in unit.read_text(encoding="utf-8").splitlines() if line.startswith(name)]
    assert lines, name
    return [line.removeprefix("-").replace(FILE, str(file)).split() for line in lines]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def table() -> str:
    return run("nft", "list", "table", "inet", "congressd").stdout


@pytest.mark.parametrize("moment", ["ExecStartPost", "ExecReload", "ExecStopPost"])
def test_what_the_hosts_own_rules_flush_is_there_again_at_once(moment: str, tmp_path: Path) -> None:
    file = rules(tmp_path)
    (load,) = commands(ROLE / "templates" / "congressd-firewall.service.j2", "ExecStart", file)
    (again,) = commands(ROLE / "files" / "nftables-dropin.conf", moment, file)

    def work() -> list[str]:
        seen = []
        for command in (load, ["nft", "flush", "ruleset"], again, again):
            done = run(*command)
            assert done.returncode == 0, done.stderr
            seen.append(table())
        return seen

    loaded, flushed, restored, twice = in_a_network_of_its_own(work)
    assert "1790-1791" in loaded or "1790, 1791" in loaded
    assert "192.0.2.3" in loaded
    assert not flushed
    assert restored == twice == loaded


def test_stopping_takes_a_table_that_may_be_gone() -> None:
    parser = RawConfigParser(strict=False)
    parser.read(ROLE / "templates" / "congressd-firewall.service.j2")
    assert parser["Service"]["ExecStop"].startswith("-"), "a restart after a flush must not fail"
    assert "nftables.service" in parser["Unit"]["After"]
