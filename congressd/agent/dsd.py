"""The agent `congress-dsd`: the datasource node, as a group's member or as a promotable clone."""

from __future__ import annotations

import os
import time

from congressd import __version__
from congressd.agent import actions, control, settings
from congressd.agent.ocf import Action, Agent, Call, ExitCode, OcfError, Parameter, reason
from congressd.agent.supervise import supervisor
from congressd.agent.verdict import Verdict, promotable_datasource_node, single_datasource_node

LAYOUT = Parameter(
    "layout",
    "string",
    "group",
    "group or promotable",
    "group: the resource runs once, started means active. promotable: the resource is a promotable clone, started "
    "means standing by (warm, not publishing), promoted means active.",
    unique=True,
)

#: Promotion scores: the active node keeps its role, any that stands by may take it. Every change makes Pacemaker think
#: again, so one is made only where the daemon lives; that of a daemon that died is removed by `tell-pacemaker`.
#:
#: Who has no database after its start, or after a promotion that failed, may not be promoted: no node could take the
#: role then, and each try counts as a failure of its node, until the clone is stopped everywhere. That has to be said,
#: since Pacemaker promotes one without any score where a constraint prefers its node. The monitor offers the node again
#: when the database is there. A score that a node has it keeps when the database stalls.
STANDBY_SCORE, ACTIVE_SCORE, UNABLE_SCORE = 100, 1000, -1000

#: Seconds after which a monitor sets the score of a node that stands by again: the cluster may have forgotten it.
SCORE_LASTS = 60.0

HUNG_AFTER = 2.0  # seconds without a status, which never waits, after which a demotion does not ask but kills

GRACE = 2.5  # seconds after a death in which its unit may give the role up; less than the interval of the monitor


def _group_started(status: control.Status, waited: float) -> bool:
    """Active; or, when the database is away, waiting for it: no other node could do more."""
    return status.state == "active" or (status.state in ("starting", "standby") and not status.database and waited > 5)


def _promotable_started(status: control.Status, waited: float) -> bool:
    return status.state in ("standby", "active") or (not status.database and waited > 5)


UNIT = "congress-dsd.service"
STANDBY_UNIT = "congress-dsd-standby.service"
GROUP = actions.Role("dsd", UNIT, (), single_datasource_node, _group_started, activate=True)
PROMOTABLE = actions.Role("dsd", STANDBY_UNIT, ("--standby",), promotable_datasource_node, _promotable_started)
LAYOUTS = {"group": GROUP, "promotable": PROMOTABLE}


def _role(call: Call) -> actions.Role:
    layout = call.text("layout")
    return LAYOUTS[layout] if layout in LAYOUTS else LAYOUTS[call.refused("layout", "group or promotable is wanted")]


def _start(call: Call) -> ExitCode:
    role = _role(call)
    code = actions.start(call, role)
    if role is PROMOTABLE:
        _offer_or_withhold(call)
    return code


def _stop(call: Call) -> ExitCode:
    layout = call.text("layout")
    # A layout that nobody knows says nothing of the unit that may run: then both have to end.
    for role in (LAYOUTS[layout],) if layout in LAYOUTS else LAYOUTS.values():
        actions.stop(call, role)
    if layout != "group":
        _score(call, None)
    return ExitCode.SUCCESS


def _monitor(call: Call) -> ExitCode:
    role = _role(call)
    if role is PROMOTABLE and call.meta("role") in ("Promoted", "Master"):
        return _monitor_promoted(call)
    code = actions.monitor(call, role)
    if role is not PROMOTABLE or code not in actions.FINE:
        return code
    # After a restart of the cluster on a running daemon the score is lost.
    if code in (ExitCode.RUNNING_PROMOTED, ExitCode.DEGRADED_PROMOTED):
        if call.probe:
            _score(call, ACTIVE_SCORE)
    elif call.probe or not _scored(call):
        _offer(call)
    return code


def _monitor_promoted(call: Call) -> ExitCode:
    """One that has died or hangs loses its role first, to one that stands by, and is recovered after that.

    A failure would have it demoted, stopped and started again here before another is promoted.
    """
    if _dies(actions.read(call, PROMOTABLE)):
        reason("the daemon has just ended, and its unit gives its role up")
        return ExitCode.DEGRADED_PROMOTED

    def give_up(sentence: str) -> Verdict:
        if _score(call, None):
            return Verdict(ExitCode.DEGRADED_PROMOTED, f"{sentence}; it gives its role up")
        return Verdict(ExitCode.GENERIC, sentence)

    return actions.monitor(call, PROMOTABLE, give_up)


def _dies(given: settings.Settings) -> bool:
    """Whether the active daemon ended a moment ago, so that `tell-pacemaker` gives its role to another just now.

    A failure told in that moment would have it started again here before the other is promoted. What is not done by the
    next monitor is told by that.
    """
    if not given.systemd or not actions.died(given):
        return False
    return supervisor(given).look().ended < GRACE


def _promote(call: Call) -> ExitCode:
    try:
        _switch(call, "activate", "active")
    except OcfError:
        status = _status(call)
        if status and not status.database:
            _score(call, UNABLE_SCORE)  # before Pacemaker hears of the failure and looks for the next node
        raise
    _score(call, ACTIVE_SCORE)
    return ExitCode.SUCCESS


