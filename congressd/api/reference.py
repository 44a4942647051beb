"""docs/rest.md and docs/errors.md, made from the tables of routes and errors.

``python -m congressd.api.reference docs`` writes them; a test says when they are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from congressd.api.bodies import ACTION
from congressd.api.routes import ROUTES, Route
from congressd.api.shapes import ListOf, MapOf, Object, OneOrMany, Shape, Text
from congressd.engine.budget import MOST_ASKED_ROWS, MOST_ASKED_SECONDS
from congressd.model.errors import CODES

_MADE = "<!-- Made from {0} with\n`python -m congressd.api.reference docs`; a test says when it is out of date. -->\n"

_REST_HEAD: Final = f"""# The REST API

{_MADE.format("congressd/api/routes.py")}
The API is REST v1 of OpenStack Congress, and more. `GET /v1/openapi.json` gives it as OpenAPI 3.1 to programs.

```console
$ curl -s http://127.0.0.1:1789/v1/policies -H 'Content-Type: application/json' \\
    -d '{{"name": "security", "rules": [{{"rule": "open(x) :- cloud:ports(id=x, open=true)"}}]}}'
$ curl -s http://127.0.0.1:1789/v1/policies/security/tables/open/rows
{{"results":[{{"data":["port-1"]}}],"columns":["x"]}}
```

**Requests.** A body is JSON in UTF-8, sent with `Content-Type: application/json`, of at most 64 MiB. A policy, rule or
data source is named by its name or its id. Query parameters that are true or false take `true` and `True`. What is not
known (a field, a query parameter) is refused, not ignored; fields that a client got from a GET may be sent back.

**Answers.** A collection is `{{"results": [...]}}`, an element the object itself, rows are `{{"data": [...]}}` in an
order that is the same for the same rows, with the names of their `columns` beside them (null where nothing names one).
What was created is answered with 201 and `Location`. Values are JSON's own: `1`, `"1"` and `true` are all different.
Secrets are shown as `<hidden>`; sent back so they stay as they are.

Answers with rows have `warnings`, a list of sentences, where rules that they rest on do not work, since they wait or
are disabled; without them the rows may be too few, or too many. `limit` asks for the first rows only; an answer that
was cut so says `"truncated": true`.

**Not yet** of REST v1: `/v1/librarypolicies`, webhooks of data sources, and the drivers of OpenStack services (nova,
neutron, keystone, ...): `GET /v1/system/drivers` lists those that there are.

**Errors** are `{{"error": {{"message", "error_code", "error_data"}}}}`; see [errors](errors.md). The load
balancer's own have the same shape: 408, a request that came too slowly; 502 and 504, a policy engine that took the
request and gave no answer: what was to change may have changed, and a push is repeated with its `Idempotency-Key`. Only
what it cannot read as HTTP, or does not get the head of within ten seconds, it refuses in HTML.

**Roles**, where callers must show who they are (`auth_strategy = token`): `reader`, `author` (policies), `operator`
(sources, pushes, actions, and rules that ask for actions: an `execute[...]` rule is made and changed by operators
only), `admin`; each may do what those before it may. `congressd token create NAME --role ROLE`
makes a token; its name is the author of its changes in `GET /v1/revisions`. Without a good token the answer is 401,
with too small a role 403. TLS is the load balancer's: do not send tokens over a network in the clear.

| header | | meaning |
| --- | --- | --- |
"""

#: Headers besides those of HTTP: name, where it stands, meaning.
_HEADERS: Final = (
    (
        "Congress-Revision",
        "answer",
        "the state that the answer came from, `policy=12,nova=1763812345678.15`: the policy revision and, for each "
        "source read, epoch and sequence of its last batch; the answer to a push has the push's number, `doc=/7`",
    ),
    (
        "Congress-At-Least",
        "request",
        "such a state: the answer is at least as new, whichever node gives it, or 503 with `Retry-After`",
    ),
    (
        "Congress-Stale",
        "answer",
        "what may be out of date: sources that the answer rests on and of which no rows are held, nothing was heard "
        "for a while, or which could not be read for a while; `*` for everything, since this node is cut off from the "
        "bus",
    ),
    ("Authorization", "request", "`Bearer TOKEN`, where callers must show who they are"),
    ("X-Auth-Token", "request", "the token alone, as clients of OpenStack send it"),
    ("Idempotency-Key", "request", "a push with the same key and rows counts once, however often it is sent"),
    ("X-Request-Id", "both", "names the request in answers, errors and logs; made if the client gives none"),
)

_ERRORS_HEAD: Final = f"""# Errors

