"""What texts mean, as trees."""

from __future__ import annotations

import pytest

from congressd.language.parser import parse_atom, parse_program, parse_query, parse_rule, parse_sequence
from congressd.language.syntax import (
    Application,
    Argument,
    Atom,
    Comparison,
    Constant,
    Expression,
    Literal,
    Operation,
    Rule,
    Variable,
)
from congressd.model.values import FALSE, TRUE, Value


def value(text: str) -> Value:
    expression = parse_rule(f"p({text})").heads[0].arguments[0].expression
    assert isinstance(expression, Constant)
    return expression.value


def condition(text: str) -> Atom | Comparison:
    return parse_rule(f"p() :- {text}").body[0].condition


def atom(table: str, *terms: Expression, service: str | None = None) -> Atom:
    return Atom(service, table, tuple(map(Argument, terms)))


X, Y, Z = Variable("x"), Variable("y"), Variable("z")
ONE = Constant(1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("00", 0),
        ("0x1F", 31),
        ("-0b11", -3),
        ("0o17", 15),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1.5E-3", 0.0015),
        ("5.e1", 50.0),
        ("true", TRUE),
        ("True", TRUE),
        ("false", FALSE),
        ("False", FALSE),
        ("null", None),
        ("None", None),
        ('"web"', "web"),
        ("'web'", "web"),
        ("'say \"hi\"'", 'say "hi"'),
        (r"'it\'s'", "it's"),
        (r'"a\nb\t\\\/\"\b\f\r"', 'a\nb\t\\/"\b\f\r'),
        (r'"\u00e9\ud83d\ude00"', "é😀"),
        ('"日本 // no comment # here /* nor */ here"', "日本 // no comment # here /* nor */ here"),
        ('""', ""),
    ],
)
def test_values_are_those_of_json_and_more(text: str, wanted: Value) -> None:
    found = value(text)
    assert found == wanted
    assert type(found) is type(wanted)


def test_a_rule_has_a_head_and_a_body() -> None:
    assert parse_rule("p(x) :- q(x, 1), not r(_)") == Rule(
        (atom("p", X),),
        (Literal(atom("q", X, ONE)), Literal(atom("r", Variable("_")), negated=True)),
    )


@pytest.mark.parametrize("negation", ["not r(x)", "NOT r(x)", "!r(x)", "! r(x)"])
def test_negation_has_three_spellings(negation: str) -> None:
    assert parse_rule(f"p(x) :- {negation}").body == (Literal(atom("r", X), negated=True),)


def test_spans_tell_where_things_stand() -> None:
    rule = parse_rule("  p(x) :- q(x, 1) .  ")
    assert rule.source == "p(x) :- q(x, 1)"
    assert rule.text[slice(*rule.body[0].span)] == "q(x, 1)"


@pytest.mark.parametrize(
    "text",
    [
        "p(x) :- q(x) r(x) :- s(x)",
        "p(x) :- q(x); r(x) :- s(x);",
        "p(x) :- q(x). r(x) :- s(x).",
        "p(x) :- q(x).r(x) :- s(x).",
        "p(x):-q(x)\nr(x):-s(x)",
        "p(x) :- q(x) // first\n# second\nr(x) :- /* third */ s(x) // end",
        "\ufeffp(x) :- q(x)\r\n\tr(x)\u00a0:- s(x) # end",
    ],
)
def test_statements_need_no_separator(text: str) -> None:
    expected = (Rule((atom("p", X),), (Literal(atom("q", X)),)), Rule((atom("r", X),), (Literal(atom("s", X)),)))
    assert parse_program(text).statements == expected


@pytest.mark.parametrize("text", ["", "  \n", "// only a comment", "# one\n/* two */", "/**/"])
def test_a_text_may_have_no_statements(text: str) -> None:
    assert parse_program(text).statements == ()


def test_dots_belong_to_names_and_end_statements() -> None:
    first, second, third, fourth = parse_program(
        "a.b(x.y) :- c.d(x.y).\ne() :- true.\nf() :- .g(.h) .\n.i(1.)"
    ).statements
    assert first.heads[0] == atom("a.b", Variable("x.y"))
    assert first.body[0].condition == atom("c.d", Variable("x.y"))
    assert second.body[0].condition == atom("true")
    assert third.body[0].condition == atom(".g", Variable(".h"))
    assert fourth.heads[0] == atom(".i", Constant(1.0))


def test_a_number_before_the_final_dot_is_whole() -> None:
    rule, fact = parse_program("p(x) :- q(y), x = y + 1.\np(5.)").statements
    assert rule.body[1].condition == Comparison("=", X, Operation("+", Y, ONE))
    assert isinstance(rule.body[1].condition.right, Operation)
    right = rule.body[1].condition.right.right
    assert isinstance(right, Constant)
    assert isinstance(right.value, int)
    assert isinstance(fact.heads[0].arguments[0].expression, Constant)
    assert isinstance(fact.heads[0].arguments[0].expression.value, float)


