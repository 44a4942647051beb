"""What every builtin computes and refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.language.builtins import BUILTINS, Builtin, BuiltinError
from congressd.language.parser import parse_rule
from congressd.language.syntax import Atom, Constant
from congressd.model.values import FALSE, TRUE, Bool, Value

CONGRESS = [
    "lt",
    "lteq",
    "equal",
    "gt",
    "gteq",
    "max",
    "plus",
    "minus",
    "mul",
    "div",
    "float",
    "int",
    "concat",
    "len",
    "now",
    "unpack_date",
    "unpack_time",
    "unpack_datetime",
    "pack_time",
    "pack_date",
    "pack_datetime",
    "extract_date",
    "extract_time",
    "datetime_to_seconds",
    "datetime_plus",
    "datetime_minus",
    "datetime_lt",
    "datetime_lteq",
    "datetime_gt",
    "datetime_gteq",
    "datetime_equal",
    "ips_equal",
    "ips_lt",
    "ips_lteq",
    "ips_gt",
    "ips_gteq",
    "networks_equal",
    "networks_overlap",
    "ip_in_network",
    "validate_int",
    "validate_float",
    "validate_string",
]


def call(name: str, *inputs: Value) -> object:
    function = BUILTINS[name].function
    assert function is not None
    result = function(*inputs)
    if BUILTINS[name].outputs:
        assert isinstance(result, tuple)
        assert len(result) == BUILTINS[name].outputs
        return result[0] if len(result) == 1 else result
    assert isinstance(result, bool)
    return result


def sentence(name: str, *inputs: Value) -> str:
    with pytest.raises(BuiltinError) as caught:
        call(name, *inputs)
    return str(caught.value)


def test_all_builtins_of_congress_are_there() -> None:
    assert len(CONGRESS) == 42
    assert BUILTINS.keys() >= set(CONGRESS)


@pytest.mark.parametrize("builtin", BUILTINS.values(), ids=BUILTINS.keys())
def test_every_example_holds(builtin: Builtin) -> None:
    literal = parse_rule(f"p() :- {builtin.example}").body[0]
    assert isinstance(literal.condition, Atom)
    assert literal.condition.table == builtin.name
    values = [a.expression.value for a in literal.condition.arguments if isinstance(a.expression, Constant)]
    assert len(values) == len(builtin.parameters)
    if builtin.function is None:
        return
    result = builtin.function(*values[: builtin.inputs])
    assert (result == tuple(values[builtin.inputs :]) if builtin.outputs else result) is not literal.negated


@pytest.mark.parametrize("builtin", BUILTINS.values(), ids=BUILTINS.keys())
def test_documentation_is_a_sentence_on_one_line(builtin: Builtin) -> None:
    assert builtin.doc.endswith(".")
    assert "\n" not in builtin.doc


@pytest.mark.parametrize(
    ("name", "inputs", "wanted"),
    [
        ("lt", (1, 1.5), True),
        ("lt", ("a", "b"), True),
        ("lteq", (2, 1), False),
        ("gt", (10**30, 1e3), True),
        ("gteq", ("b", "a"), True),
        ("equal", ("a", 1), False),
        ("equal", (TRUE, 1), False),
        ("equal", (TRUE, TRUE), True),
        ("equal", (None, None), True),
        ("max", ("a", "b"), "b"),
        ("min", (2, 1.5), 1.5),
        ("is_null", (0,), False),
        ("is_null", ("None",), False),
        ("coalesce", (0, 1), 0),
        ("coalesce", (None, None), None),
        ("plus", ("a", "b"), "ab"),
        ("plus", (1, 0.5), 1.5),
        ("minus", (1, 3), -2),
        ("div", (-7, 2), -4),
        ("div", (7, 2.0), 3.5),
        ("mod", (-7, 2), 1),
        ("abs", (-1.5,), 1.5),
        ("float", ("1e3",), 1000.0),
        ("float", (3,), 3.0),
        ("int", ("12",), 12),
        ("int", (-3.9,), -3),
        ("len", ("日本",), 2),
        ("lower", ("ÄB",), "äb"),
        ("upper", ("ä",), "Ä"),
        ("substring", ("abcdef", 2, 3), "bcd"),
        ("substring", ("abc", -2, 5), "bc"),
        ("substring", ("abc", -9, 1), "a"),
        ("substring", ("abc", 9, 1), ""),
        ("substring", ("abc", 1, 0), ""),
        ("startswith", ("abc", ""), True),
        ("endswith", ("abc", "bc"), True),
        ("contains", ("abc", "d"), False),
        ("matches", ("web-1", "[0-9]"), True),
        ("matches", ("web-1", "^[0-9]+$"), False),
        ("matches", ("MÜNCHEN", "(?i)münchen"), True),
        ("replace", ("aaa", "a", "bb"), "bbbbbb"),
        ("split_part", ("a,b,c", ",", -1), "c"),
        ("split_part", ("a,b,c", ",", 4), ""),
        ("unpack_date", ("2026-02-03 04:05:06",), (2026, 2, 3)),
        ("unpack_time", ("2026-02-03 04:05:06Z",), (4, 5, 6)),
        ("unpack_datetime", ("2026-02-03T00:30:00+01:00",), (2026, 2, 2, 23, 30, 0)),
        ("pack_datetime", (2026, 2, 3, 4, 5, 6), "2026-2-3 4:5:6"),
        ("extract_date", ("Feb 3 2026 10pm",), "2026-02-03"),
        ("extract_time", ("2026-02-03 22:00",), "22:00:00"),
        ("datetime_to_seconds", ("1900-01-01 00:00:10",), 10),
        ("datetime_to_seconds", ("1900-01-01 00:00:00.5",), 0.5),
        ("datetime_plus", ("2026-01-01", 86400), "2026-01-02 00:00:00"),
        ("datetime_plus", ("2026-01-01", "1:0:0:0:1"), "2026-01-08 00:00:01"),
        ("datetime_plus", ("2026-01-01", 0.5), "2026-01-01 00:00:00.500000"),
        ("datetime_minus", ("2026-01-01", "2:3"), "2025-12-31 23:57:57"),
        ("datetime_lt", ("2026-01-01T10:00:00+02:00", "2026-01-01 09:00:00"), True),
        ("datetime_equal", ("2026-01-01 10:00:00 UTC", "2026-01-01T10:00:00"), True),
        ("datetime_equal", ("10:00", "1900-01-01 10:00"), True),
        ("ips_equal", ("10.0.0.1", "::1"), False),
        ("ips_lt", ("255.255.255.255", "::1"), True),
        ("networks_equal", ("10.0.0.0/8", "10.1.2.3/8"), True),
        ("networks_overlap", ("10.0.0.0/8", "10.1.0.0/16"), True),
        ("networks_overlap", ("10.1.0.0/16", "10.0.0.0/8"), True),
        ("networks_overlap", ("10.0.0.0/16", "10.1.0.0/16"), False),
        ("networks_overlap", ("0.0.0.0/0", "::/0"), False),
        ("ip_in_network", ("2001:db8::1", "2001:db8::/32"), True),
        ("ip_in_network", ("10.0.0.1", "::/0"), False),
        ("validate_int", (1, 5, "3"), ""),
        ("validate_int", ("", "", 99), ""),
        ("validate_float", ("", 1, "0.5"), ""),
        ("validate_string", ("", "", "", "", "anything"), ""),
        ("validate_string", ("^a", 3, TRUE, FALSE, "'abc'"), ""),
        ("validate_string", ("^A", "", "", "True", "abc"), ""),
    ],
)
def test_results(name: str, inputs: tuple[Value, ...], wanted: object) -> None:
    assert call(name, *inputs) == wanted


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("validate_int", (1, 5, 9), "greater than the maximum 5"),
        ("validate_int", (1, 5, 0), "less than the minimum 1"),
        ("validate_int", (1, 5, 1.5), "not a whole number"),
        ("validate_int", (1, 5, "a"), "not hold a whole number"),
        ("validate_float", (0, 1, "x"), "not hold a number"),
        ("validate_string", ("^a", "", "", "", "b"), "does not match"),
        ("validate_string", ("^A", "", "", "", "abc"), "does not match"),
        ("validate_string", ("", 2, "", "", "abc"), "more than the maximum 2"),
        ("validate_string", ("", "", TRUE, "", "'abc"), "no closing quote"),
        ("validate_string", ("", "", "", "", 5), "not a string"),
    ],
)
def test_validation_answers_with_a_sentence(name: str, inputs: tuple[Value, ...], words: str) -> None:
    answer = call(name, *inputs)
    assert isinstance(answer, str)
    assert words in answer


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("lt", ("a", 5), 'the string "a" and the number 5 have no order'),
        ("lteq", (None, 1), "null and the number 1 have no order"),
        ("gt", (TRUE, FALSE), "the boolean true and the boolean false have no order"),
        ("gteq", (1, "a"), "have no order"),
        ("max", (1, "a"), "have no order"),
        ("min", (TRUE, 1), "have no order"),
        ("plus", (1, "a"), "two numbers or two strings"),
        ("minus", ("a", "b"), 'not the string "a"'),
        ("mul", ("a", 3), 'not the string "a"'),
        ("div", (1, 0), "cannot be divided by zero"),
        ("div", (1, 0.0), "cannot be divided by zero"),
        ("mod", (1, 0), "by zero"),
        ("mul", (1e300, 1e300), "out of the range"),
        ("mul", (10**3000, 10**3000), "bits"),
        ("plus", (10**3000, 0.5), "too large"),
        ("div", (10**3000, 0.5), "too large"),
        ("plus", ("a" * 600_000, "a" * 600_000), "characters"),
        ("abs", ("a",), "takes numbers"),
        ("float", ("x",), "does not hold a number"),
        ("float", ("nan",), "not a finite number"),
        ("float", ("1_0",), "a string that holds one"),
        ("float", (10**400,), "too large"),
        ("int", ("1.5",), "does not hold a whole number"),
        ("int", (None,), "int takes"),
        ("int", ("9" * 5000,), "too large"),
        ("concat", ("a", 1), "concat takes strings, not the number 1"),
        ("len", (None,), "len takes strings, not null"),
        ("substring", ("abc", 0, 1), "from 1"),
        ("substring", ("abc", 1, -1), "cannot take -1"),
        ("substring", ("abc", 1.5, 1), "whole number"),
        ("replace", ("abc", "", "x"), "empty string"),
        ("replace", ("a" * 10_000, "a", "b" * 1_000), "characters"),
        ("split_part", ("a", "", 1), "empty string"),
        ("split_part", ("a", ",", 0), "from 1"),
        ("matches", ("a", "("), "not a regular expression: missing ): ("),
        ("matches", ("a", "(?=b)"), "not a regular expression"),
        ("matches", ("a", "a" * 2000), "at most 1000"),
        ("matches", ("a", "((((a{100}){100}){100}){100})"), "not a regular expression"),
        ("matches", ("a", "\ud800"), "not a regular expression"),
        ("matches", ("\ud800", "a"), "half of a surrogate pair"),
        ("unpack_date", ("yesterday-ish",), "is not a date or time"),
        ("unpack_date", ("",), "is not a date or time"),
        ("unpack_date", (20260101,), "those are strings"),
        ("unpack_date", ("9" * 200,), "too long"),
        ("datetime_lt", ("2026-01-01 10:00 EST", "2026-01-01"), '"EST" is not a time zone; write an offset'),
        ("datetime_lt", ("0001-01-01T00:00:00+14:00", "2026-01-01"), "is not a date or time"),
        ("pack_date", (2026, 13, 1), "month must be in 1..12"),
        ("pack_time", (25, 0, 0), "hour must be in 0..23"),
        ("datetime_plus", ("9999-12-31", 10**9), "beyond the year 9999"),
        ("datetime_plus", ("2026-01-01", 10**40), "too long a duration"),
        ("datetime_plus", ("2026-01-01", "a:b"), "is not a duration"),
        ("datetime_plus", ("2026-01-01", "1:1:1:1:1:1"), "too many parts"),
        ("datetime_plus", ("2026-01-01", None), "takes a duration"),
        ("ips_equal", ("10.0.0.256", "10.0.0.1"), "is not an IP address"),
        ("ips_equal", (1, 1), "the number 1 is not an IP address"),
        ("networks_overlap", ("10.0.0.0/33", "10.0.0.0/8"), "is not an IP network"),
        ("validate_int", ("x", 5, 1), "does not hold a number"),
        ("validate_string", ("(", "", "", "", "a"), "not a regular expression"),
        ("validate_string", ("", "", "maybe", "", "a"), "for a flag"),
    ],
)
def test_what_has_no_result_says_so(name: str, inputs: tuple[Value, ...], words: str) -> None:
    assert words in sentence(name, *inputs)


def test_no_regular_expression_takes_exponential_time() -> None:
    assert call("matches", "a" * 100_000 + "b", "^(a|aa)+$") is False


_VALUES = st.one_of(
    st.none(),
    st.sampled_from([TRUE, FALSE]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(), max_size=20),
    st.sampled_from(["2026-01-01", "10:20", "10.0.0.1", "10.0.0.0/8", "1:2", "", "a", 0, 1, -1]),
)


@given(st.sampled_from([b for b in BUILTINS.values() if b.function]), st.lists(_VALUES, min_size=6, max_size=6))
def test_a_builtin_answers_or_says_why_not(builtin: Builtin, values: list[Value]) -> None:
    assert builtin.function is not None
    try:
        result = builtin.function(*values[: builtin.inputs])
    except BuiltinError:
        return
    if not builtin.outputs:
        assert isinstance(result, bool)
        return
    assert isinstance(result, tuple)
    assert len(result) == builtin.outputs
    assert all(isinstance(value, str | int | float | Bool | None) and not isinstance(value, bool) for value in result)
