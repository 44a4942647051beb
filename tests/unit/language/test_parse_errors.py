"""What texts that are no program are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from congressd.language.parser import parse_atom, parse_program, parse_query, parse_rule
from congressd.model.errors import CongressError


def error_of(call: Callable[[str], object], text: str) -> CongressError:
    with pytest.raises(CongressError) as caught:
        call(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("p(x :- q(x)", 1, 5, "found `:-`, but here could stand `,` or `)`"),
        ("p(x) :- , q(x)", 1, 9, "a table, a comparison or `not`; a condition is missing after `:-`"),
        ("p(x) :- q(x),", 1, 14, "found the end of the text"),
        ("p(x) :-\n  q(x),\n  not", 3, 6, "a condition"),
        ("p(x", 1, 4, "found the end of the text, but here could stand `,` or `)`"),
        ("p(x) : q(x)", 1, 6, "`:-` or the end of the fact"),
        ("p(x)) :- q(x)", 1, 5, "found `)`"),
        ("p(x) :- q(x))", 1, 13, "found `)`"),
        ("p(x) :- q(x) :- r(x)", 1, 14, "found `:-`"),
        ("p(1), q(2)", 1, 11, "`:-`"),
        ("not p(x) :- q(x)", 1, 1, "a head cannot be negated"),
        ("p(x) :- not not q(x)", 1, 13, "could stand a condition"),
        ("delete(x)", 1, 1, "`delete` is a word of the language and cannot be a table"),
        ("p(x) :- q(not)", 1, 11, "`not` is a word of the language and cannot be a variable"),
        ("execute[p(x) :- q(x)]", 1, 14, "could stand `]`"),
        ("execute[execute[p(x)]]", 1, 9, "execute[...] cannot hold execute[...]"),
        ("p(x) :- 0 < x < 9", 1, 15, "0 < x, x < 9"),
        ("p(x) :- x + 1", 1, 14, "a comparison sign"),
        ("p(x) :- len(x) > 3", 1, 16, "len(x, n), n > 3"),
        ("p(x) :- q(x < 3)", 1, 13, "a comparison is a condition of its own"),
        ("p(-x)", 1, 4, "write 0 - x for a variable"),
        ("p([1])", 1, 3, "there are no lists"),
        ("p(10.0.0.1)", 1, 7, "an address such as 10.0.0.1 is a string"),
        ("p(id=x, y)", 1, 9, "cannot follow one with a name"),
        ("p(1.5=x)", 1, 3, "a column's number"),
        ('p("a"=x)', 1, 3, "a column's name"),
        ('p(u"a")', 1, 4, "strings have no prefix such as u"),
        ("p('a''b')", 1, 6, "a backslash before it"),
        ("nova:(x)", 1, 6, "a table"),
    ],
)
def test_an_error_tells_where_and_what_could_stand_there(text: str, line: int, column: int, words: str) -> None:
    error = error_of(parse_rule, text)
    assert isinstance(error.data, dict)
    assert (error.data["line"], error.data["column"]) == (line, column)
    assert words in error.detail
    assert error.detail.startswith(f"Parse failure. line:{line},col:{column}")


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('p("a', 3, 'no closing "'),
        ("p('a\n')", 3, "no closing '"),
        ("p(x) :- q(x) /* abc", 14, "no closing */"),
        ("p(“a”)", 3, "LEFT DOUBLE QUOTATION MARK"),
        ("p(`a`)", 3, "no quote of strings"),
        ("p(x) :- q(x) | r(x)", 14, "write a second rule with the same head"),
        ("p(x) :- q(x) & r(x)", 14, "joined by a comma"),
        ("p(x) :- q(x)， r(x)", 13, "FULLWIDTH COMMA"),
        ("p(a\u200bb)", 4, "ZERO WIDTH SPACE"),
        ("p(\x00)", 3, "U+0000"),
        ("p(007)", 3, "write 7"),
        ("p(08)", 3, "write 8"),
        ("p(1_000)", 3, "neither a number nor a name"),
        ("p(0b12)", 3, "neither a number nor a name"),
        ("p(12abc)", 3, "neither a number nor a name"),
        ("p(1e999)", 3, "out of the range"),
        (r'p("\d")', 4, r"\d is no escape"),
        (r'p("ab\u12")', 6, r"\u is no escape"),
        (r'p("\ud800")', 4, "half of a surrogate pair"),
        ('p("\ud800")', 4, "half of a surrogate pair"),
        ("p(9" + "9" * 4000 + ")", 3, "at most 4000"),
        ("p(x) :- 日本(x), q{x}", 17, "LEFT CURLY BRACKET"),
    ],
)
def test_a_character_that_cannot_stand_there_is_named(text: str, column: int, words: str) -> None:
    error = error_of(parse_rule, text)
    assert isinstance(error.data, dict)
    assert error.data["column"] == column
    assert words in error.detail
    assert error.detail.startswith("Lex failure.")


def test_an_excerpt_points_at_the_place() -> None:
    error = error_of(parse_program, "p(1)\nerror(x) :- q(x), ,\nr(2)")
    assert isinstance(error.data, dict)
    assert error.data["excerpt"] == "error(x) :- q(x), ,\n                  ^"
    assert error.data["found"] == "`,`"
    assert error.data["expected"] == ["a table", "a comparison", "`not`"]


def test_the_caret_counts_wide_characters() -> None:
    error = error_of(parse_rule, "p(x) :- 東京(x) q)")
    assert isinstance(error.data, dict)
    assert error.data["excerpt"].splitlines()[1].index("^") == len("p(x) :- xxxx(x) q")


def test_the_excerpt_of_a_long_line_is_short() -> None:
    error = error_of(parse_rule, f"p(x) :- {'q(x), ' * 200} ,")
    assert isinstance(error.data, dict)
    line, caret = error.data["excerpt"].splitlines()
    assert len(line) < 120
    assert line[caret.index("^")] == ","


def test_exactly_one_rule_is_a_rule() -> None:
    assert error_of(parse_rule, "").code.name == "rule_syntax"
    assert error_of(parse_rule, "// nothing").code.name == "rule_syntax"
    several = error_of(parse_rule, "p(1)\nq(2) r(3)")
    assert several.code.name == "multiple_rules"
    assert "line 2, column 1: q(2)" in several.detail


def test_queries_have_a_code_of_their_own() -> None:
    assert error_of(parse_atom, "p(").code.name == "query_syntax"
    assert error_of(parse_atom, "p(x) q(x)").code.name == "query_syntax"
    assert error_of(parse_query, "").code.name == "query_syntax"
    assert error_of(parse_query, "p(x) q(x)").code.name == "query_syntax"


@pytest.mark.parametrize(
    "text",
    [
        "p(" + "(" * 500_000,
        "p() :- " + "(" * 900_000 + "1",
        "p() :- x+" + "(" * 500_000,
        "p(" + "f(" * 300_000,
        "p() :- x = 1" + " + 1" * 200_000,
        "p() :- " + ", ".join(["q(x)"] * 100_000),
        "p(" + "x, " * 300_000 + "x)",
        " " * 1_000_001,
        "p(" + "x" * 2_000_000 + ")",
        '"' * 900_000,
        "/*" * 450_000,
        "\\" * 900_000,
        '"' + "\\" * 900_000,
        "execute[" * 100_000,
        "." * 900_000,
        "p(" + "é\u200b" * 100_000,
    ],
)
def test_monstrous_texts_are_refused(text: str) -> None:
    assert len(error_of(parse_program, text).detail) < 1_000


@pytest.mark.parametrize("text", [" " * 999_999, "// " + "x" * 900_000, "/*" + "*" * 900_000 + "*/", "p(1) " * 150_000])
def test_long_texts_are_read(text: str) -> None:
    assert len(parse_program(text).statements) in (0, 150_000)
