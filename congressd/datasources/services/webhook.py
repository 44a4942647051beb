"""The service ``webhook``: tell somebody, as JSON, signed if there is a key."""

from __future__ import annotations

from typing import Any

from congressd.datasources.action import ActionRequest
from congressd.datasources.services.http import Outgoing, send
from congressd.datasources.services.settings import ServiceSettings
from congressd.model import jsontext
from congressd.model.actions import ActionInfo, Argument


class WebhookService:
    """``notify`` posts ``{"text": ..., "values": [...], "activation": id}``."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    def actions(self) -> tuple[ActionInfo, ...]:
        return (
            ActionInfo(
                "notify",
                "POST a message as JSON",
                (
                    Argument("url", "str", description="http:// or https://"),
                    Argument("text", "str", description="the message; further arguments follow it as values"),
                ),
                rest=True,
            ),
        )

    def act(self, request: ActionRequest) -> Any:
        document = {"text": request.args[1], "values": list(request.args[2:]), "activation": request.activation}
        outgoing = Outgoing("POST", str(request.args[0]), jsontext.dumps(document), signed=bool(self._settings.key))
        return send(self._settings, outgoing, request)
