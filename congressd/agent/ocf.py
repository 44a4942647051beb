"""The OCF resource agent API 1.0, as far as our agents use it: exit codes, what Pacemaker says, dispatch.

A handler must return an `ExitCode`; anything else, and any exception, is reported as a soft error (1), so that one
bad run leads to a restart here and never to a ban of the resource from every node (6).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple


class ExitCode(IntEnum):
    """What Pacemaker makes of a result: soft (try again here), hard (another node), fatal (no node)."""

    SUCCESS = 0
    GENERIC = 1  # soft
    ARGS = 2  # hard
    UNIMPLEMENTED = 3
    PERM = 4  # hard
    INSTALLED = 5  # hard
    # 6 (configured) is fatal for the whole cluster, so it is left out: no node can know that of another.
    NOT_RUNNING = 7
    RUNNING_PROMOTED = 8
    FAILED_PROMOTED = 9
    DEGRADED = 190  # counts as 0, shown to the operator
    DEGRADED_PROMOTED = 191  # counts as 8, shown to the operator


class Parameter(NamedTuple):
    """One line of an agent's table of parameters."""

    name: str
    kind: str  # string or integer
    default: str
    short: str
    long: str
    unique: bool = False


class Action(NamedTuple):
    """One action as the metadata advertise it; ``handler`` is what does it. Times are in seconds."""

    name: str
    timeout: int
    handler: Callable[[Call], ExitCode] | None
    interval: int | None = None
    depth: int | None = None


class OcfError(Exception):
    """An action failed for a reason that is known: ``code`` for Pacemaker, a sentence for the operator."""

    def __init__(self, code: ExitCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Call:
    """One call of an agent: the action, its parameters, and how long Pacemaker will wait."""

    def __init__(self, action: str, parameters: Mapping[str, Parameter], environ: Mapping[str, str]) -> None:
        self.action = action
        self._parameters = parameters
        self._environ = environ
        self._started = time.monotonic()

    def text(self, name: str) -> str:
        """The parameter's value, or its default when it is not set or empty."""
        return self._environ.get(f"OCF_RESKEY_{name}", "") or self._parameters[name].default

    def integer(self, name: str) -> int:
        """The parameter as a number; what is none is `refused`."""
        value = self.text(name)
        if not value.isascii() or not value.isdigit():
            value = self.refused(name, "a whole number, 0 or more, is wanted")
        return int(value)

    def refused(self, name: str, wanted: str) -> str:
        """Raise `OcfError` (2) for the parameter's value; but a stop goes on with the default, which is returned.

        A stop that refuses is a stop that failed, and for that Pacemaker powers the node off.
        """
        if self.action == "stop":
            return self._parameters[name].default
        raise OcfError(ExitCode.ARGS, f"parameter {name} is {self.text(name)!r}; {wanted}")

    @property
    def clustered(self) -> bool:
        """Whether Pacemaker calls, which tells every agent the feature set that it speaks."""
        return bool(self._environ.get("OCF_RESKEY_crm_feature_set"))

    def meta(self, name: str, default: str = "") -> str:
        """A meta attribute that Pacemaker adds, such as ``interval`` or ``notify_type``."""
        return self._environ.get(f"OCF_RESKEY_CRM_meta_{name}", default)

    @property
    def probe(self) -> bool:
        """Whether this asks what runs here before anything was started: it must not fail, nor complain."""
        return self.action in ("monitor", "status") and self.meta("interval", "1") == "0"

    @property
    def depth(self) -> int:
        """How deep a monitor looks (``OCF_CHECK_LEVEL``)."""
        level = self._environ.get("OCF_CHECK_LEVEL", "") or "0"
        return int(level) if level.isdigit() else 0

    def left(self, share: float = 1.0, default: float = 20.0) -> float:
        """Seconds until ``share`` of the action's timeout is used up, at least a quarter of a second."""
        milliseconds = self.meta("timeout")
        whole = int(milliseconds) / 1000 if milliseconds.isdigit() and milliseconds != "0" else default
        return max(0.25, whole * share - (time.monotonic() - self._started))


class Agent(NamedTuple):
    """An agent as a value: its tables, and all that its metadata say."""

    name: str
    version: str
    short: str
    long: str
    parameters: tuple[Parameter, ...]
    actions: tuple[Action, ...]


def reason(sentence: str) -> None:
    """Tell Pacemaker, and so `crm_mon` and `pcs status`, why an action failed."""
    prefix = os.environ.get("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:")
    print(f"{prefix}{sentence}", file=sys.stderr)


def run(agent: Agent, arguments: list[str], environ: Mapping[str, str]) -> ExitCode:
    """Do the one action that ``arguments`` name, and return what to exit with."""
    names = [action.name for action in agent.actions]
    if len(arguments) != 1 or arguments[0] in ("usage", "help", "-h", "--help"):
        wanted = len(arguments) == 1
        print(f"usage: {agent.name} {{{'|'.join(dict.fromkeys(names))}}}", file=sys.stdout if wanted else sys.stderr)
        return ExitCode.SUCCESS if wanted else ExitCode.UNIMPLEMENTED
    name = "monitor" if arguments[0] == "status" else arguments[0]
    if name == "meta-data":
        from congressd.agent.metadata import render

        sys.stdout.write(render(agent))
        return ExitCode.SUCCESS
    handler = next((action.handler for action in agent.actions if action.name == name), None)
    if handler is None:
        reason(f"{agent.name} has no action {arguments[0]}")
        return ExitCode.UNIMPLEMENTED
    call = Call(name, {parameter.name: parameter for parameter in agent.parameters}, environ)
    return _checked(call, handler)


def _checked(call: Call, handler: Callable[[Call], ExitCode]) -> ExitCode:
    """The handler's result; what is not an `ExitCode` is an error, and a probe says only what it may say."""
    try:
        code: object = handler(call)
        if isinstance(code, ExitCode):
            return code
        sentence, failed = f"{call.action} returned {code!r} in place of an exit code", ExitCode.GENERIC
    except OcfError as error:
        sentence, failed = str(error), error.code
    except Exception as error:  # an agent that ends with a traceback tells the operator nothing
        sentence, failed = f"{call.action} failed: {type(error).__name__}: {error}", ExitCode.GENERIC
    if call.probe and failed in (ExitCode.ARGS, ExitCode.PERM, ExitCode.INSTALLED):
        return ExitCode.NOT_RUNNING
    reason(sentence)
    return failed
