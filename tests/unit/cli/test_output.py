"""The four formats in which the client prints."""

import json

import yaml

from congressd.cli import output

ITEMS = [{"name": "a", "n": 1, "flag": True, "extra": None}, {"name": "längër", "n": 2.5, "flag": False}]


def test_a_table_is_aligned_and_shows_values_other_than_text_as_json() -> None:
    assert output.listing(ITEMS, ("name", "flag", "extra"), "table").splitlines() == [
        "name    flag   extra",
        "------  -----  -----",
        "a       true   null",
        "längër  false  null",
    ]


def test_text_of_several_lines_stays_in_its_column() -> None:
    assert output.grid(("rule", "name"), [["p(x) :-\n  q(x)", "first"]], "table").splitlines()[2:] == [
        "p(x) :-  first",
        "  q(x)",
    ]


def test_csv_has_the_columns_as_header_and_nothing_for_null() -> None:
    assert output.listing(ITEMS, ("name", "n", "extra"), "csv") == "name,n,extra\na,1,\nlängër,2.5,"


def test_json_and_yaml_hold_the_whole_objects() -> None:
    assert json.loads(output.listing(ITEMS, ("name",), "json")) == ITEMS
    assert yaml.safe_load(output.listing(ITEMS, ("name",), "yaml")) == ITEMS


def test_a_record_is_a_line_for_each_field() -> None:
    assert output.record({"id": "x", "n": None}, "table").splitlines()[2:] == ["id     x", "n      null"]
    assert output.record({"id": "x", "n": None}, "csv") == "id,n\nx,"


def test_an_empty_listing_still_has_its_header() -> None:
    assert output.listing([], ("id", "name"), "table") == "id  name\n--  ----"
    assert output.listing([], ("id", "name"), "json") == "[]"
