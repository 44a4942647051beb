"""The commands that the configuration lists for `command:run`: from one line of text to words by name."""

from __future__ import annotations

import shlex
from pathlib import Path


def parse_commands(text: str) -> dict[str, tuple[str, ...]]:
    """The commands of a text such as ``restart = /usr/bin/systemctl restart; page = '/opt/my page' --now``.

    Raises ValueError with a sentence.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise ValueError(f"{text[:200]!r} cannot be read: {error}") from None
    commands = {}
    while words:
        end = words.index(";") if ";" in words else len(words)
        entry, words = words[:end], words[end + 1 :]
        if entry:
            name, command = _command(entry)
            commands[name] = command
    return commands


def _command(entry: list[str]) -> tuple[str, tuple[str, ...]]:
    """The name and the words of ``NAME = /PATH ARGUMENT ...``, with or without blanks around the sign."""
    name, equals, first = entry[0].partition("=")
    rest = entry[1:]
    if not equals and rest:
        equals, first, rest = rest[0][:1], rest[0][1:], rest[1:]
    words = tuple([first, *rest] if first else rest)
    if equals != "=" or not name or not words:
        raise ValueError(f"{' '.join(entry)!r} is not of the form NAME = /PATH ARGUMENT ...")
    if not Path(words[0]).is_absolute():
        raise ValueError(f"the command {words[0]!r} is not an absolute path")
    return name, words
