"""The push and fake drivers, and the registry."""

from __future__ import annotations

import json
import logging
import time
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from congressd.datasources import registry
from congressd.datasources.driver import Fetch, FetchError, PollRequest
from congressd.datasources.fake import FakeDriver
from congressd.datasources.push import PushDriver
from congressd.datasources.registry import describe_driver, find_driver, load_drivers
from congressd.model.errors import CongressError
from congressd.model.values import Row


def poll(driver: FakeDriver) -> Fetch:
    return driver.poll(PollRequest(full=False, deadline=time.monotonic() + 60))


def fake(**config: object) -> FakeDriver:
    return FakeDriver(FakeDriver.check_config(config))


def rows(driver: FakeDriver) -> list[Row]:
    return list(poll(driver).tables["fake_table"].rows)


def test_push_declares_tables_in_three_ways() -> None:
    config = {
        "tables": json.dumps(
            {
                "a": ["id", "x"],
                "b": [{"name": "id", "type": "int", "description": "the id"}],
                "c": {"columns": ["id", "x"], "key": ["id", "x"]},
            }
        ),
        "key": '{"a": "id"}',
    }
    a, b, c = PushDriver(PushDriver.check_config(config)).schema()
    assert (a.name, a.column_names, a.key, a.key_positions) == ("a", ("id", "x"), ("id",), (0,))
    assert (b.columns[0].type, b.columns[0].description, b.key) == ("int", "the id", ())
    assert c.key == ("id", "x")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, 'Option "tables" is required'),
        ({"tables": {}}, "declare at least one table"),
        ({"tables": "{"}, "is not JSON"),
        ({"tables": ["a"]}, "must be an object from the name of a table"),
        ({"tables": {"a": []}}, "must have a list of at least one column"),
        ({"tables": {"a": "id"}}, "must have a list of at least one column"),
        ({"tables": {"a": ["id", "id"]}}, 'has the column "id" more than once'),
        ({"tables": {"a b": ["id"]}}, "has the table name 'a b'"),
        ({"tables": {"a": ["1d"]}}, "has the column name '1d'"),
        ({"tables": {"not": ["id"]}}, 'has the table name "not", which is a word of the policy language'),
        ({"tables": {"a": [{"name": "id", "typ": "int"}]}}, 'unknown part "typ". Did you mean "type"?'),
        ({"tables": {"a": [{"name": "id", "type": "integer"}]}}, "'integer' is not a type; allowed are"),
        ({"tables": {"a": [5]}}, "a column is a name, or an object"),
        ({"tables": {"a": {"columns": ["id"], "keys": ["id"]}}}, 'unknown part "keys"'),
        ({"tables": {"a": {"columns": ["id"], "key": ["uid"]}}}, 'names "uid", which is not a column of it'),
        ({"tables": {"a": ["id"]}, "key": {"b": "id"}}, 'names the table "b", which is not declared'),
        ({"tables": {"a": {"columns": ["id"], "key": "id"}}, "key": {"a": "id"}}, "give it once"),
        ({"tables": {"a": ["id"]}, "key": {"a": ["id", "id"]}}, 'names "id" twice'),
        ({"tables": {"a": ["id"]}, "key": {"a": 1}}, "must be the name of a column"),
        ({"tables": {f"t{n}": ["id"] for n in range(501)}}, "at most 500 are allowed"),
        ({"tables": {"a": [f"c{n}" for n in range(501)]}}, "at most 500 are allowed"),
        ({"tables": {"a": ["id"]}, "poll_time": 3}, 'has no option "poll_time"'),
    ],
)
def test_declarations_that_make_no_sense_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(CongressError) as caught:
        PushDriver.check_config(config)
    assert message in str(caught.value)
    assert caught.value.code.name == "source_config"


def test_a_pushed_source_cannot_be_polled() -> None:
    driver = PushDriver(PushDriver.check_config({"tables": {"a": ["id"]}}))
    with pytest.raises(FetchError, match="pushed to this source"):
        driver.poll(PollRequest(full=True, deadline=0.0))


def test_fake_rows_change_by_the_churn() -> None:
    driver = fake(rows=3, churn=2)
    assert rows(driver) == [(0, "name-0"), (1, "name-0"), (2, "name-0")]
    assert rows(driver) == [(0, "name-1"), (1, "name-1"), (2, "name-0")]
    assert rows(driver) == [(0, "name-2"), (1, "name-1"), (2, "name-1")]


def test_fake_follows_its_plan_and_stays_with_the_last_step() -> None:
    driver = fake(plan='[{"rows": [[1, "a"]]}, {"error": "away"}, {"table_error": "half"}, {"rows": []}]')
    assert rows(driver) == [(1, "a")]
    with pytest.raises(FetchError, match="away"):
        poll(driver)
    assert poll(driver).errors == {"fake_table": "half"}
    assert rows(driver) == rows(driver) == []


def test_closing_a_fake_source_ends_its_delay() -> None:
    driver = fake(plan=[{"delay": 3600}])
    driver.close()
    with pytest.raises(FetchError, match="stopped"):
        poll(driver)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({}, "must be a list of steps"),
        ([3], "a step is an object"),
        ([{"row": []}], 'step 1 has "row"'),
        ([{"rows": [[1]]}], "each row needs 2 values"),
        ([{"rows": 3}], "rows that are not a list"),
        ([{"rows": [[1, {}]]}], "rows that are not a list of [id, name]"),
        ([{"delay": "x"}], "has the delay 'x'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(plan: object, message: str) -> None:
    with pytest.raises(CongressError) as caught:
        FakeDriver.check_config({"plan": plan})
    assert message in str(caught.value)


def test_the_drivers_that_come_along_are_found() -> None:
    drivers = load_drivers()
    assert {"fake", "file", "push"} <= set(drivers)
    assert find_driver(drivers, "fake_datasource") is FakeDriver
    with pytest.raises(CongressError, match='no driver "psh"\\. Did you mean "push"'):
        find_driver(drivers, "psh")


@pytest.mark.parametrize("name", ["fake", "file", "push"])
def test_every_driver_describes_itself_in_json(name: str) -> None:
    described = describe_driver(load_drivers()[name])
    assert json.loads(json.dumps(described)) == described
    assert set(described) >= {"id", "description", "config", "secret", "tables"}
    assert all(option["description"] for option in described["options"])
    assert described["config"]["values"] == "(optional)"


def test_packages_add_drivers_and_broken_ones_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = "tests.unit.datasources.test_drivers"
    points = EntryPoints(
        [
            EntryPoint("more", f"{here}:MoreDriver", registry.GROUP),
            EntryPoint("gone", "no_such_module:Driver", registry.GROUP),
            EntryPoint("odd", "json:dumps", registry.GROUP),
            EntryPoint("taken", f"{here}:SecondFake", registry.GROUP),
        ]
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))
    with caplog.at_level(logging.ERROR):
        drivers = load_drivers()
    assert "more" in drivers
    assert drivers["fake"] is FakeDriver
    assert len(caplog.records) == 3


class MoreDriver(FakeDriver):
    """A driver of another package."""

    info = FakeDriver.info.__class__(name="more", description="More rows")


class SecondFake(FakeDriver):
    """A driver that takes a name."""
