"""The service ``http``: one request to any address that the configuration allows."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from congressd import __version__
from congressd.datasources.action import ActionError, ActionRequest
from congressd.datasources.services.settings import ServiceSettings
from congressd.model import jsontext
from congressd.model.actions import ActionInfo, Argument
from congressd.model.values import Bool

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
KEPT_ANSWER: Final = 2048  #: bytes of an answer that go into the log

_ARGUMENTS: Final = (
    Argument("method", "str", description=f"one of {', '.join(METHODS)}"),
    Argument("url", "str", description="http:// or https://"),
    Argument("body", "any", required=False, description="text is sent as it is, any other value as JSON"),
    Argument("signed", "bool", required=False, description="sign the request with the key of the configuration"),
)


class HttpService:
    """Requests with the id of the activation in ``Idempotency-Key``; 2xx is success, redirections are not followed."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    def actions(self) -> tuple[ActionInfo, ...]:
        return (
            ActionInfo("request", "Send an HTTP request; never repeated unless it failed", _ARGUMENTS),
            ActionInfo(
                "request_idempotent",
                "Send an HTTP request that may be repeated without harm",
                _ARGUMENTS,
                idempotent=True,
            ),
        )

    def act(self, request: ActionRequest) -> Any:
        method = str(request.args[0]).upper()
        if method not in METHODS:
            raise ActionError(f"the method {method[:40]!r} is not one of {', '.join(METHODS)}")
        body = request.arg(2)
        signed = request.arg(3)
        content, kind = _content(body)
        return send(
            self._settings,
            Outgoing(method, str(request.args[1]), content, kind, isinstance(signed, Bool) and signed.truth),
            request,
        )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that is about to be sent."""

    method: str
    url: str
    content: bytes | None = None
    kind: str = "application/json"
    signed: bool = False


def send(settings: ServiceSettings, outgoing: Outgoing, request: ActionRequest) -> dict[str, Any]:
    """Send it; the status and the beginning of the answer. Raises ActionError."""
    parts = _allowed(settings, outgoing.url)
    headers = _headers(settings, outgoing, request)
    secure = parts.scheme == "https"
    assert parts.hostname is not None
    connection = (
        http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=request.seconds, context=ssl.create_default_context()
        )
        if secure
        else http.client.HTTPConnection(parts.hostname, parts.port, timeout=request.seconds)
    )
    try:
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            raise ActionError(f"cannot reach {parts.netloc}: {error}") from None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(outgoing.method, target, outgoing.content, headers)
            if connection.sock is not None:
                connection.sock.settimeout(request.seconds)
            answer = connection.getresponse()
            text = answer.read(KEPT_ANSWER).decode("utf-8", "replace")
        except (ValueError, http.client.InvalidURL) as error:  # what cannot stand in a request was never sent
            raise ActionError(f"the request cannot be sent: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise ActionError(
                f"no answer from {parts.netloc}, which may have got the request: {why}", acted=True
            ) from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise ActionError(f"{parts.netloc} answered {answer.status} {answer.reason}: {text[:500]}")
    return {"status": answer.status, "answer": text}


def _allowed(settings: ServiceSettings, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port, parts = -1, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise ActionError(f"{url[:200]!r} is not an address of the form http://HOST:PORT/PATH")
    if settings.urls and not any(url.startswith(prefix) for prefix in settings.urls):
        raise ActionError(f"the configuration does not allow requests to {url[:200]!r}; see [actions]/allowed_urls")
    return parts


def _headers(settings: ServiceSettings, outgoing: Outgoing, request: ActionRequest) -> Mapping[str, str]:
    headers = {
        "User-Agent": f"congressd/{__version__}",
        "Idempotency-Key": request.activation,
        "Connection": "close",
    }
    if outgoing.content is not None:
        headers["Content-Type"] = outgoing.kind
    if outgoing.signed:
        if not settings.key:
            raise ActionError("the request shall be signed, but the configuration has no [actions]/signing_key")
        headers |= signature(settings.key, int(time.time()), outgoing.content or b"")
    return headers


def signature(key: bytes, at: int, content: bytes) -> dict[str, str]:
    """The headers that sign a body: HMAC-SHA256 over the time (seconds since 1970), a dot and the body."""
    mac = hmac.new(key, str(at).encode() + b"." + content, hashlib.sha256).hexdigest()
    return {"Congress-Timestamp": str(at), "Congress-Signature": f"sha256={mac}"}


def _content(body: Any) -> tuple[bytes | None, str]:
    if body is None:
        return None, ""
    if not isinstance(body, str):
        return jsontext.dumps(body), "application/json"
    kind = "application/json" if body[:1] in ("{", "[") else "text/plain; charset=utf-8"
    return body.encode("utf-8", "replace"), kind
