"""From WSGI to checked requests: headers, query strings and bodies, all of them hostile until they were looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import getrandbits
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from congressd.api.shapes import Parameter, Shape
from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.model.nearest import hint
from congressd.pe.freshness import ANY, Freshness
from congressd.pe.token import parse_token

MOST_BYTES: Final = 64 * 1024 * 1024  #: of a request's body
MOST_PARAMETERS: Final = 50
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,100}\Z")

Environ = Mapping[str, Any]


def request_id(environ: Environ) -> str:
    """The client's own id for the request if it can be put into logs as it is, else a new one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    if given and _REQUEST_ID.match(given):
        return str(given)
    # Not os.urandom, which lets go of the interpreter: under load that costs more than all the rest of a hot request.
    text = f"{getrandbits(128):032x}"
    return f"req-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def path_of(environ: Environ) -> str | None:
    """The decoded path; None if it is not UTF-8."""
    try:
        return str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None


def url_of(environ: Environ) -> str:
    """The absolute address of the request, without its query string."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    path = quote(str(environ.get("PATH_INFO", "")).encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~-._")
    return f"{environ['wsgi.url_scheme']}://{host}{path}"


def query_of(environ: Environ, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """The checked query parameters, defaults included. Raises CongressError ``bad_request``."""
    text = environ.get("QUERY_STRING", "")
    values = {name: parameter.default for name, parameter in known.items()}
    if not text:
        return values
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise CongressError("bad_request", "the query string is not UTF-8") from None
    except ValueError:
        raise CongressError("bad_request", f"the query string has more than {MOST_PARAMETERS} parameters") from None
    seen = set()
    for name, value in pairs:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise CongressError(
                "bad_request",
                f"there is no query parameter {name[:80]!r} here; allowed: {allowed}.{hint(name[:80], known)}",
            )
        if name in seen:
            raise CongressError("bad_request", f"the query parameter {name!r} is given more than once")
        seen.add(name)
        values[name] = known[name].shape.check(value, name)
    return values


def freshness_of(environ: Environ, query: Mapping[str, Any]) -> Freshness:
    """What the request asks for by ``Congress-At-Least`` and ``max_staleness``."""
    at_least = environ.get("HTTP_CONGRESS_AT_LEAST")
    staleness = query.get("max_staleness")
    if at_least is None and staleness is None:
        return ANY
    return Freshness(parse_token(at_least) if at_least else None, staleness)


def body_of(environ: Environ, shape: Shape) -> Any:
    """The checked JSON body. Raises CongressError ``bad_request``, ``too_large``, or what the shape raises."""
    content_type, _, parameters = str(environ.get("CONTENT_TYPE", "")).partition(";")
    charset = parameters.strip().lower()
    if content_type.strip().lower() != "application/json":
        raise CongressError("bad_request", "Unsupported Content-Type; must be 'application/json'")
    if charset.startswith("charset=") and charset.removeprefix("charset=").strip('"') not in (
        "utf-8",
        "utf8",
        "us-ascii",
    ):
        raise CongressError("bad_request", f"Unsupported charset {charset[:60]!r}; must be utf-8")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise CongressError("bad_request", "Unsupported Content-Encoding; send the body as it is")
    return shape.check(_decode(_read(environ)), "body")


def _read(environ: Environ) -> bytes:
    text = environ.get("CONTENT_LENGTH") or ""
    if text:
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise CongressError("bad_request", f"the Content-Length {text[:40]!r} is not a number of bytes")
        length = int(text)
        if length > MOST_BYTES:
            raise CongressError("too_large", f"the body has {length} bytes; at most {MOST_BYTES} are taken")
        body = bytes(environ["wsgi.input"].read(length))
        if len(body) < length:
            raise CongressError("bad_request", f"the body ends after {len(body)} of {length} bytes")
        return body
    if not environ.get("wsgi.input_terminated"):
        return b""
    body = bytes(environ["wsgi.input"].read(MOST_BYTES + 1))
    if len(body) > MOST_BYTES:
        raise CongressError("too_large", f"the body has more than {MOST_BYTES} bytes")
    return body


def _decode(body: bytes) -> Any:
    if not body:
        raise CongressError("bad_request", "the body is empty; it must be JSON")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CongressError(
            "bad_request", f"the body is not UTF-8: byte {error.start} is {body[error.start]:#04x}"
        ) from None
    try:
        item = jsontext.loads(text)
    except RecursionError:
        raise CongressError("bad_request", "the body is nested too deeply") from None
    except ValueError as error:
        raise CongressError("bad_request", f"the body is not JSON: {error}") from None
    if "\\u" in text and not _is_text(item):
        raise CongressError(
            "bad_request", "the body holds half of a surrogate pair (such as \\ud800), which is no character"
        )
    return item


def _is_text(item: Any) -> bool:
    """Whether all strings in a decoded body can be written as UTF-8."""
    try:
        jsontext.dumps(item).decode("utf-8")
    except (UnicodeError, RecursionError):
        return False
    return True