def _demote(call: Call) -> ExitCode:
    given = actions.read(call, _promotable(call))
    if actions.died(given):
        return ExitCode.SUCCESS  # what does not live is not active, and somewhere a promotion waits for this
    try:
        control.ask(given.socket, "status", min(HUNG_AFTER, call.left(0.4)))
    except control.Hung:
        supervisor(given).kill(call.left(0.8))
        _score(call, None)
        return ExitCode.SUCCESS
    except (control.NoAnswerError, control.Refused):
        pass  # told below
    _switch(call, "standby", "standby")
    _offer_or_withhold(call)
    return ExitCode.SUCCESS


def _switch(call: Call, method: str, aim: str) -> None:
    """Tell the daemon what to be, and return when it is that."""
    given = actions.read(call, _promotable(call))
    until = time.monotonic() + call.left(0.9)
    try:
        status = control.ask(given.socket, method, call.left(0.8))
        while status.state != aim:
            if time.monotonic() > until:
                why = status.reason or "no reason given"
                raise OcfError(ExitCode.GENERIC, f"the daemon is {status.state}, not {aim}: {why}")
            time.sleep(0.02)
            status = control.ask(given.socket, "status", max(0.25, until - time.monotonic()))
    except control.Refused as error:
        raise OcfError(ExitCode.GENERIC, f"the daemon refuses to {call.action}: {error}") from None
    except control.NoAnswerError as error:
        held = supervisor(given).look()
        gone = held.kind in ("absent", "dead", "zombie")
        if gone and aim == "standby":
            return  # it died while it was asked
        raise OcfError(ExitCode.NOT_RUNNING if gone else ExitCode.GENERIC, f"cannot {call.action}: {error}") from None


def _promotable(call: Call) -> actions.Role:
    role = _role(call)
    if role is not PROMOTABLE:
        raise OcfError(ExitCode.UNIMPLEMENTED, f"{call.action} needs layout=promotable; it is {call.text('layout')}")
    return role


def _validate(call: Call) -> ExitCode:
    return actions.validate(call, _role(call))


def _reload(call: Call) -> ExitCode:
    return actions.reload(call, _role(call))


def _notify(call: Call) -> ExitCode:
    return actions.notify(call, _role(call))


def _status(call: Call) -> control.Status | None:
    """What the daemon says of itself, or None when it does not answer."""
    try:
        return control.ask(actions.read(call, PROMOTABLE).socket, "status", min(HUNG_AFTER, call.left(0.95)))
    except (control.NoAnswerError, control.Refused):
        return None


def _offer(call: Call) -> bool:
    """Have this node be promoted when that is wanted, if it could take the role; whether it could."""
    _forget(call)
    status = _status(call)
    able = status is not None and status.database and status.state in ("standby", "active")
    if able:
        _score(call, STANDBY_SCORE)
    return able


def _offer_or_withhold(call: Call) -> None:
    if not _offer(call):
        _score(call, UNABLE_SCORE)


def _mark(call: Call) -> str:
    """The file whose age is that of this node's score, if it may be promoted; it does not outlive a boot."""
    return f"{os.environ.get('HA_RSCTMP') or '/run/resource-agents'}/congress-dsd-{call.text('instance')}.score"


def _scored(call: Call) -> bool:
    """Whether this node was offered not long ago, so that a monitor has nothing to tell."""
    try:
        return not call.clustered or 0 <= time.time() - os.stat(_mark(call)).st_mtime < SCORE_LASTS
    except OSError:
        return False


def _forget(call: Call) -> None:
    try:
        os.unlink(_mark(call))
    except OSError:
        pass  # there is none


def _score(call: Call, score: int | None) -> bool:
    """Set or remove this node's promotion score; whether it was done. Outside a cluster there is nobody to tell."""
    import subprocess

    if not call.clustered:
        return False
    _forget(call)
    words = ["crm_attribute", "--promotion", "--lifetime=reboot"]
    words += ["--delete"] if score is None else [f"--update={score}"]
    try:
        if subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False).returncode:
            return False
    except (OSError, subprocess.TimeoutExpired):
        return False
    if score is not None and score > 0:
        try:
            os.close(os.open(_mark(call), os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except OSError:
            pass  # then the next monitor sets it again, which changes nothing
    return True


AGENT = Agent(
    name="congress-dsd",
    version=__version__,
    short="Datasource node of congressd",
    long=(
        "The datasource node: one is active, runs the drivers of all sources and publishes their changes. Run it "
        "once, in a group after its address, or as a promotable clone (layout=promotable), where the others stand by. "
        "The monitor asks the daemon for work done; one that works while some sources fail is degraded, not failed."
    ),
    parameters=(LAYOUT, settings.INSTANCE, *settings.COMMON),
    actions=(
        Action("start", 60, _start),
        Action("stop", 60, _stop),
        Action("promote", 30, _promote),
        Action("demote", 30, _demote),
        Action("monitor", 20, _monitor, interval=3, depth=0),
        Action("monitor", 45, _monitor, interval=31, depth=10),
        Action("reload", 20, _reload),
        Action("notify", 20, _notify),
        Action("validate-all", 20, _validate),
        Action("meta-data", 10, None),
    ),
)