def test_the_first_colon_ends_the_service() -> None:
    assert condition("nova:servers:cpu(x)") == atom("servers:cpu", X, service="nova")
    assert condition("nova : delete") == atom("delete", service="nova")


def test_columns_are_named_or_numbered() -> None:
    found = condition("nova:servers(x, id=y, 2=1, delete=null)")
    assert isinstance(found, Atom)
    assert found.arguments == (
        Argument(X),
        Argument(Y, "id"),
        Argument(ONE, 2),
        Argument(Constant(None), "delete"),
    )


def test_a_table_without_arguments_needs_no_parentheses() -> None:
    assert parse_rule("p :- q, not r") == parse_rule("p() :- q(), not r()")


def test_modals_hold_an_atom() -> None:
    head = parse_rule("execute[nova:servers.pause(x, 1)] :- p(x)").heads[0]
    assert head == Atom("nova", "servers.pause", (Argument(X), Argument(ONE)), "execute")


def test_update_tables_end_in_a_sign() -> None:
    steps = parse_sequence("p+(1) p-(2) nova:servers+(x, 1). p+(x) :- q(x) r- s()")
    assert [step.heads[0].table for step in steps] == ["p+", "p-", "servers+", "p+", "r-", "s"]


def test_sequences_allow_several_heads() -> None:
    (step,) = parse_sequence('act(x, 17), options:value(17, "name") :- result(x)')
    assert [head.table for head in step.heads] == ["act", "value"]


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!=", "="])
def test_comparisons_are_infix(operator: str) -> None:
    assert condition(f"x {operator} 1") == Comparison(operator, X, ONE)
    assert condition(f"x{operator}1") == Comparison(operator, X, ONE)


def test_products_bind_closer_than_sums() -> None:
    assert condition("z = x + y * 1 - 1") == Comparison(
        "=", Z, Operation("-", Operation("+", X, Operation("*", Y, ONE)), ONE)
    )
    assert condition("(x + y) * 1 > z") == Comparison(">", Operation("*", Operation("+", X, Y), ONE), Z)
    assert condition("z = x -1") == Comparison("=", Z, Operation("-", X, ONE))
    assert condition("z = x - -1") == Comparison("=", Z, Operation("-", X, Constant(-1)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x+(y) > 1", Comparison(">", Operation("+", X, Y), ONE)),
        ("x-(y)*1 > 1", Comparison(">", Operation("-", X, Operation("*", Y, ONE)), ONE)),
        ("x + y > 1", Comparison(">", Operation("+", X, Y), ONE)),
        ("x + 1 > 1", Comparison(">", Operation("+", X, ONE), ONE)),
        ("x+(y)", atom("x+", Y)),
        ("x+", atom("x+")),
        ("true == x", Comparison("==", Constant(TRUE), X)),
        ("true", atom("true")),
        ("not x < 1", Comparison("<", X, ONE)),
    ],
)
def test_tables_and_expressions_that_begin_alike_are_told_apart(text: str, wanted: Atom | Comparison) -> None:
    assert condition(text) == wanted


def test_an_update_table_may_stand_before_another_statement() -> None:
    first, second = parse_program("p() :- x- y(x)").statements
    assert (first.body[0].condition, second.heads[0]) == (atom("x-"), atom("y", X))


def test_aggregates_have_a_form() -> None:
    head = parse_rule("n(o, count(x)) :- q(o, x)").heads[0]
    assert head.arguments[1].expression == Application("count", (X,))


def test_names_may_be_of_any_script() -> None:
    assert parse_rule("größe_1(имя) :- 東京(имя)") == Rule(
        (atom("größe_1", Variable("имя")),), (Literal(atom("東京", Variable("имя"))),)
    )


@pytest.mark.parametrize(
    "text",
    [
        'error("vm-1")',
        "error(x, _, 'a', -1, 0, true, null)",
        "nova:servers(x)",
        " error ( x , 1 ) ",
        "p()",
        "p",
        "p(1.5)",
        'p("a\\n")',
        "p(x).",
        'p("a, b")',
        "execute[nova:pause(x)]",
        "error+(x)",
        "a.b(x)",
        "p(id=x)",
        'p("é")',
    ],
)
def test_an_atom_reads_the_same_by_the_short_way_and_the_long(text: str) -> None:
    long = parse_rule(f"h() :- {text}").body[0].condition if "[" not in text else parse_rule(text).heads[0]
    assert parse_atom(text) == parse_query(text) == long


def test_spans_of_the_short_way_are_those_of_the_long() -> None:
    text = ' nova:error( "vm-1", x , -5 )'
    short = parse_atom(text)
    long = parse_atom(text + " // the long way")
    assert (short.span, short.name_span) == (long.span, long.name_span)
    assert [argument.span for argument in short.arguments] == [argument.span for argument in long.arguments]


def test_a_query_may_be_a_rule() -> None:
    assert parse_query("p(x) :- q(x)") == parse_rule("p(x) :- q(x)")
