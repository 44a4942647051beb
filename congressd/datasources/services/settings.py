"""How the built-in services are set up, by the operator alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """``urls`` are the prefixes that requests may go to (none: all); ``key`` signs requests.

    ``commands``: the command lines that `command:run` knows, by name.
    """

    urls: tuple[str, ...] = ()
    key: bytes = b""
    mail_server: str = ""
    mail_port: int = 25
    mail_from: str = "congressd@localhost"
    mail_user: str = ""
    mail_password: str = ""
    mail_tls: bool = False
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
