"""What a monitor makes of a daemon's own words: pure rules, one place, no I/O.

The principle: failure is reported only where a restart, here or elsewhere, can help. A daemon that works but whose
database, bus or sources are away is degraded (190): Pacemaker counts it as running and shows the operator why.
"""

from __future__ import annotations

from typing import NamedTuple

from congressd.agent.control import Status
from congressd.agent.ocf import ExitCode


class Verdict(NamedTuple):
    """The code for Pacemaker, and the sentence for the operator when there is something to say."""

    code: ExitCode
    sentence: str = ""


def policy_engine(status: Status, max_work_age: int) -> Verdict:
    """A PE. Not being ready yet is no failure: HAProxy keeps it out by /readyz, and a restart would begin anew."""
    problem = _stuck(status, "pe", max_work_age)
    if problem:
        return problem
    if status.state == "stopping":
        return Verdict(ExitCode.GENERIC, "the daemon is ending by itself" + _because(status))
    return _degraded(status, ExitCode.SUCCESS)


def single_datasource_node(status: Status, max_work_age: int) -> Verdict:
    """A DSD that is a group's member: started means active."""
    problem = _stuck(status, "dsd", max_work_age)
    if problem:
        return problem
    if status.state == "active":
        return _degraded(status, ExitCode.SUCCESS)
    if status.state in ("starting", "standby") and not status.database:
        return Verdict(ExitCode.DEGRADED, "not active: the database is away, so no epoch can be taken")
    return Verdict(ExitCode.GENERIC, f"the daemon is {status.state}, not active" + _because(status))


def promotable_datasource_node(status: Status, max_work_age: int) -> Verdict:
    """A DSD of a promotable clone: started means standing by, promoted means active."""
    problem = _stuck(status, "dsd", max_work_age)
    if problem:
        return problem
    if status.state == "active":
        return _degraded(status, ExitCode.RUNNING_PROMOTED)
    if status.state == "standby" or (status.state == "starting" and not status.database):
        return _degraded(status, ExitCode.SUCCESS)
    return Verdict(ExitCode.GENERIC, f"the daemon is {status.state}, neither standing by nor active" + _because(status))


def _stuck(status: Status, role: str, max_work_age: int) -> Verdict | None:
    if status.role != role:
        return Verdict(ExitCode.GENERIC, f"the daemon says that it is a {status.role or 'nothing'}, not a {role}")
    if status.work_age > max_work_age:
        age = f"{status.work_age:.0f} s"
        return Verdict(ExitCode.GENERIC, f"hung: its work loop has not turned for {age} (limit {max_work_age} s)")
    return None


def _degraded(status: Status, healthy: ExitCode) -> Verdict:
    complaints = []
    if not status.database:
        complaints.append("the database is away")
    if not status.bus:
        complaints.append("the bus is away")
    if status.failing:
        shown = ", ".join(status.failing[:5]) + (", ..." if len(status.failing) > 5 else "")
        complaints.append(f"{len(status.failing)} sources fail: {shown}")
    if not complaints:
        return Verdict(healthy)
    promoted = healthy is ExitCode.RUNNING_PROMOTED
    return Verdict(ExitCode.DEGRADED_PROMOTED if promoted else ExitCode.DEGRADED, "; ".join(complaints))


def _because(status: Status) -> str:
    return f" ({status.reason})" if status.reason else ""