{_MADE.format("congressd/model/errors.py")}
Every error of the REST API has one shape:

```json
{{"error": {{"message": "Policy does not exist::there is no policy 'alise'", "error_code": 1020, "error_data": null}}}}
```

`message` begins with the summary of the code; what follows `::` names the value at fault and says what is allowed.
`error_data` is for programs; for errors in a text of the policy language it has `line`, `column`, `found` and
`expected`. Codes below 1000 are the HTTP status, 1000 to 1022 are those of OpenStack Congress, those from 1100 on are
congressd's own. A code never changes its meaning.
"""

#: What a reader of the error can do, for every code.
ADVICE: Final[Mapping[str, str]] = {
    "bad_request": "Read the message: it names the header, parameter or field and what is allowed there.",
    "unauthorized": "Send `Authorization: Bearer TOKEN` with a token that the service knows.",
    "forbidden": "Ask somebody whose role is enough; the message names it. What always exists cannot be renamed.",
    "not_found": "Look at the listing of what you asked for; the message has the nearest name, if one is near.",
    "method_not_allowed": "The header `Allow` has the methods of this address.",
    "conflict": "Something stands against it: a name that several rules have, an `Idempotency-Key` that was used for "
    "other rows, rows pushed to a source that is polled. The message says which.",
    "too_large": "Send less at once: a table can be pushed in several `PATCH` requests.",
    "unsupported_media_type": "Send JSON with `Content-Type: application/json`.",
    "internal": "A defect of congressd. The log has it under the `X-Request-Id` of the answer; please report it.",
    "unavailable": "Try again after the seconds of `Retry-After`: the database or a datasource node does not answer, "
    "or this node has not come as far as `Congress-At-Least` or `max_staleness` ask for.",
    "unknown": "Kept for clients of Congress; congressd uses the fitting code instead.",
    "add_item_id": "POST to the collection, without an id.",
    "rule_syntax": "The text is not a rule, or not one that can be run: the message has line and column and what could "
    "stand there, or names the variable, table, column or cycle of tables at fault. See the language reference.",
    "multiple_rules": "Send one rule in each `rule`; several rules go into `rules`.",
    "incomplete_simulate_args": "Send `query`, `sequence` and `action_policy`, all three as text.",
    "simulate_without_policy": "Name the policy in the address.",
    "simulate_error": "The query or a step of the sequence cannot be run; nothing was changed.",
    "rule_already_exists": "The policy has a rule with the same head and the same body (in whatever order).",
    "schema_get_item_id": "GET the schema without an id.",
    "policy_name_must_be_provided": "Send a `name`: letters, digits, `_` and `.`, at most 255 characters.",
    "no_policy_update_owner": "Leave out `owner_id`.",
    "no_policy_update_kind": "Delete the policy and make one of the other kind.",
    "failed_to_create_policy": "Kept for clients of Congress; congressd uses the fitting code instead.",
    "policy_id_must_not_be_provided": "Leave out the id; the service makes one.",
    "execute_error": "The action was not run; the message says why.",
    "service_action_syntax": "Name the action as `source:action`.",
    "execute_action_args_syntax": 'Send `args` as `{"positional": [...], "named": {...}}`.',
    "rule_not_permitted": "Put the rule into a policy; it can read the source's tables as `source:table`.",
    "policy_not_exist": "`GET /v1/policies` lists the policies there are.",
    "policy_rule_insertion_failure": "Kept for clients of Congress; congressd uses the fitting code instead.",
    "policy_abbreviation_error": "Send at most five characters, or leave it out.",
    "query_syntax": "The text is neither an atom such as `error(x)` nor a rule that can be run.",
    "push_rows": "The message has the number of the row and the columns of the table. No row of the push was taken.",
    "source_config": "`GET /v1/system/drivers/DRIVER` lists the options of the driver and what they take.",
    "name_taken": "Policies and data sources share one set of names: take another.",
    "name_invalid": "Take letters, digits, `_` and `.`, do not begin with a digit, and use no word of the language.",
    "revision_conflict": "Read again what the change rests on, then send it again.",
    "secrets_key": "The node's key file is missing or is not that of the other nodes; copy theirs.",
    "stale_epoch": "A datasource node that was replaced tried to write; nothing is wrong if it stops now.",
    "rule_too_large": "Give the tables that the rule joins a variable in common, or narrow them by constants. A rule "
    f"that is asked as a query may have {MOST_ASKED_ROWS:,} rows, and take {MOST_ASKED_SECONDS:g} seconds.",
    "rule_options": "The message names the option of the rule and what it takes.",
}


def rest_page() -> str:
    """docs/rest.md."""
    headers = (f"| `{name}` | {where} | {meaning} |" for name, where, meaning in _HEADERS)
    routes = ("", "| route | role | |", "| --- | --- | --- |", *map(_line, ROUTES), "")
    return "\n".join([_REST_HEAD.rstrip("\n"), *headers, *routes, *_details()])


def errors_page() -> str:
    """docs/errors.md."""
    parts = [_ERRORS_HEAD]
    for code in CODES.values():
        parts.append(f"## {code.number} {code.name}\n\nHTTP {code.status}. *{code.summary}.*\n\n{ADVICE[code.name]}\n")
    return "\n".join(parts)


def _address(route: Route) -> str:
    action = f"?{ACTION.name}={route.action}" if route.action else ""
    return f"{route.method} {route.path}{action}"


def _line(route: Route) -> str:
    return f"| `{_address(route)}` | {route.role} | {route.summary} |"


def _details() -> Iterator[str]:
    """Parameters and bodies of the routes that have any."""
    for route in ROUTES:
        if not route.query and route.body is None:
            continue
        yield f"## `{_address(route)}`\n\n{route.summary[0].upper()}{route.summary[1:]}.\n"
        if route.query:
            yield "| query parameter | takes | |\n| --- | --- | --- |"
            for parameter in route.query:
                yield f"| `{parameter.name}` | {_takes(parameter.shape)} | {parameter.doc} |"
            yield ""
        if route.body is not None:
            yield from _body(route.body)


def _body(shape: Shape) -> Iterator[str]:
    if isinstance(shape, OneOrMany):
        yield from _body(shape.one)
        yield f"Or `{shape.many.fields[0].name}`: {shape.many.fields[0].doc}.\n"
    elif isinstance(shape, Object) and shape.fields:
        yield "| field | takes | |\n| --- | --- | --- |"
        for field in shape.fields:
            needed = " **(needed)**" if field.required else ""
            yield f"| `{field.name}`{needed} | {_takes(field.shape)} | {field.doc} |"
        yield ""
    elif isinstance(shape, Object):
        yield "The body is `{}`.\n"
    elif isinstance(shape, ListOf):
        yield "The body is a list of rows, each a list of values or an object from columns to values.\n"


def _takes(shape: Shape) -> str:
    if isinstance(shape, Text):
        return " ".join(f"`{word}`" for word in shape.allowed) or f"text, {shape.least} to {shape.most} characters"
    if isinstance(shape, ListOf):
        return f"a list of {shape.item.name} objects" if isinstance(shape.item, Object) else "a list"
    if isinstance(shape, MapOf):
        return "an object"
    schema = shape.schema()
    if schema.get("type") == "number":
        return f"a number from {schema['minimum']:g}"
    if schema.get("type") == "integer":
        return f"a whole number from {schema['minimum']}"
    return "true or false" if schema.get("type") == "boolean" else "any JSON"


PAGES: Final = {"rest.md": rest_page, "errors.md": errors_page}


def main(directory: str) -> None:
    """Write the pages into a directory."""
    for name, page in PAGES.items():
        Path(directory, name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
