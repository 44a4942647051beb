"""The whole REST API on one screen: every route with its handler, role, parameters and body.

Dispatch, OpenAPI (`congressd.api.openapi`) and docs/rest.md are made from this table; there is no other place where
a route is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from congressd.api import actions, bodies, policies, revisions, rules, sources, system, tables
from congressd.api.calls import Handler
from congressd.api.shapes import Parameter, Shape


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address.

    ``role`` is the least that a caller must have. ``hot`` routes are answered before Flask sees them. ``action``
    stands for the ``?action=`` that tells apart several POSTs of one address.
    """

    method: str
    path: str
    handler: Handler
    role: str
    summary: str
    query: tuple[Parameter, ...] = ()
    body: Shape | None = None
    action: str | None = None
    hot: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the variable parts of the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("<"))


_STALE = bodies.MAX_STALENESS

ROUTES: Final = (
    Route("GET", "/", system.versions, "anyone", "the versions of the API"),
    Route("GET", "/v1", system.version, "anyone", "version 1 of the API"),
    Route("GET", "/v1/", system.version, "anyone", "version 1 of the API"),
    Route("GET", "/v1/openapi.json", system.openapi, "anyone", "this API as OpenAPI 3.1"),
    Route("GET", "/healthz", system.healthz, "anyone", "200 while the process lives"),
    Route(
        "GET", "/readyz", system.readyz, "anyone", "200 when this node may take calls, else 503; says what is missing"
    ),
    Route("GET", "/metrics", system.metrics, "reader", "figures for Prometheus; docs/metrics.md lists them"),
    # Policies
    Route("GET", "/v1/policies", policies.index, "reader", "all policies"),
    Route(
        "POST", "/v1/policies", policies.create, "author", "make a policy, with rules or without", body=bodies.POLICY
    ),
    Route("GET", "/v1/policies/<policy>", policies.show, "reader", "one policy, by name or id"),
    Route(
        "PUT",
        "/v1/policies/<policy>",
        policies.replace,
        "author",
        "change a policy; fields left out take their defaults, and rules, if given, take the place of all its rules",
        body=bodies.POLICY_PATCH,
    ),
    Route(
        "PATCH", "/v1/policies/<policy>", policies.update, "author", "change what is given", body=bodies.POLICY_PATCH
    ),
    Route("DELETE", "/v1/policies/<policy>", policies.delete, "author", "delete a policy with its rules"),
    Route("GET", "/v1/policies/<policy>/status", policies.status, "reader", "a policy's state and its waiting rules"),
    Route(
        "POST",
        "/v1/policies/<policy>",
        tables.simulate,
        "reader",
        "what a query would answer after changes; nothing is changed",
        query=(bodies.DELTA, bodies.TRACE, _STALE),
        body=bodies.SIMULATION,
        action="simulate",
    ),
    Route(
        "GET",
        "/v1/policies/<policy>/query",
        tables.query,
        "reader",
        "the rows that an atom or a rule matches, found by indexes on its constants; with `trace`, for an atom, why "
        "each holds; `warnings`, if any, tell of tables that nothing defines and of rules that do not work",
        query=(bodies.QUERY, bodies.TRACE, bodies.MOST_ROWS, _STALE),
        hot=True,
    ),
    Route(
        "POST",
        "/v1/policies/<policy>",
        actions.execute_of_policy,
        "operator",
        "ask for an action, once; the answer has the id of its activation",
        body=bodies.EXECUTION,
        action="execute",
    ),
    # Rules
    Route("GET", "/v1/policies/<policy>/rules", rules.index, "reader", "all rules of a policy"),
    Route(
        "POST",
        "/v1/policies/<policy>/rules",
        rules.create,
        "author",
        'add a rule; or several, as `{"rules": [...]}`, taken or refused as one',
        body=bodies.RULE_OR_RULES,
    ),
    Route(
        "PUT",
        "/v1/policies/<policy>/rules",
        rules.replace_all,
        "author",
        "put these rules in the place of all rules of the policy; rules that stay the same keep their ids",
        body=bodies.RULES,
    ),
    Route("GET", "/v1/policies/<policy>/rules/<rule>", rules.show, "reader", "one rule"),
    Route("PUT", "/v1/policies/<policy>/rules/<rule>", rules.replace, "author", "replace a rule", body=bodies.RULE),
    Route(
        "PATCH", "/v1/policies/<policy>/rules/<rule>", rules.update, "author", "change a rule", body=bodies.RULE_PATCH
    ),
    Route("DELETE", "/v1/policies/<policy>/rules/<rule>", rules.delete, "author", "delete a rule"),
    Route(
        "GET", "/v1/policies/<policy>/rules/<rule>/status", rules.status, "reader", "whether a rule works, and why not"
    ),
    # Tables
    Route("GET", "/v1/policies/<policy>/tables", tables.index, "reader", "the tables that a policy defines or reads"),
    Route("GET", "/v1/policies/<policy>/tables/<table>", tables.show, "reader", "one table"),
    Route(
        "GET",
        "/v1/policies/<policy>/tables/<table>/rows",
        tables.rows,
        "reader",
        "the rows of a table; `warnings`, if any, tell of rules that it rests on and that do not work",
        query=(bodies.TRACE, bodies.MOST_ROWS, _STALE),
        hot=True,
    ),
    # Data sources
    Route("GET", "/v1/data-sources", sources.index, "reader", "all data sources; secrets are hidden"),
    Route("POST", "/v1/data-sources", sources.create, "operator", "add a data source", body=bodies.SOURCE),
    Route("GET", "/v1/data-sources/<source>", sources.show, "reader", "one data source, by name or id"),
    Route(
        "PUT",
        "/v1/data-sources/<source>",
        sources.replace,
        "operator",
        "change a data source; a secret given as `<hidden>` stays as it is",
        body=bodies.SOURCE_PATCH,
    ),
    Route(
        "PATCH",
        "/v1/data-sources/<source>",
        sources.update,
        "operator",
        "change what is given",
        body=bodies.SOURCE_PATCH,
    ),
    Route(
        "DELETE", "/v1/data-sources/<source>", sources.delete, "operator", "delete a data source and its pushed rows"
    ),
    Route(
        "POST",
        "/v1/data-sources/<source>",
        sources.refresh,
        "operator",
        "read the source now instead of at the next poll",
        body=bodies.NOTHING,
        action="request-refresh",
    ),
    Route(
        "POST",
        "/v1/data-sources/<source>",
        actions.execute_of_source,
        "operator",
        "ask for an action of the source, once; the answer has the id of its activation",
        body=bodies.EXECUTION,
        action="execute",
    ),
    Route(
        "GET", "/v1/data-sources/<source>/schema", sources.schema, "reader", "the tables of a source and their columns"
    ),
    Route("GET", "/v1/data-sources/<source>/status", sources.status, "reader", "how the reading of a source goes"),
    Route("GET", "/v1/data-sources/<source>/actions", sources.actions, "reader", "the actions that a source can run"),
    Route("GET", "/v1/data-sources/<source>/tables", sources.tables, "reader", "the tables of a source"),
    Route("GET", "/v1/data-sources/<source>/tables/<table>", sources.table, "reader", "one table of a source"),
    Route("GET", "/v1/data-sources/<source>/tables/<table>/spec", sources.spec, "reader", "the columns of a table"),
    Route(
        "GET",
        "/v1/data-sources/<source>/tables/<table>/rows",
        sources.rows,
        "reader",
        "the rows of a table of a source",
        query=(bodies.MOST_ROWS, _STALE),
        hot=True,
    ),
    Route(
        "PUT",
        "/v1/data-sources/<source>/tables/<table>/rows",
        sources.push_table,
        "operator",
        "push: put these rows in the place of the whole table; durable when answered",
        body=bodies.ROWS,
    ),
    Route(
        "PATCH",
        "/v1/data-sources/<source>/tables/<table>/rows",
        sources.push_changes,
        "operator",
        "push: add, change and delete single rows; durable when answered",
        body=bodies.ROWS_PATCH,
    ),
    # Actions
    Route(
        "GET",
        "/v1/actions",
        actions.index,
        "reader",
        "the execution log, newest first: what is to be done to the world, and what became of it",
        query=bodies.ACTIONS_QUERY,
    ),
    Route("GET", "/v1/actions/<activation>", actions.show, "reader", "one activation"),
    Route(
        "POST",
        "/v1/actions/<activation>",
        actions.approve,
        "operator",
        "let an activation that awaits approval be run",
        body=bodies.NOTHING,
        action="approve",
    ),
    Route(
        "POST",
        "/v1/actions/<activation>",
        actions.reject,
        "operator",
        "do not let an activation that awaits approval be run",
        body=bodies.NOTHING,
        action="reject",
    ),
    Route(
        "POST",
        "/v1/actions/<activation>",
        actions.cancel,
        "operator",
        "do not run an activation that has not begun",
        body=bodies.NOTHING,
        action="cancel",
    ),
    Route(
        "POST",
        "/v1/actions/<activation>",
        actions.retry,
        "operator",
        "run an activation that failed, or of which nobody knows whether it was done, once more",
        body=bodies.NOTHING,
        action="retry",
    ),
    Route(
        "POST",
        "/v1/actions/<activation>",
        actions.resolve,
        "operator",
        "settle an activation of which nobody knows whether it was done",
        body=bodies.RESOLUTION,
        action="resolve",
    ),
    Route(
        "GET",
        "/v1/system/actions",
        actions.status,
        "reader",
        "what executes: the leading node, rules that are held back and why, activations by state",
    ),
    # The service
    Route(
        "GET",
        "/v1/revisions",
        revisions.index,
        "reader",
        "who changed what, and when, by revision; of a revision with many changes only the first are told",
        query=(bodies.SINCE, bodies.LIMIT),
    ),
    Route(
        "GET",
        "/v1/system/status",
        system.status,
        "reader",
        "all nodes, and of this one how its sources, rules, engine and queues are",
    ),
    Route("GET", "/v1/system/drivers", system.drivers, "reader", "the drivers that a data source can have"),
    Route("GET", "/v1/system/drivers/<driver>", system.driver, "reader", "one driver: its options and tables"),
)
