"""Takes secrets out of text: those that are known, and whatever looks like one. Pure.

What is known is exact: the values of the configuration's secret options, passwords in its URLs, the keys of the key
file. What looks like one is a net below that, for secrets of other programs: passwords in any URL, values behind names
such as ``password``, bearer tokens, private keys in PEM. When in doubt it is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from congressd.config.load import options
from congressd.config.options import Settings

REMOVED: Final = "(removed)"
_SHORTEST: Final = 4  #: characters of a known secret; a shorter one cannot be told from ordinary text

_LEARNED: Final = 8  #: characters from which on what only looks like a secret is removed elsewhere too

_NAME: Final = (
    r"[\w.\-]*(?:passw(?:or)?d|passwd|passphrase|pwd|secret|token|api_?key|signing_?key|private_?key|encryption_?key|"
    r"access_?key|auth_?key|sst_auth|credentials?|cookie|authkey|community|psk)[\w.\-]*"
)
_QUOTED: Final = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"

#: What looks like a secret: the first group stays, the rest goes. In this order.
_LOOKS: Final = (
    # Private keys, whole.
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"()\A[A-Za-z0-9+/=\s]*-----END [A-Z ]*PRIVATE KEY-----"),  # the beginning was cut off
    # Our own tokens, and Fernet's keys and tokens: before names, which may stand in them by chance with a = behind.
    re.compile(r"(\bcongress_[0-9a-f]{6,}_)[A-Za-z0-9_\-]{16,}"),
    re.compile(r"()(?<![\w+/\-])[A-Za-z0-9_\-]{43}=(?![\w=])"),
    re.compile(r"()\bgAAAAA[A-Za-z0-9_\-]{60,}={0,2}"),
    # user:password@ in a URL, also behind the comma of a list of hosts; a password may hold all but / and blanks.
    re.compile(r"(\b[a-z][a-z0-9+.\-]*://[^\s:/@,\"'<>]*:)[^\s/\"'<>]*(?=@)", re.IGNORECASE),
    re.compile(r"((?<=,)[\w.\-%]+:)[^\s/@,\"'<>]+(?=@[\w.\-\[])"),
    # Authorization: Bearer abc; also alone, in prose.
    re.compile(
        r"((?:authorization|x-auth-token)[\"']?\s*[:=]?\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s,\"'}]+", re.IGNORECASE
    ),
    re.compile(r"(\b(?:bearer|basic)\s+)[\w+/=.~\-]{8,}", re.IGNORECASE),
    # <nvpair name="passwd" value="..."/> of a CIB, in any order.
    re.compile(rf"(<nvpair\b[^>]*\bname=\"{_NAME}\"[^>]*\bvalue=)(?:{_QUOTED})", re.IGNORECASE),
    re.compile(rf"(<nvpair\b(?=[^>]*\bname=\"{_NAME}\")[^>]*\bvalue=)(?:{_QUOTED})", re.IGNORECASE),
    # "password": "..." and password = ... and --password=...
    re.compile(rf"(\b{_NAME}[\"']?\s*[:=]\s*)(?:{_QUOTED})", re.IGNORECASE),
    re.compile(rf"(\b{_NAME}[\"']?[ \t]*[:=][ \t]*)(?!\"|'|\[|\{{)(?:\(removed\)|[^\s,;&}})\]])+", re.IGNORECASE),
    # IDENTIFIED BY 'password' in a statement.
    re.compile(rf"(\bIDENTIFIED\s+(?:BY|VIA\s+\w+\s+(?:USING|AS))\s+(?:PASSWORD\s+)?)(?:{_QUOTED})", re.IGNORECASE),
)  # fmt: skip


class Scrubber:
    """Removes the known secrets and what looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        spelled = {form for each in known if len(each) >= _SHORTEST for form in _spellings(each)}
        # The longest first: a secret may begin with another one.
        self._known = sorted(spelled, key=lambda each: (-len(each), each))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for each in self._known:
            text = text.replace(each, REMOVED)
        for look in _LOOKS:
            text = look.sub(lambda found: found[1] + REMOVED, text)
        return text


def learn(text: str) -> set[str]:
    """What looks like a secret in a configuration of any program: to be removed wherever else it stands."""
    found = set()
    for look in _LOOKS[1:]:
        for each in look.finditer(text):
            found.add(each[0][len(each[1]) :].strip().strip("\"'"))
    return {each for each in found if len(each) >= _LEARNED and REMOVED not in each and "\n" not in each}


def known_secrets(settings: Settings, keys: str = "") -> set[str]:
    """The secrets of a configuration, and of the text of a key file."""
    found = set(keys.split())
    for row in options():
        if row.about.secret:
            value = str(getattr(getattr(settings, row.group.lower()), row.name))
            if "://" in value:
                found |= passwords(value)
            elif value:
                found.add(value)
    return found


def passwords(url: str) -> set[str]:
    """The passwords in a URL, which may name several hosts with commas between."""
    found = set()
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url.partition("://")[2]}
    for place in parts.netloc.split(","):
        user, at, _ = place.rpartition("@")
        if at and ":" in user:
            found.add(user.partition(":")[2])
    found |= {value for name, value in parse_qsl(parts.query) if "passw" in name.lower()}
    return {each for each in found if each} | {unquote(each) for each in found if each}


def _spellings(secret: str) -> set[str]:
    """How a secret may be written: as it is, and as URLs, JSON and XML write it."""
    from json import dumps
    from xml.sax.saxutils import escape

    plain = dumps(secret)[1:-1]
    wide = dumps(secret, ensure_ascii=False)[1:-1]
    written = {secret, quote(secret, safe=""), quote_plus(secret), quote(secret), plain, wide, dumps(plain)[1:-1]}
    return written | {escape(each, {'"': "&quot;"}) for each in written} | {repr(secret)[1:-1]}
