"""Pushed rows against the table's schema."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.model.errors import CongressError
from congressd.model.tables import Column, TableSchema
from congressd.model.values import TRUE, to_rows
from congressd.store.pushfold import Delete, Replace, Upsert
from congressd.store.pushrows import PushMode, validate_push

KEYED = TableSchema("servers", (Column("id"), Column("owner"), Column("up")), ("id",))
PLAIN = TableSchema("tags", (Column("id"), Column("tag")))
PAIR = TableSchema("links", (Column("a"), Column("b"), Column("cost")), ("b", "a"))

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def test_put_takes_lists_and_objects() -> None:
    body = [["a", "x", True], {"id": "b", "up": None}]
    assert validate_push(KEYED, body, "replace") == (Replace("servers", (("a", "x", TRUE), ("b", None, None)), (0,)),)


def test_put_of_nothing_empties_the_table() -> None:
    assert validate_push(PLAIN, [], "replace") == (Replace("tags", (), ()),)


def test_equal_rows_are_one_row() -> None:
    assert validate_push(PLAIN, [["a", 1], ["a", 1.0]], "replace") == (Replace("tags", (("a", 1),), ()),)
    assert validate_push(KEYED, [["a", 1, None]] * 2, "replace") == (Replace("servers", (("a", 1, None),), (0,)),)


def test_patch_deletes_before_it_upserts() -> None:
    body = {"upsert": [["a", "x", None]], "delete": ["b", ["c"], {"id": "d"}, ["e", "x", None]]}
    assert validate_push(KEYED, body, "change") == (
        Delete("servers", (("b",), ("c",), ("d",), ("e",)), (0,)),
        Upsert("servers", (("a", "x", None),), (0,)),
    )


def test_patch_deletes_whole_rows_where_there_is_no_key() -> None:
    body = {"delete": [["a", 1], {"id": "b"}]}
    assert validate_push(PLAIN, body, "change") == (Delete("tags", (("a", 1), ("b", None)), ()),)


def test_a_key_of_several_columns_stands_in_its_own_order() -> None:
    body = {"delete": [[1, 2], {"a": 3, "b": 4}, [5, 6, 7]]}
    assert validate_push(PAIR, body, "change") == (Delete("links", ((1, 2), (4, 3), (6, 5)), (1, 0)),)


def test_an_empty_change_asks_for_nothing() -> None:
    assert validate_push(PLAIN, {}, "change") == ()
    assert validate_push(PLAIN, {"upsert": [], "delete": []}, "change") == ()


@pytest.mark.parametrize(
    ("schema", "mode", "body", "message"),
    [
        (KEYED, "replace", {"a": 1}, 'Table "servers": the body is an object; it must be a list of rows'),
        (KEYED, "replace", None, "the body is null"),
        (KEYED, "replace", [["a", "x"]], "row 1 has 2 values, the table has 3 columns"),
        (KEYED, "replace", [["a", "x", 1], "b"], "row 2 is the value 'b'; a row is a list of values or an object"),
        (KEYED, "replace", [["a", {"x": 1}, 1]], 'row 1, column "owner": '),
        (KEYED, "replace", [{"id": "a", "ownr": 1}], 'unknown column "ownr". Did you mean "owner"?'),
        (KEYED, "replace", [{"owner": "a"}], 'row 1 has no value for "id", which is part of the key'),
        (
            KEYED,
            "replace",
            [["a", 1, 1], ["b", 1, 1], ["a", 2, 1]],
            'rows 1 and 3 differ but have the same key (id="a")',
        ),
        (KEYED, "replace", [["\ud800", 1, 1]], 'row 1 has text that is not Unicode: "\\ud800"'),
        (KEYED, "replace", [["a", float("inf"), 1]], "numbers must be finite"),
        (KEYED, "change", [], 'the body is a list; it must be an object with "upsert" and "delete"'),
        (KEYED, "change", {"upsrt": []}, '"upsrt" is not a part of a change'),
        (KEYED, "change", {"upsert": {}}, '"upsert" is an object; it must be a list of rows'),
        (KEYED, "change", {"delete": [{"up": 1}]}, 'delete row 1 has no value for "id"'),
        (KEYED, "change", {"delete": [["a", "b"]]}, "delete row 1 has 2 values, the table has 3 columns"),
        (KEYED, "change", {"upsert": [["a", 1, 1], ["a", 2, 1]]}, "upsert rows 1 and 2 differ but have the same key"),
        (PAIR, "change", {"delete": ["a"]}, 'give the key as a list or an object: "a", "b"'),
        (PLAIN, "change", {"delete": ["a"]}, "delete row 1 is the value 'a'; a row is a list of values or an object"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_number_value_and_what_fits(
    schema: TableSchema, mode: PushMode, body: Any, message: str
) -> None:
    with pytest.raises(CongressError) as caught:
        validate_push(schema, body, mode)
    assert message in str(caught.value)
    assert "The columns are (" in str(caught.value)
    assert caught.value.code.name == "push_rows"


@given(st.lists(st.tuples(SCALARS, SCALARS)))
def test_lists_and_objects_mean_the_same(items: list[tuple[object, object]]) -> None:
    lists = validate_push(PLAIN, [list(item) for item in items], "replace")
    assert lists == validate_push(PLAIN, [{"tag": tag, "id": first} for first, tag in items], "replace")
    assert isinstance(lists[0], Replace)
    assert set(lists[0].rows) == set(to_rows(items))
    assert len(set(lists[0].rows)) == len(lists[0].rows)


ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "tag", "x"]), inner)
)


@given(st.sampled_from([KEYED, PLAIN, PAIR]), ANYTHING)
def test_no_body_makes_the_check_fail_otherwise(schema: TableSchema, item: object) -> None:
    modes: list[tuple[object, PushMode]] = [
        (item, "replace"),
        ([item], "replace"),
        (item, "change"),
        ({"delete": [item], "upsert": [item]}, "change"),
    ]
    for body, mode in modes:
        with suppress(CongressError):
            validate_push(schema, body, mode)
