"""The Flask application over the route table, and the short way for the routes that are asked most.

Flask finds the route; what happens then is `congressd.api.dispatch`'s. Hot GETs do not even reach Flask: their
address is matched by hand, which takes a twentieth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from congressd.api import wire
from congressd.api.dispatch import Dispatcher, Reply
from congressd.api.routes import ROUTES
from congressd.api.service import Service
from congressd.model.errors import CongressError

_HOT: Final = tuple((route.path, tuple(route.path.split("/"))) for route in ROUTES if route.hot)
_MOST_ASKED: Final = 2_000  #: addresses with query strings that are remembered as they were understood


@dataclass(frozen=True, slots=True)
class _Asked:
    """A hot route and its parameters."""

    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, Any]


class Application(Flask):
    """The WSGI application of one `Service`."""

    def __init__(self, service: Service) -> None:
        super().__init__("congressd", static_folder=None)
        self.service = service
        self._dispatcher = Dispatcher(service)
        self._asked: dict[tuple[str, str], _Asked] = {}
        self.url_map.merge_slashes = False
        self.url_map.redirect_defaults = False
        paths: dict[str, list[str]] = {}
        for route in ROUTES:
            methods = paths.setdefault(route.path, [])
            if route.method not in methods:
                methods.append(route.method)
        for path, methods in paths.items():
            self.add_url_rule(path, path, self._view(path), methods=methods)
        self.register_error_handler(HTTPException, self._refused)

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer hot GETs at once, everything else by way of Flask."""
        if environ["REQUEST_METHOD"] == "GET":
            asked = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
            hot = self._asked.get(asked) or self._look(asked, environ)
            if hot is not None:
                reply = self._dispatcher.answer("GET", hot.path, hot.parameters, environ, hot.query)
                start_response(reply.status, [*reply.headers, ("Content-Length", str(len(reply.body)))])
                return (reply.body,)
        return super().wsgi_app(environ, start_response)

    def _look(self, asked: tuple[str, str], environ: wire.Environ) -> _Asked | None:
        """What an address asks of a hot route; kept for the next time. None if it is another route, or wrong."""
        path = wire.path_of(environ)
        found = None if path is None else _match_hot(path)
        if found is None:
            return None
        try:
            query = self._dispatcher.query("GET", found[0], environ)
        except CongressError:
            return None  # Flask's way tells what is wrong
        if len(self._asked) >= _MOST_ASKED:
            self._asked.clear()
        hot = self._asked[asked] = _Asked(found[0], found[1], query)
        return hot

    def _view(self, path: str) -> Callable[..., Response]:
        def view(**parameters: str) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            return _response(self._dispatcher.answer(method, path, parameters, request.environ))

        return view

    def _refused(self, error: HTTPException) -> Response:
        """What Flask itself refuses, in the API's own shape."""
        environ = request.environ
        path = repr(str(environ.get("PATH_INFO", ""))[:200])
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(error.valid_methods or ()))
            refusal = CongressError("method_not_allowed", f"{request.method[:20]} {path}; allowed: {allowed}")
            return _response(self._dispatcher.refusal(refusal, environ, [("Allow", allowed)]))
        if error.code == 404:
            refusal = CongressError(
                "not_found", f"there is nothing at {path}; GET /v1/openapi.json lists all addresses"
            )
        else:
            refusal = CongressError("bad_request", f"{path}: {error.description}")
        return _response(self._dispatcher.refusal(refusal, environ))


def create_app(service: Service) -> Application:
    """The WSGI application of a service."""
    return Application(service)


def _match_hot(path: str) -> tuple[str, Mapping[str, str]] | None:
    parts = path.split("/")
    for route, pattern in _HOT:
        if len(pattern) == len(parts):
            parameters = _matched(pattern, parts)
            if parameters is not None:
                return route, parameters
    return None


def _matched(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    parameters = {}
    for wanted, part in zip(pattern, parts, strict=True):
        if wanted[:1] == "<":
            if not part:
                return None
            parameters[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return parameters


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, reply.headers)
