"""Tables, rows, queries and simulation over REST."""

from __future__ import annotations

from congressd.api.calls import Answer, Call, listing
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
    staleness = call.query["max_staleness"]
    if call.query["trace"]:
        result = queries.explained_rows(call.path["policy"], call.path["table"], staleness)
    else:
        result = queries.rows(call.path["policy"], call.path["table"], staleness)
    return Answer(result.body, token=result.token)


def query(service: Service, call: Call) -> Answer:
    """GET /v1/policies/<policy>/query?q=..."""
    text = call.query["q"]
    if text is None:
        raise CongressError("query_syntax", "q is missing: an atom such as error(x), or a whole rule")
    result = service.node.queries.query(call.path["policy"], text, call.query["max_staleness"])
    return Answer(result.body, token=result.token)


def simulate(service: Service, call: Call) -> Answer:
    """POST /v1/policies/<policy>?action=simulate"""
    result = service.node.queries.simulate(
        call.path["policy"],
        query=call.body["query"],
        sequence=call.body["sequence"],
        action_policy=call.body["action_policy"],
        delta=call.query["delta"],
        trace=call.query["trace"],
    )
    return Answer(result.body, token=result.token)
