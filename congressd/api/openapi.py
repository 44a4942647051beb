"""The API as OpenAPI 3.1, made from the route table."""

from __future__ import annotations

import re
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
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = re.sub(r"<(\w+)>", r"{\1}", route.path)
        item = paths.setdefault(path, {})
        item[route.method.lower()] = _operation(route)
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


def _operation(route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.parameters
    ]
    for parameter in route.query:
        parameters.append(
            {
                "name": parameter.name,
                "in": "query",
                "description": parameter.doc,
                "schema": parameter.shape.schema(),
            }
        )
    if route.action:
        parameters.append(
            {"name": ACTION.name, "in": "query", "required": True, "schema": {"type": "string", "enum": [route.action]}}
        )
    operation: dict[str, Any] = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}_{route.method.lower()}"
        + ("_" if route.path.endswith("/") else ""),
        "summary": route.summary,
        "description": f"Least role: {route.role}.",
        "parameters": parameters,
        "responses": {
            "2XX": {"description": "done", "content": {"application/json": {}}},
            "default": {
                "description": "an error",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": route.body.schema()}},
        }
    return operation
