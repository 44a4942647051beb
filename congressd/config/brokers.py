"""The nodes of the RabbitMQ cluster as one text: Congress' transport URL, and what becomes of it. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from congressd.model.tls import split_tls

_EXAMPLE: Final = "rabbit://user:password@host1:5672,user:password@host2:5672/virtual_host"


def broker_urls(text: str) -> tuple[str, ...]:
    """One ``amqp://user:password@host:port/virtual_host`` for each host; none for an empty text.

    Each ends with the parameters of `congressd.model.tls`, if there are any. Without a virtual host it is ``/``,
    RabbitMQ's own default. Raises ValueError with a sentence that does not
    repeat the text, since it holds passwords.
    """
    if not text:
        return ()
    address, tls = split_tls(text)
    whole = urlsplit(address)
    if whole.scheme not in ("rabbit", "amqp"):
        raise ValueError(f"begins with {text.partition(':')[0][:20]!r}; it must be like {_EXAMPLE}")
    if whole.fragment:
        raise ValueError(f"has something after #, which is not understood; it must be like {_EXAMPLE}")
    path = whole.path if len(whole.path) > 1 else "//"
    end = path + text.removeprefix(address)
    usual = 5671 if tls else 5672
    return tuple(f"amqp://{_place(number, part, usual)}{end}" for number, part in enumerate(whole.netloc.split(","), 1))


def _place(number: int, text: str, usual: int) -> str:
    """``user:password@host:port``, with the usual port if none is given."""
    try:
        part = urlsplit(f"//{text}")
        port = part.port or usual
    except ValueError:
        raise ValueError(f"has a port that is none in its host number {number}; it must be like {_EXAMPLE}") from None
    if not part.hostname or part.username is None or part.password is None:
        raise ValueError(f"lacks user, password or name of its host number {number}; it must be like {_EXAMPLE}")
    return text if part.port else f"{text}:{port}"
