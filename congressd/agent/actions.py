"""What the actions of both agents do, over a supervisor, the control socket and the rules of `verdict`.

A role brings what differs: which state is the aim of a start, and how a status is judged.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from congressd.agent import control, process, settings
from congressd.agent.ocf import Call, ExitCode, OcfError, reason
from congressd.agent.settings import Settings
from congressd.agent.supervise import Held, Supervisor, supervisor
from congressd.agent.verdict import Verdict

FINE = frozenset(
    {ExitCode.SUCCESS, ExitCode.DEGRADED, ExitCode.RUNNING_PROMOTED, ExitCode.DEGRADED_PROMOTED},
)
HEALTHY = frozenset({ExitCode.SUCCESS, ExitCode.RUNNING_PROMOTED})

#: The part of its timeout for which a deep monitor waits for the answer over HTTP.
PATIENCE = 0.6


class Role(NamedTuple):
    """What one kind of daemon brings to the common actions."""

    name: str
    unit: str
    arguments: tuple[str, ...]  # after those that both daemons take
    judge: Callable[[control.Status, int], Verdict]
    started: Callable[[control.Status, float], bool]  # status, seconds waited: is the start complete?
    activate: bool = False  # whether a start makes a daemon active that stands by


def _failed(sentence: str) -> Verdict:
    return Verdict(ExitCode.GENERIC, sentence)


def read(call: Call, role: Role) -> Settings:
    """The call's settings."""
    return settings.read(call, role.name, role.unit)


def validate(call: Call, role: Role) -> ExitCode:
    """The parameters make sense, and this node has what they name."""
    settings.check(read(call, role))
    return ExitCode.SUCCESS


def monitor(call: Call, role: Role, hung: Callable[[str], Verdict] = _failed) -> ExitCode:
    """Ask the daemon for the work it has done; look at processes only where it does not answer.

    ``hung`` makes a verdict of the sentence about one that lives and does not answer.
    """
    given = read(call, role)
    verdict = _verdict(call, role, given, hung)
    if verdict.code in HEALTHY and call.depth >= 10 and given.health_url:
        verdict = _asked_over_http(call, role, given, verdict)
    if verdict.sentence and not (call.probe and verdict.code is ExitCode.NOT_RUNNING):
        reason(verdict.sentence)
    return verdict.code


def start(call: Call, role: Role) -> ExitCode:
    """Start the daemon and return only when it works; what half-runs is cleared away first."""
    given = read(call, role)
    settings.check(given)
    holder = supervisor(given)
    arguments = _arguments(role, given)
    if not _working(role, given, call):
        _must_end(holder, call.left(0.4))  # and what it leaves behind, such as a socket
        holder.start(arguments, call.left(0.85))
    began = time.monotonic()
    until = began + call.left(0.9)
    last = "it did not answer"
    while time.monotonic() < until:
        try:
            status = control.ask(given.socket, "status", min(given.control_timeout, until - time.monotonic()))
            if role.activate and status.state == "standby" and status.database:
                # Pacemaker has made sure that no other is active, so there is no lease to wait for.
                status = control.ask(given.socket, "activate", until - time.monotonic())
            if role.started(status, time.monotonic() - began):
                return ExitCode.SUCCESS
            last = f"it is {status.state}: {status.reason or 'no reason given'}"
        except (control.NoAnswerError, control.Refused) as error:
            last = str(error)
            _still_there(holder)
        time.sleep(0.05)
    raise OcfError(ExitCode.GENERIC, f"the daemon started, but did not get to work in time; {last}")


def stop(call: Call, role: Role) -> ExitCode:
    """Stop the daemon; success means that no process of it lives.

    After a start that was refused Pacemaker calls this with the same parameters, and powers the node off when it fails:
    a name that no daemon can have, and a supervisor that this node lacks, are proof enough that none runs.
    """
    try:
        _must_end(supervisor(read(call, role)), call.left(0.9))
    except OcfError as error:
        if error.code not in (ExitCode.ARGS, ExitCode.INSTALLED):
            raise
    return ExitCode.SUCCESS


