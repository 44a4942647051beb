"""The service ``mail``: one message through the mail server of the configuration."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import Any

from congressd.datasources.action import ActionError, ActionRequest
from congressd.datasources.services.settings import ServiceSettings
from congressd.model.actions import ActionInfo, Argument


class MailService:
    """The message's id is made from the activation's, so that one that came twice can be told."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    def actions(self) -> tuple[ActionInfo, ...]:
        return (
            ActionInfo(
                "send",
                "Send a message",
                (
                    Argument("to", "str", description="an address, or several with commas between them"),
                    Argument("subject", "str"),
                    Argument("body", "str", required=False),
                ),
            ),
        )

    def act(self, request: ActionRequest) -> Any:
        settings = self._settings
        if not settings.mail_server:
            raise ActionError("the configuration names no mail server; set [actions]/mail_server")
        message = self._message(request)
        try:
            server = smtplib.SMTP(settings.mail_server, settings.mail_port, timeout=request.seconds)
        except (OSError, smtplib.SMTPException) as error:
            raise ActionError(f"cannot reach the mail server {settings.mail_server}: {error}") from None
        with server:
            try:
                if settings.mail_tls:
                    server.starttls(context=ssl.create_default_context())
                if settings.mail_user:
                    server.login(settings.mail_user, settings.mail_password)
                refused = server.send_message(message)
            except (smtplib.SMTPServerDisconnected, TimeoutError) as error:
                raise ActionError(f"the mail server was lost: {error}", acted=True) from None
            except (OSError, smtplib.SMTPException) as error:
                raise ActionError(f"the mail server refused: {error}") from None
        return {"refused": sorted(refused)} if refused else {}

    def _message(self, request: ActionRequest) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"] = self._settings.mail_from
            message["To"] = str(request.args[0])
            message["Subject"] = str(request.args[1])
        except ValueError as error:  # a line break in a header
            raise ActionError(f"the message cannot be made: {error}") from None
        message["Message-ID"] = f"<{request.activation}@congressd>"
        message.set_content(str(request.arg(2, "")))
        return message
