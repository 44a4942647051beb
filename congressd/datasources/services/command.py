"""The service ``command``: programs that the configuration lists, and no others."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any, Final

from congressd.datasources.action import ActionError, ActionRequest
from congressd.datasources.services.settings import ServiceSettings
from congressd.model.actions import ActionInfo, Argument
from congressd.model.nearest import hint, listing
from congressd.model.values import literal

KEPT_OUTPUT: Final = 4096  #: bytes of what a command printed that go into the log
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandService:
    """Arguments are handed over as they are, behind those of the configuration; there is no shell."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._commands = settings.commands

    def actions(self) -> tuple[ActionInfo, ...]:
        name = Argument(
            "name", "str", description="a command of [actions]/commands; further arguments are handed to it"
        )
        return (ActionInfo("run", "Run a program that the configuration lists", (name,), time_limit=60.0, rest=True),)

    def act(self, request: ActionRequest) -> Any:
        name = str(request.args[0])
        command = self._commands.get(name)
        if command is None:
            raise ActionError(
                f"the configuration lists no command {name[:80]!r}.{hint(name, self._commands)} Listed in "
                f"[actions]/commands: {listing(self._commands)}"
            )
        rest = [each if isinstance(each, str) else literal(each) for each in request.args[1:]]
        if any("\0" in each for each in rest):
            raise ActionError("an argument holds a zero byte, which no command can be given")
        try:
            process = subprocess.Popen(
                [*command, *rest],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"PATH": _PATH, "LANG": "C.UTF-8", "CONGRESS_ACTIVATION": request.activation},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise ActionError(f"{command[0]} cannot be run: {error.strerror}") from None
        return _wait(process, command[0], request.seconds)


def _wait(process: subprocess.Popen[bytes], path: str, seconds: float) -> dict[str, Any]:
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session, so that what it started ends too
        process.communicate()
        raise ActionError(f"{path} did not end within {seconds:.3g} s and was killed", acted=True) from None
    text = output[-KEPT_OUTPUT:].decode("utf-8", "replace")
    if process.returncode:
        raise ActionError(f"{path} ended with code {process.returncode}: {text[-1000:].strip()}")
    return {"output": text}