def reload(call: Call, role: Role) -> ExitCode:
    """New parameters while it runs: what only the agent reads counts at once, the rest asks for a restart.

    The daemon reads its configuration again too: Pacemaker means the parameters by this action (see `metadata`), a
    person who calls it means the service, and either may have changed the file. Only a monitor may say more than
    success: promoted (8) and degraded (190) would be failures of a reload.
    """
    given = read(call, role)
    settings.check(given)
    holder = supervisor(given)
    if holder.needs_restart(_arguments(role, given)):
        raise OcfError(ExitCode.GENERIC, "the daemon was started with other parameters; it has to be restarted")
    code, sentence = _verdict(call, role, given)
    if code not in FINE:
        raise OcfError(code, sentence)
    holder.reload(call.left(0.9))
    return ExitCode.SUCCESS


def notify(call: Call, role: Role) -> ExitCode:
    """Other nodes' events change nothing here: daemons find each other by epoch and revision."""
    del call, role
    return ExitCode.SUCCESS


def died(given: Settings) -> bool:
    """Whether the daemon left its PID file and no live process: known at once, without asking anybody."""
    pid = process.pid_in(given.pid_file)
    if pid is None:
        return False
    found = process.find(pid, ())
    return found is None or found.zombie


def _arguments(role: Role, given: Settings) -> list[str]:
    return [argument.format(instance=given.instance) for argument in role.arguments]


def _working(role: Role, given: Settings, call: Call) -> bool:
    """Whether a daemon runs already that a start may take as it is."""
    try:
        status = control.ask(given.socket, "status", min(given.control_timeout, call.left(0.3)))
    except (control.NoAnswerError, control.Refused):
        return False
    return status.state in ("starting", "standby") or role.judge(status, given.max_work_age).code in FINE


def _must_end(holder: Supervisor, seconds: float) -> None:
    left = holder.stop(seconds)
    if left:
        shown = ", ".join(str(pid) for pid in left if pid)
        raise OcfError(ExitCode.GENERIC, f"processes of the daemon live after SIGKILL: {shown or 'see its unit'}")


def _still_there(holder: Supervisor) -> None:
    held = holder.look()
    if held.kind != "alive":
        detail = f"{held.detail}; " if held.detail else ""
        raise OcfError(ExitCode.GENERIC, f"the daemon ended while it started: {detail}{holder.said()}")


def _verdict(call: Call, role: Role, given: Settings, hung: Callable[[str], Verdict] = _failed) -> Verdict:
    try:
        status = control.ask(given.socket, "status", min(given.control_timeout, call.left(0.7)))
    except control.Hung as error:
        return hung(f"hung: {error}")
    except control.Refused as error:
        return Verdict(ExitCode.GENERIC, f"the daemon refuses to tell its status: {error}")
    except control.NoAnswerError as error:
        return _silent(call, supervisor(given).look(), error)
    return role.judge(status, given.max_work_age)


def _asked_over_http(call: Call, role: Role, given: Settings, verdict: Verdict) -> Verdict:
    """What the answer of ``health_url`` makes of ``verdict``, which is healthy.

    Calls that wait for a lost database may hold every thread of an API, and a restart would help none of them. So one
    whose database or bus is known to be away is not asked, and after no answer it has had the time to find that out.
    """
    from congressd.agent.webcheck import problem

    wrong = problem(given.health_url, call.left(PATIENCE))
    if not wrong:
        return verdict
    now = _verdict(call, role, given)
    return Verdict(ExitCode.GENERIC, wrong) if now.code in HEALTHY else now


def _silent(call: Call, held: Held, error: control.NoAnswerError) -> Verdict:
    """Nobody answers. A crash is told as an error, not as the clean end that 7 means, so that it is cleared away."""
    if held.kind == "absent":
        return Verdict(ExitCode.NOT_RUNNING, held.detail)
    if held.kind == "alive":
        return Verdict(ExitCode.GENERIC, f"{held.detail}, but {error}")
    return Verdict(ExitCode.NOT_RUNNING if call.probe else ExitCode.GENERIC, held.detail)
