"""How the built-in services are set up, by the operator alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


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


def parse_commands(text: str) -> dict[str, tuple[str, ...]]:
    """The commands of a text such as ``restart = /usr/bin/systemctl restart; page = /usr/local/bin/page``.

    Raises ValueError with a sentence.
    """
    commands = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, equals, line = part.partition("=")
        words = tuple(shlex.split(line))
        if not equals or not name.strip() or not words:
            raise ValueError(f"{part!r} is not of the form NAME = /PATH ARGUMENT ...")
        if not Path(words[0]).is_absolute():
            raise ValueError(f"the command {words[0]!r} is not an absolute path")
        commands[name.strip()] = words
    return commands
