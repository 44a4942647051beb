"""How the address of a server asks for an encrypted connection: parameters at the end of its URL, as SQLAlchemy's are.

``rabbit://user:password@host:5671/?ssl_ca=/etc/ssl/ca.pem`` means: encrypted, and the server's certificate must be
signed by this authority and bear the host's name. ``ssl_cert`` and ``ssl_key`` are our own certificate and its key,
for servers that want one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

#: The parameters that an URL may end with.
PARAMETERS: Final = ("ssl_ca", "ssl_cert", "ssl_key")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM: who signs servers' certificates, and perhaps a certificate of our own with its key."""

    ca: str
    certificate: str = ""
    key: str = ""


def split_tls(url: str) -> tuple[str, Tls | None]:
    """The URL without its parameters, and what they ask for. Raises ValueError with a sentence without the URL."""
    address, _, query = url.partition("?")
    if not query:
        return address, None
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in PARAMETERS:
            raise ValueError(f"has the parameter {name!r} after its ?; allowed are {', '.join(PARAMETERS)}")
    if not given.get("ssl_ca"):
        raise ValueError("has no ssl_ca after its ?; it is the file of who signs the servers' certificates")
    if bool(given.get("ssl_cert")) != bool(given.get("ssl_key")):
        raise ValueError("has one of ssl_cert and ssl_key after its ?; give both, or neither")
    return address, Tls(given["ssl_ca"], given.get("ssl_cert", ""), given.get("ssl_key", ""))
