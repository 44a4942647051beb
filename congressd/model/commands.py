"""The commands that the configuration lists for `command:run`: from one line of text to words by name."""

from __future__ import annotations

import shlex
from pathlib import Path


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
