"""The API as OpenAPI 3.1, made from the route table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from congressd import __version__
from congressd.api.bodies import ACTION
from congressd.api.routes import ROUTES, Route

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "error_code": {"type": "integer"},
                "error_data": {"description": "more about the error, by its code"},
            },
            "required": ["message", "error_code", "error_data"],
        }
    },
    "required": ["error"],
}


def document(server: str) -> dict[str, Any]:
    """The whole document; ``server`` is the address that it was asked at."""
    grouped: dict[tuple[str, str], list[Route]] = {}
    for route in ROUTES:
        grouped.setdefault((route.path, route.method.lower()), []).append(route)
    paths: dict[str, dict[str, Any]] = {}
    for (path, method), routes in grouped.items():
        paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", path), {})[method] = _operation(routes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "congressd",
            "version": __version__,
            "description": "Policy as a service; the REST API v1 of OpenStack Congress, and more.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR}},
    }


def _operation(routes: Sequence[Route]) -> dict[str, Any]:
    """One method of one path; several routes differ by ``action``."""
    route = routes[0]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.parameters
    ]
    for parameter in dict.fromkeys(parameter for each in routes for parameter in each.query):
        parameters.append(
            {
                "name": parameter.name,
                "in": "query",
                "description": parameter.doc,
                "schema": parameter.shape.schema(),
            }
        )
    actions = [each.action for each in routes if each.action]
    if actions:
        parameters.append(
            {"name": ACTION.name, "in": "query", "required": True, "schema": {"type": "string", "enum": actions}}
        )
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}_{route.method.lower()}"
        + ("_" if route.path.endswith("/") else ""),
        "summary": "; ".join(f"{each.action}: {each.summary}" if actions else each.summary for each in routes),
        "description": " ".join(
            f"Least role{f' for {each.action}' if each.action else ''}: {each.role}." for each in routes
        ),
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "done", "content": {"application/json": {}}},
            "default": {
                "description": "an error",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    bodies = [each.body.schema() for each in routes if each.body is not None]
    if bodies:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": bodies[0] if len(bodies) == 1 else {"anyOf": bodies}}},
        }
    return operation
