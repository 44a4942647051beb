"""Data sources over REST: their configuration, state and rows, and pushes."""

from __future__ import annotations

from typing import Any

from congressd.api.calls import Answer, Call, created, from_result, listing
from congressd.api.service import Service
from congressd.model.tables import TableSchema
from congressd.pe.sources import HIDDEN
from congressd.store.pushrows import PushMode
from congressd.store.records import SourceRecord


def source_document(source: SourceRecord) -> dict[str, Any]:
    """A data source as JSON, in Congress' shape. Secrets never leave: each is shown as ``<hidden>``."""
    return {
        "id": source.id,
        "name": source.name,
        "driver": source.driver,
        "description": source.description,
        "type": None,
        "enabled": source.enabled,
        "config": dict(source.config) | dict.fromkeys(source.secrets, HIDDEN),
    }


def table_document(schema: TableSchema) -> dict[str, Any]:
    """The columns of a table as JSON, in Congress' shape, with types and the key besides."""
    return {
        "table_id": schema.name,
        "columns": [
            {"name": column.name, "description": column.description, "type": column.type} for column in schema.columns
        ],
        "key": list(schema.key),
    }


def index(service: Service, _call: Call) -> Answer:
    """GET /v1/data-sources"""
    return listing([source_document(source) for source in service.node.sources.all()])


def show(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>"""
    return Answer(source_document(service.node.sources.get(call.path["source"])))


def create(service: Service, call: Call) -> Answer:
    """POST /v1/data-sources"""
    return created(call, source_document(service.node.sources.create(call.body, call.author)))


def replace(service: Service, call: Call) -> Answer:
    """PUT /v1/data-sources/<source>"""
    return _change(service, call, {"description": "", "enabled": True, "config": {}} | call.body, partial=False)


def update(service: Service, call: Call) -> Answer:
    """PATCH /v1/data-sources/<source>: options in ``config`` that are left out stay as they are."""
    return _change(service, call, dict(call.body), partial=True)


def _change(service: Service, call: Call, fields: dict[str, Any], *, partial: bool) -> Answer:
    return Answer(
        source_document(service.node.sources.update(call.path["source"], fields, call.author, partial=partial))
    )


def delete(service: Service, call: Call) -> Answer:
    """DELETE /v1/data-sources/<source>; the body is null, as Congress' is."""
    service.node.sources.delete(call.path["source"], call.author)
    return Answer(None)


def refresh(service: Service, call: Call) -> Answer:
    """POST /v1/data-sources/<source>?action=request-refresh"""
    service.node.sources.refresh(call.path["source"])
    return Answer(None)


def schema(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/schema"""
    return Answer({"tables": [table_document(each) for each in service.node.sources.schema(call.path["source"])]})


def status(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/status"""
    return Answer(service.node.sources.status(call.path["source"]))


def actions(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/actions"""
    return listing(service.node.sources.actions(call.path["source"]))


def tables(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/tables"""
    return listing([{"id": each.name} for each in service.node.sources.schema(call.path["source"])])


def table(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/tables/<table>"""
    return Answer({"id": service.node.sources.table(call.path["source"], call.path["table"]).name})


def spec(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/tables/<table>/spec"""
    return Answer(table_document(service.node.sources.table(call.path["source"], call.path["table"])))


def rows(service: Service, call: Call) -> Answer:
    """GET /v1/data-sources/<source>/tables/<table>/rows"""
    source = service.node.sources.get(call.path["source"])
    service.node.sources.table(source.id, call.path["table"])
    queries = service.node.queries
    return from_result(queries.rows(source.name, call.path["table"], call.freshness, call.query["limit"]))


def push_table(service: Service, call: Call) -> Answer:
    """PUT /v1/data-sources/<source>/tables/<table>/rows"""
    return _push(service, call, "replace")


def push_changes(service: Service, call: Call) -> Answer:
    """PATCH /v1/data-sources/<source>/tables/<table>/rows"""
    return _push(service, call, "change")


def _push(service: Service, call: Call, mode: PushMode) -> Answer:
    token = service.node.pushes.push(call.path["source"], call.path["table"], call.body, mode, call.idempotency_key)
    return Answer(b"", token=str(token))
