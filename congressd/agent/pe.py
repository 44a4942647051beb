"""The agent `congress-pe`: a policy engine node with its API, one instance of a clone."""

from __future__ import annotations

from congressd import __version__
from congressd.agent import actions, settings
from congressd.agent.control import Status
from congressd.agent.ocf import Action, Agent, Call, ExitCode
from congressd.agent.verdict import policy_engine

#: Seconds that a start waits for a PE to be ready; after that a PE that works on its tables counts as started, so
#: that PEs live without a DSD.
READY_WAIT = 10.0


def _started(status: Status, waited: float) -> bool:
    return status.state in ("ready", "active", "draining") or (status.state == "starting" and waited > READY_WAIT)


#: A batch may keep a PE busy for longer than a DSD ever is.
MAX_WORK_AGE = "60"

ROLE = actions.Role("pe", "congress-pe@{instance}.service", ("--instance", "{instance}"), policy_engine, _started)


def _start(call: Call) -> ExitCode:
    return actions.start(call, ROLE)


def _stop(call: Call) -> ExitCode:
    return actions.stop(call, ROLE)


def _monitor(call: Call) -> ExitCode:
    return actions.monitor(call, ROLE)


def _validate(call: Call) -> ExitCode:
    return actions.validate(call, ROLE)


def _reload(call: Call) -> ExitCode:
    return actions.reload(call, ROLE)


def _notify(call: Call) -> ExitCode:
    return actions.notify(call, ROLE)


AGENT = Agent(
    name="congress-pe",
    version=__version__,
    short="Policy engine node of congressd",
    long=(
        "A policy engine node: it holds policies and tables in memory and answers the API. Run it as a clone, with no "
        "order against the datasource node: it must live without it. The monitor asks the daemon for work done; what "
        "works with its database, its bus or a source away is degraded, not failed."
    ),
    parameters=(
        settings.INSTANCE,
        *(row._replace(default=MAX_WORK_AGE) if row.name == "max_work_age" else row for row in settings.COMMON),
    ),
    actions=(
        Action("start", 60, _start),
        Action("stop", 60, _stop),
        Action("monitor", 20, _monitor, interval=5, depth=0),
        Action("monitor", 45, _monitor, interval=31, depth=10),
        Action("reload", 20, _reload),
        Action("notify", 20, _notify),
        Action("validate-all", 20, _validate),
        Action("meta-data", 10, None),
    ),
)
