"""Explanations for reading."""

import pytest

from congressd.cli.columns import names_of
from congressd.cli.explanation import atom, tree
from congressd.language.parser import parse_atom

SHARED = {
    "data": ["a", None],
    "steps": [
        {
            "table": "v:error",
            "data": ["a", None],
            "rule": "v:error(x, y) :- v:deep(x), v:also(x, y), not v:ok(x)",
            "rule_id": "1",
            "premises": [1, 2],
            "conditions": ['not v:ok("a")'],
        },
        {
            "table": "v:deep",
            "data": ["a"],
            "rule": "v:deep(x) :- c:t(x)",
            "rule_id": "2",
            "premises": [3],
            "conditions": [],
        },
        {
            "table": "v:also",
            "data": ["a", None],
            "rule": "v:also(x, null) :- v:deep(x)",
            "rule_id": "3",
            "premises": [1],
            "conditions": [],
        },
        {"table": "c:t", "data": ["a"]},
    ],
}


def test_steps_become_a_tree_with_the_rule_below_its_fact() -> None:
    assert tree(SHARED).splitlines() == [
        'v:error("a", null)',
        "  by v:error(x, y) :- v:deep(x), v:also(x, y), not v:ok(x)",
        '    v:deep("a")',
        "      by v:deep(x) :- c:t(x)",
        '        c:t("a")',
        '    v:also("a", null)',
        "      by v:also(x, null) :- v:deep(x)",
        '        v:deep("a") (see above)',
        '    not v:ok("a")',
    ]


def test_a_row_is_asked_for_as_the_language_reads_it() -> None:
    text = atom("cloud:t", ['a"b\\\n', 1, -2.5, True, None, "\u00e4"])
    assert text == 'cloud:t("a\\"b\\\\\\n", 1, -2.5, true, null, "\u00e4")'
    assert len(parse_atom(text).arguments) == 6


def test_values_that_are_too_long_for_an_address_are_left_open() -> None:
    assert atom("t", ["short", "x" * 10_000, 3]) == 't("short", _, 3)'
    assert atom("t", ["\u00e4" * 5000]) == "t(_)"


@pytest.mark.parametrize(("told", "names"), [(["a", None, "c"], ["a", "1", "c"]), ([None], ["0"]), ([], [])])
def test_columns_without_a_name_have_their_number(told: list[str | None], names: list[str]) -> None:
    assert names_of({"columns": told}) == names
