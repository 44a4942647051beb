"""Tables, rows, queries and simulation over REST."""

from __future__ import annotations

from congressd.api.calls import Answer, Call, from_result, listing
from congressd.api.service import Service
from congressd.model.errors import CongressError


def index(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/tables"""
    return listing([{"id": name} for name in service.node.queries.tables(call.path["policy"])])


def show(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/tables/<table>"""
    name = call.path["table"]
    service.node.queries.table(call.path["policy"], name)
    return Answer({"id": name})


def rows(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/tables/<table>/rows"""
    queries = service.node.queries
    listed = queries.explained_rows if call.query["trace"] else queries.rows
    return from_result(listed(call.path["policy"], call.path["table"], call.freshness, call.query["limit"]))


def query(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/query?q=..."""
    text = call.query["q"]
    if text is None:
        raise CongressError("query_syntax", "q is missing: an atom such as error(x), or a whole rule")
    queries = service.node.queries
    answered = queries.explained_query if call.query["trace"] else queries.query
    return from_result(answered(call.path["policy"], text, call.freshness, call.query["limit"]))


def simulate(service: Service, call: Call) -> Answer:
    """POST /v1/policies/<policy>?action=simulate"""
    return from_result(
        service.node.queries.simulate(
            call.path["policy"],
            query=call.body["query"],
            sequence=call.body["sequence"],
            action_policy=call.body["action_policy"],
            delta=call.query["delta"],
            trace=call.query["trace"],
            wanted=call.freshness,
        )
    )
