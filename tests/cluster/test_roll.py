"""Daemons restart because they are older than what is installed: the next run finishes a roll that was cut short.

The tasks of the role run on this machine as three hosts, with fakes for Pacemaker's tools and systemd.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.playbook import ANSIBLE, Role, needs_ansible
from tests.cluster.simulation import NODES

pytestmark = needs_ansible

PROGRAM = ANSIBLE / "files" / "outdated"

#: What a unit's file holds is when it was started; no file, and it does not run.
SYSTEMCTL = """#!/bin/sh
for unit; do :; done
cd "$STATE"
[ -e "${NODE:-here}.$unit" ] || { echo ActiveState=inactive; exit; }
echo ActiveState=active
for name in ExecMainStartTimestamp StateChangeTimestamp; do echo "$name=$(cat "${NODE:-here}.$unit")"; done
[ ! -e fragment ] || echo "FragmentPath=$(cat fragment)"
"""

#: A ban ends the daemon, the end of the ban starts it; a node named in `broken` does neither.
PCS = r"""#!/bin/sh
cd "$STATE"
echo "$2 $3 $4 $5" | sed 's/ *\(lifetime=.*\|--wait.*\)*$//' >>log
[ "$5" != --promoted ] || exit 0
now() { date --utc '+%a %Y-%m-%d %H:%M:%S.%6N UTC'; }
grep -qsx "$4" broken && exit 1
case $3 in
pe-*) number=${3#pe-} unit=congress-pe@${number%-clone} ;;
*) unit=congress-dsd-standby ;;
esac
case $2 in
ban) rm "$4.$unit" ;;
clear) now >"$4.$unit" ;;
*) exit 1 ;;
esac
"""

CRM_RESOURCE = """#!/bin/sh
case $1 in
--list-raw) printf '%s\\n' dsd:0 dsd:1 dsd:2 pe-1:0 pe-1:1 pe-1:2 pe-12:0 haproxy:0 ;;
*) printf 'resource dsd is running on: %s\\n' ctl1 ctl2 'ctl3 Promoted' ;;
esac
"""

CRM_MON = """#!/bin/sh
cat "$STATE/crm_mon.xml"
"""


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Lab(Role):
    """Three hosts, each with a policy engine and a datasource node that stands by."""

    def __init__(self, directory: Path, port: int) -> None:
        self.made_of = directory / "congressd.conf"
        self.made_of.write_text("old", encoding="utf-8")
        fakes = {"systemctl": SYSTEMCTL, "pcs": PCS, "crm_resource": CRM_RESOURCE, "crm_mon": CRM_MON}
        made_of = [str(self.made_of)]
        super().__init__(
            directory, "congressd", "restart", fakes, pe_first_port=port, pe_instances=2, congressd_made_of=made_of
        )
        self.maintain()
        time.sleep(0.02)  # the clock of files is coarser than that of systemd
        for node in NODES:
            self.start(node, "congress-pe@1")
            self.start(node, "congress-dsd-standby")

    def start(self, node: str, unit: str) -> None:
        now = datetime.now(UTC).strftime("%a %Y-%m-%d %H:%M:%S.%f UTC")
        (self.state / f"{node}.{unit}").write_text(now, encoding="utf-8")

    def maintain(self, *nodes: str, ban: str = "") -> None:
        listed = "".join(
            f'<node name="{node}" id="1" online="true" maintenance="{"true" if node in nodes else "false"}"/>'
            for node in NODES
        )
        options = '<cluster_options maintenance-mode="false"/>'
        xml = f"<x><summary>{options}</summary><nodes>{listed}</nodes><bans>{ban}</bans></x>"
        (self.state / "crm_mon.xml").write_text(xml, encoding="utf-8")

    def change(self) -> None:
        time.sleep(0.02)
        self.made_of.write_text("new", encoding="utf-8")
        time.sleep(0.02)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    server = HTTPServer(("127.0.0.1", 0), _Ready)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Lab(tmp_path, server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def _turn(node: str) -> list[str]:
    return [f"{verb} {resource} {node}" for resource in ("pe-1-clone", "dsd-clone") for verb in ("ban", "clear")]


def test_a_roll_that_stopped_at_the_second_node_is_finished_by_the_next_run(lab: Lab) -> None:
    lab.change()
    (lab.state / "broken").write_text("ctl2\n", encoding="utf-8")
    done, actions = lab.run()
    assert done.returncode != 0, done.stdout
    # The ban that failed does not stay.
    assert actions == [*_turn("ctl1"), "ban pe-1-clone ctl2", "clear pe-1-clone ctl2"], done.stdout

    (lab.state / "broken").unlink()
    done, actions = lab.run()
    assert done.returncode == 0, done.stdout
    assert actions == [*_turn("ctl2"), *_turn("ctl3")]

    done, actions = lab.run()
    assert done.returncode == 0, done.stdout
    assert actions == []
    assert "changed=1" not in done.stdout


def test_what_does_not_run_or_is_in_maintenance_is_left_alone(lab: Lab) -> None:
    (lab.state / "ctl1.congress-pe@1").unlink()  # an operator's ban
    ban = '<ban id="cli-ban-dsd-clone-on-ctl1" resource="dsd-clone" node="ctl1" weight="-1" promoted-only="true"/>'
    lab.maintain("ctl2", ban=ban)
    lab.start("ctl3", "congress-pe@2")  # which the cluster does not know yet
    lab.change()
    lab.start("ctl3", "congress-dsd-standby")
    done, actions = lab.run()
    assert done.returncode == 0, done.stdout
    assert actions == [*_turn("ctl1")[2:], "ban dsd-clone ctl1 --promoted", *_turn("ctl3")[:2]]
    assert "congress-pe@1, congress-dsd-standby: older than what is installed" in done.stdout


def _outdated(lab: Lab, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, env=lab.environment, check=True
    )
    return done.stdout


@pytest.mark.parametrize("option", [[], ["--reloaded"]])
def test_a_unit_is_outdated_by_a_file_that_changed_after_its_start(lab: Lab, option: list[str]) -> None:
    lab.start("here", "haproxy")
    arguments = [*option, "haproxy", "mariadb", "--", "/nowhere", str(lab.made_of)]
    assert _outdated(lab, *arguments) == ""
    lab.change()
    assert _outdated(lab, *arguments) == "haproxy\n"
    lab.start("here", "haproxy")
    assert _outdated(lab, *arguments) == ""


def test_a_link_counts_and_what_it_leads_to_does_not(lab: Lab) -> None:
    link = lab.directory / "venv"
    link.symlink_to(lab.made_of)
    time.sleep(0.02)
    lab.start("here", "congress-dsd")
    lab.change()
    assert _outdated(lab, "congress-dsd", "--", str(link)) == ""
    link.unlink()
    link.symlink_to(lab.made_of)
    assert _outdated(lab, "congress-dsd", "--", str(link)) == "congress-dsd\n"


def test_a_file_that_was_written_long_ago_and_put_in_place_now_is_new(lab: Lab) -> None:
    lab.start("here", "mariadb")
    new = lab.directory / "new"
    new.touch()
    os.utime(new, (0, 0))
    time.sleep(0.02)
    new.rename(lab.made_of)
    assert _outdated(lab, "mariadb", "--", str(lab.made_of)) == "mariadb\n"


@pytest.mark.skipif(not os.path.isdir("/etc/systemd/system"), reason="no systemd is installed")
@pytest.mark.parametrize(("file", "named"), [("/etc/systemd/system/.", "mariadb\n"), ("/usr/lib/os-release", "")])
def test_a_unit_of_ours_counts_and_that_of_a_package_does_not(lab: Lab, file: str, named: str) -> None:
    (lab.state / "fragment").write_text(file, encoding="utf-8")
    (lab.state / "here.mariadb").write_text("Thu 1970-01-01 00:00:00.000001 UTC", encoding="utf-8")
    assert _outdated(lab, "mariadb", "--") == named


#: For Ansible's module too, which asks for everything and may restart.
SYSTEMCTL_THAT_RESTARTS = """#!/bin/sh
cd "$STATE"
for unit; do :; done
case "$*" in
restart*)
    echo "restart $NODE" >>log
    ! grep -qsx "$NODE" broken || exit 1
    date --utc '+%a %Y-%m-%d %H:%M:%S.%6N UTC' >"$NODE.$unit" ;;
