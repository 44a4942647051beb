"""One conversation with a congressd service over HTTP: requests, answers, and what can go wrong between."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from congressd.model.errors import CongressError
from congressd.model.jsontext import dumps
from congressd.pe.token import Token, parse_token

DEFAULT_ENDPOINT = "http://127.0.0.1:1789"


class UnreachableError(Exception):
    """No answer came: nobody listens, the name is unknown, or time ran out."""


class RefusedError(Exception):
    """The service answered with an error; the text is its own sentence."""

    def __init__(self, status: int, sentence: str, body: object) -> None:
        self.status = status
        self.body = body
        super().__init__(sentence)


class Service:
    """A congressd service at ``endpoint``.

    Every answer is at least as new as the ones before it in the same conversation, whichever node gives it: the
    state that an answer came from is sent along with the next request.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, token: str = "", timeout: float = 60.0) -> None:
        """``timeout`` is the number of seconds to wait for an answer. Raises ValueError for a bad endpoint."""
        try:
            parts = urlsplit(endpoint if "//" in endpoint else f"http://{endpoint}")
            port = parts.port
            (parts.hostname or "").encode("idna")
        except ValueError:
            port, parts = None, urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the endpoint {endpoint!r} is not of the form http://HOST:PORT")
        if not re.fullmatch("[!-~]*", parts.path):
            raise ValueError(
                f"the endpoint {endpoint!r} has characters that an address cannot hold; its path would be written "
                f"{quote(parts.path)}"
            )
        self.endpoint = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._path = parts.path.rstrip("/")
        self._host, self._port = parts.hostname, port
        self._secure = parts.scheme == "https"
        self._token = token
        self._timeout = timeout
        self._seen = Token()

    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        """The decoded answer to a GET; ``path`` is a sequence of unquoted segments."""
        return self.call("GET", *path, query=query)

    def call(self, method: str, *path: str, body: object | None = None, query: Mapping[str, str] | None = None) -> Any:
        """The decoded answer, None where it is empty. Raises UnreachableError, RefusedError."""
        target = self._path + "".join(f"/{quote(segment, safe='')}" for segment in path)
        if query:
            target += f"?{urlencode(query)}"
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._seen != Token():
            headers["Congress-At-Least"] = str(self._seen)
        content = None
        if method not in ("GET", "DELETE") or body is not None:
            content = dumps({} if body is None else body)
            headers["Content-Type"] = "application/json"
        status, reason, text, seen = self._send(method, target, content, headers)
        self._note(seen)
        answer = self._decode(text)
        if status >= 400:
            raise RefusedError(status, _sentence(status, reason, answer), answer)
        return answer

    def _send(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, bytes, str]:
        connection = (
            http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=ssl.create_default_context()
            )
            if self._secure
            else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        )
        try:
            connection.request(method, target, body=content, headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.reason, response.read(), response.headers.get("Congress-Revision", "")
        except TimeoutError:
            raise UnreachableError(f"no answer from {self.endpoint} within {self._timeout:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UnreachableError(
                f"cannot reach {self.endpoint}: {why}. Is the service running (`congressd serve`), "
                f"and is --endpoint or CONGRESS_ENDPOINT right?"
            ) from None
        finally:
            connection.close()

    def _note(self, seen: str) -> None:
        try:
            self._seen = self._seen.merged(parse_token(seen))
        except CongressError:
            raise UnreachableError(
                f"{self.endpoint} sent a Congress-Revision that this client cannot read: {seen[:80]!r}"
            ) from None

    def _decode(self, text: bytes) -> Any:
        if not text.strip():
            return None
        try:
            return json.loads(text)
        except ValueError:
            raise UnreachableError(
                f"{self.endpoint} answered with something other than JSON; it does not seem to be congressd"
            ) from None


def _sentence(status: int, reason: str, answer: object) -> str:
    match answer:
        case {"error": {"message": str() as message}}:
            return message.replace("::", ": ", 1)  # Congress' mark between summary and detail
        case _:
            return f"the service answered {status} {reason}"
