"""Who a caller is: anybody (`OpenAccess`), or who has a token (`TokenAccess`)."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from congressd.api.callers import Caller
from congressd.api.tokenfile import Signature, TokenFileError, read, signature
from congressd.model.clock import Clock, SystemClock, iso
from congressd.model.errors import CongressError

LOG = logging.getLogger(__name__)

NOBODY: Final = Caller("nobody", "anyone")


class Access(Protocol):
    """Tells who a caller is."""

    def identify(self, authorization: str | None, token: str | None, needed: str) -> Caller:
        """The caller by the headers ``Authorization`` and ``X-Auth-Token``; the former counts if there are both.

        ``needed`` is the least role that is needed: who needs none is never refused. Raises CongressError
        ``unauthorized``.
        """

    def reload(self) -> None:
        """Read again what may have changed."""

    @property
    def problem(self) -> str | None:
        """Why what was last read cannot be used, so that what was read before is; None if all is well."""

    def roles(self) -> Mapping[str, int]:
        """How many tokens there are that can be used now, by role."""


class OpenAccess:
    """Everybody may do everything: for services that only the machine itself can reach."""

    _ANYBODY = Caller()
    problem: str | None = None

    def identify(self, authorization: str | None, token: str | None, needed: str) -> Caller:
        return self._ANYBODY

    def reload(self) -> None:
        """There is nothing to read."""

    def roles(self) -> Mapping[str, int]:
        return {}


class TokenAccess:
    """Who has a token of a file.

    The file is looked at with every request, which costs a microsecond, and read again when it has changed, so a
    token that was revoked ends at once. While it cannot be read, the tokens that were read before stay good.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        """Raises TokenFileError if the file cannot be used now: there are no tokens of before."""
        self._path = path
        self._clock = clock or SystemClock()
        self._reading = threading.Lock()
        self._seen: Signature | None = None  # of the last look, whether what was there could be used or not
        self._tokens, self._seen = read(path)
        self.problem: str | None = None

    def identify(self, authorization: str | None, token: str | None, needed: str) -> Caller:
        if needed == NOBODY.role:
            return NOBODY
        given = token if authorization is None else _bearer(authorization)
        if not given:
            raise CongressError(
                "unauthorized", "send a token as `Authorization: Bearer TOKEN`; `congressd token create` makes one"
            )
        if signature(self._path) != self._seen:
            self._follow()
        entry = self._tokens.find(given)
        if entry is None:
            raise CongressError("unauthorized", "the token is not known; it may have been revoked")
        if entry.expires is not None and entry.over(self._clock.now()):
            raise CongressError("unauthorized", f"the token of {entry.name!r} ended at {iso(entry.expires)}")
        return Caller(entry.name, entry.role)

    def reload(self) -> None:
        with self._reading:
            self._read()

    def roles(self) -> Mapping[str, int]:
        now = self._clock.now()
        return Counter(entry.role for entry in self._tokens.entries if not entry.over(now))

    def _follow(self) -> None:
        with self._reading:
            if signature(self._path) != self._seen:
                self._read()

    def _read(self) -> None:
        seen = signature(self._path)
        try:
            self._tokens, self._seen = read(self._path)
        except TokenFileError as error:
            self._seen = seen
            self.problem = f"the tokens of before stay good, since the file cannot be used: {error}"
            LOG.error("%s", self.problem)
            return
        self.problem = None
        LOG.info("path=%s tokens=%d: the tokens were read", self._path, len(self._tokens.entries))


def _bearer(authorization: str) -> str:
    """The token of an ``Authorization`` header. Raises CongressError ``unauthorized`` for another scheme."""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise CongressError("unauthorized", f"Authorization: {scheme[:20]!r} is not known; send `Bearer TOKEN`")
    return token.strip()
