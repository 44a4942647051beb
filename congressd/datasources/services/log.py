"""The service ``log``: a line in the log of the datasource node."""

from __future__ import annotations

import logging
from typing import Any

from congressd.datasources.action import ActionRequest
from congressd.model.actions import ActionInfo, Argument
from congressd.model.values import literal

log = logging.getLogger(__name__)


class LogService:
    """``write`` needs nothing and harms nobody: the action to begin with."""

    def actions(self) -> tuple[ActionInfo, ...]:
        text = Argument("text", "any", description="the message; further arguments follow it")
        return (ActionInfo("write", "Write a line to the log", (text,), idempotent=True, rest=True),)

    def act(self, request: ActionRequest) -> Any:
        first, *rest = (each if isinstance(each, str) else literal(each) for each in request.args)
        line = " ".join([first, *rest])
        log.warning("activation=%s %s", request.activation, " ".join(line.splitlines()))
        return {"line": line}
