"""Whatever a client sends, over the whole route table: never a 5xx, always Congress' error shape, always alive."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from congressd.api.routes import ROUTES, Route
from tests.unit.rig import Rig

WRITING = [route for route in ROUTES if route.body is not None]
DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000

RAW_BODIES: dict[str, bytes] = {
    "empty": b"",
    "not json": b"{",
    "a word": b"hello",
    "not utf-8": b'{"name": "\xff\xfe"}',
    "utf-16": '{"name": "x"}'.encode("utf-16"),
    "nan": b'{"name": NaN}',
    "deep objects": DEEP,
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "half a pair": b'{"name": "\\ud800", "rule": "p(\'\\ud800\')", "query": "\\udfff"}',
    "half a pair as key": b'{"\\ud800": 1}',
    "huge number": b'{"name": ' + b"9" * 10_000 + b"}",
    "huge exponent": b'{"name": 1e999, "enabled": 1e999}',
    "nul": b'{"name": "a\\u0000b", "rule": "p(1)\\u0000", "driver": "\\u0000"}',
    "null": b"null",
    "number": b"5",
    "list": b"[]",
    "list of wrong things": b"[[], {}, 5, null, [[]], [{}]]",
    "long text": b'{"name": "' + b"x" * 200_000 + b'"}',
    "twice": b'{"name": "a", "name": "b"}',
}


def path_of(route: Route, value: str = "nosuch") -> str:
    path = route.path
    for name in route.parameters:
        path = path.replace(f"<{name}>", value)
    return path + (f"?action={route.action}" if route.action else "")


def check(response: Any, *, error: bool = False) -> None:
    __tracebackhide__ = True
    assert response.status_code < 500, response.get_data(as_text=True)
    assert response.headers["X-Request-Id"]
    if response.status_code >= 400:
        body = json.loads(response.data)
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "error_code", "error_data"}
        assert isinstance(body["error"]["message"], str)
        assert isinstance(body["error"]["error_code"], int)
        assert "Traceback" not in body["error"]["message"]
    else:
        assert not error, response.data


@pytest.fixture(scope="module", autouse=True)
def things(rig: Rig) -> None:
    rig.policy("target", "p(x) :- q(x)", "q(1)")
    rig.push_source("doc", {"t": ["a", "b"]})


@pytest.mark.parametrize("name", RAW_BODIES)
@pytest.mark.parametrize("route", WRITING, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("target", ["target", "doc"])
def test_a_body_that_is_wrong_is_the_clients_fault(rig: Rig, route: Route, name: str, target: str) -> None:
    path = path_of(route, target).replace(f"/tables/{target}", "/tables/t")
    response = rig.client.open(path, method=route.method, data=RAW_BODIES[name], content_type="application/json")
    check(response, error=name not in ("list", "list of wrong things", "nul", "twice", "half a pair", "null"))


@pytest.mark.parametrize("route", WRITING, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Content-Type": "text/plain"}, "Unsupported Content-Type; must be 'application/json'"),
        ({}, "Unsupported Content-Type; must be 'application/json'"),
        ({"Content-Type": "application/json; charset=utf-16"}, "charset"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "Content-Encoding"),
        ({"Content-Type": "application/json", "Content-Length": "-5"}, "Content-Length"),
        ({"Content-Type": "application/json", "Content-Length": "abc"}, "Content-Length"),
        ({"Content-Type": "application/json", "Content-Length": "5000"}, "ends after"),
        ({"Content-Type": "application/json", "Content-Length": "99999999999"}, "at most"),
    ],
)
def test_headers_that_are_wrong_are_told(rig: Rig, route: Route, headers: dict[str, str], message: str) -> None:
    environ = {name.upper().replace("-", "_"): value for name, value in headers.items()}
    if "CONTENT_ENCODING" in environ:
        environ["HTTP_CONTENT_ENCODING"] = environ.pop("CONTENT_ENCODING")
    response = rig.client.open(path_of(route), method=route.method, data=b"{}", environ_overrides=environ)
    check(response, error=True)
    assert message in response.get_json()["error"]["message"]


NAMES = [
    "%00",
    "%ff",
    "%C3%28",
    "a%2Fb",
    "a b",
    "..",
    "%2e%2e",
    "\u00e9",
    "x" * 5000,
    "'",
    "{}",
    "-",
    "%0d%0a",
    "*",
    ":",
    "::",
]


@pytest.mark.parametrize("name", NAMES, ids=[*map(repr, range(len(NAMES)))])
@pytest.mark.parametrize("route", [route for route in ROUTES if route.parameters], ids=lambda r: f"{r.method} {r.path}")
def test_a_name_that_cannot_be_is_not_found(rig: Rig, route: Route, name: str) -> None:
    check(rig.client.open(path_of(route, name), method=route.method, json={}), error=True)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize(
    "query",
    [
        *("nosuch=1", "trace=maybe", "trace=true&trace=false", "%ff=1", "a=%ff", "=", "&&&", "%", "action=%00"),
        *("max_staleness=-1", "max_staleness=nan", "max_staleness=x"),
        "&".join(f"a{n}=1" for n in range(200)),
        "q=" + "(" * 3000,
    ],
)
def test_a_query_string_that_is_wrong_is_the_clients_fault(rig: Rig, route: Route, query: str) -> None:
    path = path_of(route, "target").partition("?")[0]
    check(rig.client.open(f"{path}?{query}", method=route.method, json={}))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "X" * 100])
@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_method_that_is_not_there_is_told_with_those_that_are(rig: Rig, method: str, path: str) -> None:
    known = {route.method for route in ROUTES if route.path == path}
    if method in known:
        return
    response = rig.client.open(path.replace("<", "").replace(">", ""), method=method)
    assert response.status_code == 405
    check(response, error=True)
    assert known <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/nosuch", "/v1/nosuch", "/v1/policies/", "/v2", "/v1/policies/a/b/c/d", "/%ff"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_address_that_is_not_there_is_told_in_the_same_shape(rig: Rig, path: str, method: str) -> None:
    response = rig.client.open(path, method=method)
    assert response.status_code == 404
    check(response)


@pytest.mark.parametrize("token", ["", "x", "policy=", "a=1.1", "\u00e9", "policy=1," * 20_000, "doc=9.9"])
def test_a_token_that_is_wrong_is_the_clients_fault(rig: Rig, token: str) -> None:
    for path in ("/v1/policies", "/v1/policies/target/tables/p/rows"):
        response = rig.client.get(path, headers={"Congress-At-Least": token.encode().decode("latin-1")})
        check(response)


def test_an_idempotency_key_that_is_wrong_is_the_clients_fault(rig: Rig) -> None:
    for key in ("", "x" * 1000, "\u00e9".encode().decode("latin-1"), " "):
        response = rig.client.put("/v1/data-sources/doc/tables/t/rows", json=[], headers={"Idempotency-Key": key})
        check(response)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_json_in_any_field_is_answered(rig: Rig, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(WRITING))
    assert route.body is not None
    schema = route.body.schema()
    names = list(schema.get("properties", ())) or ["rule"]
    body = data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=5) | JSON)
    path = path_of(route, data.draw(st.sampled_from(["target", "doc", "nosuch"]))).replace("tables/doc", "tables/t")
    check(rig.client.open(path, method=route.method, json=body))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="pqxy_ ():-,.;1'\"\\[]!=<>+*#/nothexcuab\u00e9\n", max_size=60))
def test_any_text_as_rule_query_or_sequence_is_answered(rig: Rig, text: str) -> None:
    client: FlaskClient = rig.client
    check(client.get("/v1/policies/target/query", query_string={"q": text}))
    simulation = {"query": text, "sequence": text, "action_policy": "action"}
    check(client.post("/v1/policies/target?action=simulate", json=simulation))
    check(client.post("/v1/policies/nowhere/rules", json={"rule": text}))


def test_the_service_is_still_right_after_all_that(rig: Rig) -> None:
    rig.policy("after", "p(x) :- q(x)", "q(1)")
    assert rig.rows("after", "p") == [[1]]
    assert rig.get("/readyz")["ready"]
