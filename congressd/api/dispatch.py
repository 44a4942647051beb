"""From a request to the bytes of its answer: role, parameters, body, handler, errors, headers. Nothing of Flask."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from congressd.api import bodies, wire
from congressd.api.callers import ROLES
from congressd.api.calls import JSON, Answer, Call
from congressd.api.context import REQUEST_ID
from congressd.api.errors import error_body
from congressd.api.routes import ROUTES, Route
from congressd.api.service import Service
from congressd.api.shapes import Parameter
from congressd.model import jsontext
from congressd.model.errors import CongressError

LOG = logging.getLogger(__name__)

_REASONS: Final = {
    200: "200 OK",
    201: "201 Created",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    409: "409 Conflict",
    413: "413 Content Too Large",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}

Headers = list[tuple[str, str]]
Query = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes to the client."""

    status: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    """A method of an address: its routes by ``action`` (None: the only one), and all query parameters."""

    routes: Mapping[str | None, Route]
    parameters: Mapping[str, Parameter]
    label: str
    role: str  #: the least that any of the routes takes


class Dispatcher:
    """Answers requests for the routes of the table."""

    def __init__(self, service: Service) -> None:
        self._service = service
        grouped: dict[tuple[str, str], list[Route]] = {}
        for route in ROUTES:
            grouped.setdefault((route.method, route.path), []).append(route)
        self._entries = {key: _entry(routes) for key, routes in grouped.items()}

    def answer(
        self, method: str, path: str, parameters: Mapping[str, str], environ: wire.Environ, query: Query | None = None
    ) -> Reply:
        """The reply for a method and path of the table, with the variable parts of the path. Never raises.

        ``query`` may be what `query` made of the same query string before.
        """
        started = time.perf_counter()
        entry = self._entries[(method, path)]
        identity = wire.request_id(environ)
        token = REQUEST_ID.set(identity)
        try:
            reply = self._try(entry, parameters, environ, query, identity)
        finally:
            REQUEST_ID.reset(token)
        self._service.metrics.answered(method, entry.label, int(reply.status[:3]), time.perf_counter() - started)
        return reply

    def query(self, method: str, path: str, environ: wire.Environ) -> Query:
        """The checked query parameters for a method and path of the table. Raises CongressError ``bad_request``."""
        return wire.query_of(environ, self._entries[(method, path)].parameters)

    def refusal(self, error: CongressError, environ: wire.Environ, extra: Sequence[tuple[str, str]] = ()) -> Reply:
        """The reply for what is not in the table."""
        headers = [("Content-Type", JSON), *_identity(wire.request_id(environ)), *extra]
        return Reply(_status(error.code.status), headers, error_body(error))

    def _try(
        self,
        entry: _Entry,
        parameters: Mapping[str, str],
        environ: wire.Environ,
        query: Query | None,
        identity: str,
    ) -> Reply:
        try:
            answer = self._perform(entry, parameters, environ, query)
            if answer.token is None:
                answer_token = str(self._service.node.holder.progress.token())
            else:
                answer_token = answer.token
            body = answer.body if isinstance(answer.body, bytes) else jsontext.dumps(answer.body)
            headers = [("Content-Type", answer.content_type), ("Congress-Revision", answer_token), *_identity(identity)]
            if answer.stale or not self._service.node.streams.connected:
                headers.append(("Congress-Stale", self._stale(answer.stale)))
            headers += answer.headers.items()
            return Reply(_status(answer.status), headers, body)
        except CongressError as error:
            return self._failed(error, identity)
        except Exception:
            LOG.exception("request=%s route=%s: the handler failed", identity, entry.label)
            return self._failed(
                CongressError("internal", f"this is a defect of congressd; the log has it under {identity}"), identity
            )

    def _stale(self, sources: Sequence[str]) -> str:
        """What may be out of date: ``*`` if this node is cut off from the bus, and the sources known to be so."""
        return ",".join(sources if self._service.node.streams.connected else ("*", *sources))

    def _failed(self, error: CongressError, identity: str) -> Reply:
        headers = [("Content-Type", JSON), *_identity(identity)]
        if not self._service.node.streams.connected:
            headers.append(("Congress-Stale", self._stale(())))
        if error.code.status == 503:
            headers.append(("Retry-After", "1"))
            LOG.warning("request=%s code=%s: %s", identity, error.code.name, error.detail)
        if error.code.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        return Reply(_status(error.code.status), headers, error_body(error))

    def _perform(
        self, entry: _Entry, parameters: Mapping[str, str], environ: wire.Environ, query: Query | None
    ) -> Answer:
        # X-Auth-Token is what the clients of OpenStack send.
        caller = self._service.access.identify(
            environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_AUTH_TOKEN"), entry.role
        )
        if not caller.may(entry.role):
            raise _forbidden(caller.role, entry.role)
        if query is None:
            query = wire.query_of(environ, entry.parameters)
        route = _chosen(entry, query)
        if not caller.may(route.role):
            raise _forbidden(caller.role, route.role)
        freshness = wire.freshness_of(environ, query)
        body = None if route.body is None else wire.body_of(environ, route.body)
        if freshness.at_least is not None:
            self._service.node.freshener.revision(freshness.at_least)
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        return route.handler(
            self._service, Call(parameters, query, body, partial(wire.url_of, environ), caller, freshness, key)
        )


def _entry(routes: Sequence[Route]) -> _Entry:
    parameters = {each.name: each for route in routes for each in route.query}
    if any(route.action for route in routes):
        parameters[bodies.ACTION.name] = bodies.ACTION
    role = min((route.role for route in routes), key=ROLES.index)
    return _Entry({route.action: route for route in routes}, parameters, routes[0].path, role)


def _chosen(entry: _Entry, query: Query) -> Route:
    """The route that ``?action=`` names. Raises CongressError ``bad_request``."""
    if bodies.ACTION.name not in entry.parameters:
        return entry.routes[None]
    wanted = query.get(bodies.ACTION.name)
    route = entry.routes.get(wanted if isinstance(wanted, str) else None)
    if route is None:
        actions = ", ".join(str(action) for action in entry.routes if action)
        given = "is missing" if wanted is None else f"{wanted!r} is not known"
        raise CongressError("bad_request", f"the query parameter action {given}; allowed: {actions}")
    return route


def _forbidden(role: str, wanted: str) -> CongressError:
    return CongressError("forbidden", f"the role {role!r} may not do that; it takes {wanted!r}")


def _status(number: int) -> str:
    return _REASONS.get(number) or f"{number} Unknown"


def _identity(identity: str) -> Headers:
    return [("X-Request-Id", identity), ("X-Openstack-Request-Id", identity)]
