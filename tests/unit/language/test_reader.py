"""Queries read by template mean what the parser says they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.language.catalog import StaticCatalog
from congressd.language.check import check_query
from congressd.language.reader import QueryReader

CATALOG = StaticCatalog({"p": "nonrecursive", "s": "datasource"}, {"p": {"q": 2, "r": 3}, "s": {"t": ("a", "b", "c")}})
SHAPES = (
    'q("{0}", "{1}")',
    'q("{0}", x)',
    'r(x, "{0}", x)',
    's:t(c="{0}", a="{1}")',
    's:t("{0}")',
    'q("{0}", 5) // "{1}"',
    'answer(x) :- q(x, "{0}"), q("{1}", x)',
)


@given(st.lists(st.tuples(st.sampled_from(SHAPES), st.text("ab\\'é/#", max_size=3), st.text("ab ", max_size=2))))
def test_a_reader_answers_as_the_parser_does_whatever_it_read_before(asked: list[tuple[str, str, str]]) -> None:
    reader = QueryReader(CATALOG)
    for shape, one, other in asked:
        text = shape.format(one, other)
        try:
            wanted: object = check_query(text, "p", CATALOG)
        except Exception as error:
            wanted = str(error)
        try:
            found: object = reader.read("p", text)
        except Exception as error:
            found = str(error)
        assert str(found) == str(wanted)
        if not isinstance(wanted, str):
            assert type(found) is type(wanted)


@pytest.mark.parametrize("text", ['q("a", "a")', 'q("a", "b")'])
def test_equal_strings_keep_their_places(text: str) -> None:
    reader = QueryReader(CATALOG)
    for _ in range(2):
        assert reader.read("p", text) == check_query(text, "p", CATALOG)
    assert reader.read("p", 'q("c", "d")') == check_query('q("c", "d")', "p", CATALOG)