*)
    printf '%s\\n' LoadState=loaded ActiveState=active SubState=running
    echo "ExecMainStartTimestamp=$(cat "$NODE.$unit")" ;;
esac
"""


def test_database_nodes_that_were_not_restarted_are_restarted_by_the_next_run(tmp_path: Path) -> None:
    configuration = tmp_path / "90-congressd.cnf"
    fakes = {"systemctl": SYSTEMCTL_THAT_RESTARTS, "mariadb": "#!/bin/sh\necho wsrep_local_state_comment Synced\n"}
    role = Role(tmp_path, "galera", "restart", fakes, galera_fresh=False, galera_configuration={"changed": False},
                galera_made_of=[str(configuration)])  # fmt: skip
    for node in NODES:
        (role.state / f"{node}.mariadb").write_text("Thu 1970-01-01 00:00:00.000001 UTC", encoding="utf-8")
    configuration.touch()
    (role.state / "broken").write_text("ctl2\n", encoding="utf-8")
    done, actions = role.run()
    assert done.returncode != 0, done.stdout
    assert actions == ["restart ctl1", "restart ctl2"]

    (role.state / "broken").unlink()
    for wanted in (["restart ctl2", "restart ctl3"], []):
        done, actions = role.run()
        assert done.returncode == 0, done.stdout
        assert actions == wanted
