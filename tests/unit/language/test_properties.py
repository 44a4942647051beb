"""What holds for every text: it is a program or gets an error; its layout means the same and is stable."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from congressd.language.check import check_query, check_rule, rule_key
from congressd.language.core import Call, Rule, Variable
from congressd.language.formatter import format_text
from congressd.language.parser import parse_atom, parse_program, parse_query, parse_rule
from congressd.language.tokens import comments
from congressd.model.errors import CongressError
from congressd.model.values import FALSE, TRUE, Value, literal
from tests.unit.language.catalogs import CATALOG

_TEXT = """
p q cloud:servers builtin:plus lt now execute [ ] ( ) , :- : ; . + - * / = == != < <= not ! x y _ 1 -2 0.5 5. .5 "a" 'b'
id= 0= true null // # /* */ " ' \\ count( é “ p+( )
"""
_PIECES = st.sampled_from([*_TEXT.split(), "\u00a0", "\n", "\t"])
_NOISE = st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=25).map(" ".join), st.lists(_PIECES).map("".join))

_NAMES = st.sampled_from(["x", "y", "z", "vm", "_", "a.b", "größe"])
_VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.sampled_from([TRUE, FALSE]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
_TERMS = st.one_of(_NAMES, _VALUES.map(literal))
_GAP = st.sampled_from(
    ["", "", "", " ", "\n", "  ", "\n\n\n", " // c\n", "# c\n", "/* c */", "\n/* c\nd */\n", "\n// c\n"]
)


@st.composite
def _atoms(draw: st.DrawFn, sign: bool = False) -> str:
    table = draw(st.sampled_from(["p", "q", "nova:servers", "a.b", ".c", "nova:servers:x"]))
    if sign:
        table = f"{table}{draw(st.sampled_from(['', '', '+', '-']))}"
    terms = draw(st.lists(_TERMS, max_size=3))
    by_name, bare = draw(st.booleans()), draw(st.booleans())
    if terms and by_name:
        terms[-1] = f"col{draw(_GAP)}={draw(_GAP)}{terms[-1]}"
    gaps = [draw(_GAP) for _ in range(len(terms) + 1)]
    inside = ",".join(f"{gap}{term}{gap}" for gap, term in zip(gaps, terms, strict=False))
    return table if bare and not terms else f"{table}{gaps[-1]}({inside})"


_EXPRESSIONS = st.recursive(
    _TERMS,
    lambda inner: st.builds(
        lambda left, sign, right, gap: f"({left} {sign}{gap}{right})",
        inner,
        st.sampled_from("+-*/"),
        inner,
        st.sampled_from(["", " "]),
    ).filter(lambda text: "//" not in text and "/*" not in text),
    max_leaves=4,
)
_COMPARISONS = st.builds(
    lambda left, sign, right: f"{left} {sign} {right}",
    _EXPRESSIONS,
    st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "="]),
    _EXPRESSIONS,
)


@st.composite
def _programs(draw: st.DrawFn) -> str:
    parts = [draw(_GAP)]
    for _ in range(draw(st.integers(0, 3))):
        head = draw(_atoms(sign=True))
        parts.append(draw(st.sampled_from([head, head, f"execute[{draw(_atoms())}]"])))
        conditions = draw(st.lists(st.one_of(_atoms(), _COMPARISONS), max_size=3))
        for number, condition in enumerate(conditions):
            negation = draw(st.sampled_from(["", "", "not ", "!", "NOT "]))
            parts += [draw(_GAP), " :- " if number == 0 else ",", draw(_GAP), negation, condition]
        parts += [draw(_GAP), draw(st.sampled_from(["", " ;", " ."])), "\n", draw(_GAP)]
    return "".join(parts)


@given(_NOISE)
@example("p(x) :- x+(")
@example("p+")
@example(".")
def test_any_text_is_read_or_refused(text: str) -> None:
    calls: list[Callable[[str], object]] = [parse_program, parse_rule, parse_atom, parse_query, format_text]
    for call in calls:
        with suppress(CongressError):
            call(text)


@given(_NOISE)
@example("p(x) :- q(_1), _1 = x, x = y, y = x")
@example("p() :- x = y, y = x, not x = y")
def test_any_rule_is_accepted_or_refused(text: str) -> None:
    for policy in ("home", "effects", "new"):
        with suppress(CongressError):
            _assert_safe(check_rule(text, policy, CATALOG).rule)
        with suppress(CongressError):
            check_query(text, policy, CATALOG)


def _assert_safe(rule: Rule) -> None:
    bound: set[str] = set()
    for item in rule.body:
        args = item.args if isinstance(item, Call) else item.atom.args
        names = {arg.name for arg in args if isinstance(arg, Variable)}
        if item.negated:
            named = {arg.name for arg in args if isinstance(arg, Variable) and not arg.anonymous}
            assert named <= bound
        else:
            bound |= names


@given(_programs())
def test_a_layout_means_the_same_and_is_stable(text: str) -> None:
    laid_out = format_text(text)
    assert parse_program(laid_out) == parse_program(text)
    assert format_text(laid_out) == laid_out
    assert sorted(comment.strip() for _, comment in comments(text)) == sorted(c for _, c in comments(laid_out))


@given(_NOISE)
def test_a_layout_of_noise_means_the_same_if_it_means_anything(text: str) -> None:
    try:
        program = parse_program(text)
    except CongressError:
        return
    laid_out = format_text(text)
    assert parse_program(laid_out) == program
    assert format_text(laid_out) == laid_out


@given(st.lists(_VALUES, min_size=1, max_size=4))
def test_every_value_can_be_written(values: list[Value]) -> None:
    text = f"p({', '.join(map(literal, values))})"
    rule = check_rule(text, "new", CATALOG).rule
    assert str(rule.head) == str(check_rule(str(rule.head).removeprefix("new:"), "new", CATALOG).rule.head)
    assert [str(arg) for arg in rule.head.args] == list(map(literal, values))


@given(st.permutations(["q(x)", "r(x, _)", "not q(y)", "y = x + (x + 1)", "x < 5", 'cloud:servers(x, status="a")']))
def test_the_order_of_conditions_does_not_matter(body: list[str]) -> None:
    first = check_rule(f"p(x) :- {', '.join(sorted(body))}", "home", CATALOG).rule
    other = check_rule(f"p(x) :- {', '.join(body)}", "home", CATALOG).rule
    assert rule_key(first) == rule_key(other)
