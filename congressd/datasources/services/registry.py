"""The built-in services by name. A data source that has the name of one takes its place."""

from __future__ import annotations

from collections.abc import Mapping

from congressd.datasources.action import Actor
from congressd.datasources.services.command import CommandService
from congressd.datasources.services.http import HttpService
from congressd.datasources.services.log import LogService
from congressd.datasources.services.mail import MailService
from congressd.datasources.services.settings import ServiceSettings
from congressd.datasources.services.webhook import WebhookService


def services(settings: ServiceSettings | None = None) -> Mapping[str, Actor]:
    """All built-in services, set up."""
    chosen = settings or ServiceSettings()
    return {
        "http": HttpService(chosen),
        "webhook": WebhookService(chosen),
        "mail": MailService(chosen),
        "log": LogService(),
        "command": CommandService(chosen),
    }
