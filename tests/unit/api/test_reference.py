"""The route table, and what is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from congressd.api import reference
from congressd.api.callers import ROLES
from congressd.api.openapi import document
from congressd.api.routes import ROUTES
from congressd.model.errors import CODES
from tests.unit.rig import Rig

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    message = "run `python -m congressd.api.reference docs`"
    assert (DOCS / name).read_text(encoding="utf-8") == reference.PAGES[name](), message


def test_every_error_code_has_advice_and_no_other() -> None:
    assert reference.ADVICE.keys() == CODES.keys()


def test_every_route_is_there_once_and_has_a_role() -> None:
    keys = [(route.method, route.path, route.action) for route in ROUTES]
    assert len(set(keys)) == len(keys)
    assert {route.role for route in ROUTES} <= set(ROLES)


def test_openapi_has_every_route(rig: Rig) -> None:
    served = rig.get("/v1/openapi.json")
    operations = [operation for item in served["paths"].values() for operation in item.values()]
    assert len(operations) == len({(route.method, route.path) for route in ROUTES})
    told = [
        action
        for operation in operations
        for each in operation["parameters"]
        if each["name"] == "action"
        for action in each["schema"]["enum"]
    ]
    assert sorted(told) == sorted(route.action for route in ROUTES if route.action)
    identities = [operation["operationId"] for operation in operations]
    assert len(set(identities)) == len(identities)
    assert served["openapi"] == "3.1.0"
    assert document("http://x")["servers"] == [{"url": "http://x"}]


def test_versions_are_told_as_congress_tells_them(rig: Rig) -> None:
    version = rig.get("/")["versions"][0]
    assert (version["id"], version["status"], version["updated"]) == ("v1", "CURRENT", "2013-08-12T17:42:13Z")
    assert version["links"][0]["href"].endswith("/v1/")
    for path in ("/v1", "/v1/"):
        links = rig.get(path)["version"]["links"]
        assert [link["rel"] for link in links] == ["self", "describedby"]


def test_head_and_options_work(rig: Rig) -> None:
    response = rig.client.head("/v1/policies/classification/tables")
    assert (response.status_code, response.data) == (200, b"")
    assert "POST" in rig.client.options("/v1/policies").headers["Allow"]


def test_the_requests_own_id_is_kept_if_it_is_harmless(rig: Rig) -> None:
    assert rig.client.get("/v1", headers={"X-Request-Id": "my-1"}).headers["X-Request-Id"] == "my-1"
    assert rig.client.get("/v1", headers={"X-Request-Id": "a b<c"}).headers["X-Request-Id"].startswith("req-")


def test_metrics_tell_of_requests_and_engine(rig: Rig) -> None:
    rig.get("/v1/policies")
    text = rig.client.get("/metrics").get_data(as_text=True)
    assert 'congressd_requests_total{method="GET",route="/v1/policies",status="200"}' in text
    assert "congressd_ready 1.0" in text
    assert "congressd_policy_revision" in text
