"""What the service says of itself: versions, health, metrics, OpenAPI, drivers."""

from __future__ import annotations

from typing import Any

from congressd import __version__
from congressd.api.calls import Answer, Call, listing
from congressd.api.look import Look
from congressd.api.metrics import CONTENT_TYPE
from congressd.api.service import Service

_UPDATED = "2013-08-12T17:42:13Z"  # what Congress says


def _version(links: list[dict[str, str]]) -> dict[str, Any]:
    return {"id": "v1", "status": "CURRENT", "updated": _UPDATED, "links": links}


def versions(_service: Service, call: Call) -> Answer:
    """GET /"""
    return Answer({"versions": [_version([{"rel": "self", "href": f"{call.url.rstrip('/')}/v1/"}])]})


def version(_service: Service, call: Call) -> Answer:
    """GET /v1"""
    own = f"{call.url.rstrip('/')}/"
    links = [
        {"rel": "self", "href": own},
        {"rel": "describedby", "type": "application/json", "href": f"{own}openapi.json"},
    ]
    return Answer({"version": _version(links)})


def openapi(_service: Service, call: Call) -> Answer:
    """GET /v1/openapi.json"""
    from congressd.api.openapi import document  # reads the route table, which names this handler

    return Answer(document(call.url.removesuffix("/v1/openapi.json")))


def healthz(_service: Service, _call: Call) -> Answer:
    """GET /healthz"""
    return Answer({"status": "alive", "version": __version__})


def readyz(service: Service, _call: Call) -> Answer:
    """GET /readyz"""
    readiness = service.node.readiness()
    document = {
        "ready": readiness.ready,
        "missing": list(readiness.missing),
        "revision": readiness.revision,
        "sources": readiness.sources,
        "bus": readiness.bus,
        "access": service.access.problem or "fine",
        **service.labels,
    }
    return Answer(document, 200 if readiness.ready else 503)


def metrics(service: Service, _call: Call) -> Answer:
    """GET /metrics"""
    return Answer(service.metrics.text(service), content_type=CONTENT_TYPE)


def status(service: Service, _call: Call) -> Answer:
    """GET /v1/system/status"""
    return Answer(Look(service).document())


def drivers(service: Service, _call: Call) -> Answer:
    """GET /v1/system/drivers"""
    return listing(service.node.sources.drivers())


def driver(service: Service, call: Call) -> Answer:
    """GET /v1/system/drivers/<driver>"""
    return Answer(service.node.sources.driver(call.path["driver"]))
