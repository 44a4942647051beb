"""Which rules are accepted, what they become, and what the others are told."""

from __future__ import annotations

import pytest

from congressd.language.catalog import StaticCatalog
from congressd.language.check import check_query, check_rule, check_step, rule_key
from congressd.language.core import Constant, Literal, Table, Variable
from congressd.language.parser import parse_sequence
from congressd.model.errors import CongressError
from tests.unit.language.catalogs import CATALOG, check, core, reason, refusal


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p(1)", "home:p(1)"),
        ('r("a", null)', 'home:r("a", null)'),
        ("p(x) :- q(x), not other:t(x)", "home:p(x) :- home:q(x), not other:t(x)"),
        ("p(x) :- true, q(x)", "home:p(x) :- builtin:true(), home:q(x)"),
        ("p(n) :- cloud:servers(name=n)", "home:p(n) :- cloud:servers(_, n, _)"),
        ("p(n) :- cloud:servers(x, 2=n)", "home:p(n) :- cloud:servers(x, _, n)"),
        ("p(x) :- cloud:servers(x)", "home:p(x) :- cloud:servers(x, _, _)"),
        ("p(x) :- cloud:servers:tags(tag=x)", "home:p(x) :- cloud:servers:tags(_, x)"),
        ("p(x) :- other:named(second=x)", "home:p(x) :- other:named(_, x)"),
        ("r(0=1, 1=2)", "home:r(1, 2)"),
        ("p(x) :- r(1=x)", "home:p(x) :- home:r(_, x)"),
        ("p(x) :- q(x), not cloud:servers(x)", "home:p(x) :- home:q(x), not cloud:servers(x, _, _)"),
        ("p(x) :- plus(1, 2, x)", "home:p(x) :- builtin:plus(1, 2, x)"),
        ("p(x) :- builtin:plus(1, 2, x)", "home:p(x) :- builtin:plus(1, 2, x)"),
        ("p(x) :- now(x)", "home:p(x) :- builtin:now(x)"),
        ("execute[cloud:stop(x)] :- q(x)", "execute[cloud:stop](x) :- home:q(x)"),
        ("execute[stop(x)] :- q(x)", "execute[home:stop](x) :- home:q(x)"),
        ("execute[stop()] :- true", "execute[home:stop]() :- builtin:true()"),
        ("p(x) :- q(x), x > 1", "home:p(x) :- home:q(x), builtin:gt(x, 1)"),
        ("p(x) :- q(x), x != 1", "home:p(x) :- home:q(x), not builtin:equal(x, 1)"),
        ("p(x) :- q(x), not x != 1", "home:p(x) :- home:q(x), builtin:equal(x, 1)"),
        ("p(x) :- q(x), not x < 1", "home:p(x) :- home:q(x), not builtin:lt(x, 1)"),
        ("p(z) :- q(x), z = x + 1", "home:p(z) :- home:q(x), builtin:plus(x, 1, z)"),
        ("p(z) :- q(x), x * 2 = z", "home:p(z) :- home:q(x), builtin:mul(x, 2, z)"),
        ("p(x) :- q(x), q(z), z = x - 1", "home:p(x) :- home:q(x), home:q(z), builtin:minus(x, 1, z)"),
        ("p(x) :- q(x), x = 5", "home:p(5) :- home:q(5)"),
        ("p(x) :- x = y, y = z, q(z)", "home:p(z) :- home:q(z)"),
        ("p(x) :- q(x), 1 = 2", "home:p(x) :- home:q(x), builtin:equal(1, 2)"),
        ("p(x) :- q(x), not x = 5", "home:p(x) :- home:q(x), not builtin:equal(x, 5)"),
        ("p(x) :- q(x), _ = x", "home:p(x) :- home:q(x)"),
        ("p(x) :- q(x), x = _", "home:p(x) :- home:q(x)"),
        ("p(x) :- q(x), y = _, x = y", "home:p(y) :- home:q(y)"),
    ],
)
def test_a_rule_gets_its_core_form(text: str, wanted: str) -> None:
    assert core(text) == wanted


def test_nested_arithmetic_becomes_a_chain_of_calls() -> None:
    body = check("p(z) :- r(x, y), z = (x + y) * 2 / 3").rule.body
    names = [str(item).split("(")[0] for item in body]
    assert names == ["home:r", "builtin:plus", "builtin:mul", "builtin:div"]


def test_intermediate_results_are_not_anonymous() -> None:
    assert core("p(x) :- r(x, _t1), x > _t1 / 2 + 1") == (
        "home:p(x) :- home:r(x, _t1_), builtin:div(_t1_, 2, _t2), builtin:plus(_t2, 1, _t1), builtin:gt(x, _t1)"
    )


def test_each_anonymous_variable_is_another() -> None:
    (item,) = check("p(1) :- cloud:servers(_, _, _)").rule.body
    assert isinstance(item, Literal)
    assert item.atom.args == (Variable("_1"), Variable("_2"), Variable("_3"))


def test_a_variable_that_looks_anonymous_is_renamed() -> None:
    rule = check("r(_1, _1_) :- cloud:servers(_1, _1_, _)").rule
    assert rule.head.args == (Variable("_1_"), Variable("_1__"))
    assert not any(argument.anonymous for argument in rule.head.args if isinstance(argument, Variable))


def test_a_rule_keeps_its_text_and_its_place() -> None:
    rule = check_rule("  execute[cloud:stop(x)] :- q(x).", "home", CATALOG, "id-1").rule
    assert (rule.text, rule.policy, rule.id) == ("execute[cloud:stop(x)] :- q(x)", "home", "id-1")
    assert rule.head.table == Table("cloud", "stop", "execute")


def test_bodies_are_put_in_a_safe_order_and_else_left_alone() -> None:
    assert core("p(x) :- not other:t(y), x > 1, y = x + 1, q(x), q(1)") == (
        "home:p(x) :- home:q(x), builtin:gt(x, 1), builtin:plus(x, 1, y), not other:t(y), home:q(1)"
    )
    assert core("p(x) :- r(x, y), q(y), q(x)") == "home:p(x) :- home:r(x, y), home:q(y), home:q(x)"


@pytest.mark.parametrize(
    ("text", "why", "words"),
    [
        ("p(y) :- q(x)", "unsafe", "Variable y found in head but not in body, rule p(y) :- q(x)"),
        ("p(_) :- q(x)", "unsafe", "Variable _ found in head but not in body"),
        ("p(x) :- x = y", "unsafe", "Variable x found in head but not in body"),
        ("p(x) :- not q(x)", "unsafe", "Could not reorder rule p(x) :- not q(x).  Unsafe lits: not q(x)"),
        ("p(x) :- q(x), y > 1", "unsafe", "Unsafe lits: y > 1"),
        ("p(x) :- q(x), x > y * 2 + 1", "unsafe", "Unsafe lits: x > y * 2 + 1 (y must get a value"),
        ("p(x) :- q(x), plus(x, _, z)", "unsafe", "(_ must get a value"),
        ("p(x) :- q(x), plus(x, y, z)", "unsafe", "(y must get a value"),
        ("p(x) :- q(x), not plus(x, 1, z)", "unsafe", "Unsafe lits: not plus(x, 1, z)"),
        ("p(x) :- q(x), not now(z)", "unsafe", "Unsafe lits: not now(z)"),
        ("p(1, 2)", "arity", "Literal p(1, 2) contained 2 arguments but exactly 1 arguments are permitted"),
        ("p(x) :- q(x, 1)", "arity", "Literal q(x, 1) contained 2 arguments but exactly 1 arguments are permitted"),
        ("r(x) :- q(x)", "arity", "Literal r(x) contained 1 arguments but exactly 2 arguments are permitted"),
        ("p(x) :- n(x), n(x, 1)", "arity", "Literal n(x, 1) contained 2 arguments"),
        ("n(x) :- n(x, 1)", "arity", "contained 2 arguments but exactly 1"),
        ("p(x) :- cloud:servers(x, 1, 2, 3)", "arity", "its columns are id, name, status"),
        ("p(x) :- cloud:servers(x, 1, 2, 3, name=x)", "arity", "contained 5 arguments"),
        ("p(x) :- plus(1, x)", "arity", "permitted: builtin:plus(x, y | z)"),
        ("p(x) :- plus(x=1)", "arity", "which builtins do not allow"),
        ("r(0=1)", "arity", "gives no value for 1"),
        ("other:p(x) :- q(x)", "qualified_head", "Non-modal rule head other:p(x) should not reference any policy:"),
        ("home:p(x) :- q(x)", "qualified_head", "Non-modal rule head home:p(x) should not reference any policy:"),
        ("cloud:servers(1)", "qualified_head", "Fact cloud:servers(1) should not reference any policy: cloud"),
        ("cloud:servers+(1) :- q(1)", "qualified_head", "Non-modal rule head"),
        ("p(x)", "not_ground", "Fact not ground: p(x)"),
        ("p(_)", "not_ground", "Fact not ground: p(_)"),
        ("insert[p(x)] :- q(x)", "modal", "Only 'execute' modal is allowed; found insert in head insert[p(x)]"),
        ("p(x) :- execute[q(x)]", "modal", "Modals stand in heads only; found execute in the body"),
        ("execute[stop(1)]", "modal", "write execute[stop(1)] :- true"),
        ("execute[cloud:stop(id=x)] :- q(x)", "column", "which actions do not allow"),
        ("plus(1, 2, 3)", "builtin", "Conflict with built-in tablename: plus"),
        ("true :- q(x)", "builtin", "Conflict with built-in tablename: true"),
        ("builtin:mine(x) :- q(x)", "builtin", "Conflict with built-in tablename: mine"),
        ("p(x), q(x) :- r(x, 1)", "heads", "Non-formula found: p(x), q(x) :- r(x, 1)"),
        ("p(x) :- builtin:plsu(1, 2, x)", "unknown_builtin", 'There is no builtin plsu. Did you mean "plus"?'),
        ("p(x) :- cloud:server(x)", "unknown_table", 'no table server. Did you mean "servers"?'),
        ("p(x) :- cloud:servers(nmae=x)", "unknown_column", 'no column nmae. Did you mean "name"?'),
        ("p(x) :- cloud:servers(3=x)", "unknown_column", "no column number 3; it has 3, counted from 0"),
        ("p(x) :- cloud:servers(x, id=x)", "column", "gives the column id twice"),
        ("p(x) :- cloud:servers(1=x, name=x)", "column", "gives the column name twice"),
        (
            "p(x) :- other:t(id=x)",
            "column",
            "uses column references, but 'other' does not reference a datasource policy",
        ),
        ("p(x) :- silent:t(id=x)", "schema_unknown", "uses named arguments, but the schema is unknown."),
        ("p(x) :- nobody:t(id=x)", "schema_unknown", "uses named arguments, but the schema is unknown."),
        ("r(o, count(x)) :- r(o, x)", "later", "aggregates come with a later release"),
        ("p(x) :- q(y), x = max(y)", "later", "aggregates come with a later release"),
        ("p(len(x)) :- q(x)", "nested", "as in len(x | y)"),
        ("p(lne(x)) :- q(x)", "nested", 'no function lne. Did you mean "len"?'),
        ("p(x + 1) :- q(x)", "nested", "as in z = x + 1"),
    ],
)
def test_a_rule_that_cannot_run_is_told_why(text: str, why: str, words: str) -> None:
    error = refusal(text)
    assert error.code.name == "rule_syntax"
    assert words in error.detail
    assert reason(error) == why


def test_an_error_points_at_its_place() -> None:
    error = refusal("p(x) :- q(x),\n  cloud:servers(x, nmae=y)")
    assert isinstance(error.data, dict)
    assert (error.data["line"], error.data["column"]) == (2, 20)
    assert error.data["excerpt"].splitlines()[1].strip() == "^~~~~~"


def test_rules_do_not_stand_in_sources() -> None:
    assert refusal("p(1)", "cloud").code.name == "rule_not_permitted"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p(x) :- nobody:t(x)", "There is no policy or source nobody yet; nobody:t is empty until there is."),
        ("p(x) :- othr:t(x)", 'Did you mean "other"?'),
        ("p(x) :- silent:t(x)", "The tables of the source silent are not known yet"),
        ("p(x) :- other:u(x)", "No rule or fact defines the table other:u yet"),
        ("p(x) :- conact(x, x, x), q(x)", 'Did you mean "concat"?'),
        ("p(x) :- r(x)", "r(x) gives 1 of the 2 columns of home:r"),
    ],
)
def test_what_looks_wrong_but_is_allowed_gives_a_warning(text: str, words: str) -> None:
    (warning,) = check(text).warnings
    assert words in warning


@pytest.mark.parametrize("text", ["p(x) :- q(x)", "new(x) :- new2(x), new2(x)", "p(x) :- cloud:servers(x)", "n(1)"])
def test_what_is_right_gives_no_warning(text: str) -> None:
    assert [warning for warning in check(text).warnings if "new2" not in warning] == []


def test_a_warning_is_given_once() -> None:
    assert len(check("p(x) :- new(x), new(x)").warnings) == 1


def test_policies_of_actions_have_relaxed_checks() -> None:
    assert core("p+(x, y) :- act(x)", "effects") == "effects:p+(x, y) :- effects:act(x)"
    assert core("cloud:servers-(x, y, z) :- act(x)", "effects") == "cloud:servers-(x, y, z) :- effects:act(x)"
    assert check("p+(x) :- act(x), q(x)", "effects").warnings == ()
    assert reason(refusal("other:t(x) :- act(x)", "effects")) == "qualified_head"
    assert reason(refusal("cloud:servers+(x) :- act(x)", "effects")) == "arity"


def test_queries_are_atoms_or_rules() -> None:
    assert str(check_query('r(x, "a")', "home", CATALOG).query) == 'home:r(x, "a")'
    assert str(check_query("cloud:servers(name=x)", "home", CATALOG).query) == "cloud:servers(_, x, _)"
    assert str(check_query("execute[cloud:stop(x)]", "home", CATALOG).query) == "execute[cloud:stop](x)"
    assert str(check_query("p(x, y) :- r(x, y)", "home", CATALOG).query) == "home:p(x, y) :- home:r(x, y)"


def test_a_query_warns_of_a_table_that_nothing_defines() -> None:
    for text in ("nosuch(x)", "answer(x) :- nosuch(x)"):
        (warning,) = check_query(text, "home", CATALOG).warnings
        assert warning.startswith("No rule or fact defines the table home:nosuch yet")
    assert check_query("answer(x) :- r(x, y)", "home", CATALOG).warnings == ()


@pytest.mark.parametrize(
    "text", ["", "p(x", "cloud:srv(x)", "p(1, 2)", "plus(1, 2, x)", "p(y) :- q(x)", "p(x), q(x) :- q(x)", "p(x) q(x)"]
)
def test_a_query_that_cannot_be_answered_is_refused(text: str) -> None:
    with pytest.raises(CongressError) as caught:
        check_query(text, "home", CATALOG)
    assert caught.value.code.name == "query_syntax"


def test_steps_of_a_simulation_may_change_any_table() -> None:
    steps = parse_sequence('p+(1) cloud:servers-("a", "b", "c") p-(x) :- q(x) act(x, 1), o:v(x, y) :- result(x)')
    assert [[str(rule) for rule in check_step(step, "home", CATALOG)] for step in steps] == [
        ["home:p+(1)"],
        ['cloud:servers-("a", "b", "c")'],
        ["home:p-(x) :- home:q(x)"],
        ["home:act(x, 1) :- home:result(x)", "o:v(x, y) :- home:result(x)"],
    ]


@pytest.mark.parametrize(
    "text", ["p+(1, 2)", "p+(x)", "cloud:servers+(1)", "cloud:srv+(1)", "execute[a:b(1)]", "plus(1)"]
)
def test_a_step_that_cannot_be_taken_is_refused(text: str) -> None:
    (step,) = parse_sequence(text)
    with pytest.raises(CongressError) as caught:
        check_step(step, "home", CATALOG)
    assert caught.value.code.name == "simulate_error"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("p(x) :- q(x), r(x, y)", "p(x) :- r(x, y),   q(x) // again"),
        ("p(x) :- q(x), r(_, x), r(x, _)", "p(x) :- r(x, _), q(x), r(_, x)"),
        ("p(x) :- plus(1, 2, x)", "p(x) :- builtin:plus(1, 2, x)"),
        ("p(x) :- q(x), x < 1", "p(x) :- lt(x, 1), q(x)"),
        ("p(1)", "p(1.0)"),
        ("p(x) :- q(x), not r(x, _), x = y + (y + 1), q(y)", "p(x) :- q(y), x = y + (y + 1), not r(x, _), q(x)"),
    ],
)
def test_the_same_rule_has_the_same_key(one: str, other: str) -> None:
    assert rule_key(check(one).rule) == rule_key(check(other).rule)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("p(x) :- q(x)", "p(y) :- q(y)"),
        ("p(x) :- q(x)", "p(x) :- q(x), q(x)"),
        ("p(x) :- q(x)", "p(x) :- q(x), not q(x)"),
        ("p(1)", 'p("1")'),
        ("p(1)", "p(true)"),
        ("p(1)", "p(1) :- true"),
        ("p(x) :- q(x)", "execute[p(x)] :- q(x)"),
    ],
)
def test_another_rule_has_another_key(one: str, other: str) -> None:
    assert rule_key(check(one).rule) != rule_key(check(other).rule)


def test_an_empty_catalogue_knows_no_names_and_refuses_none() -> None:
    checked = check_rule("p(x) :- a:b(x), c(x)", "new", StaticCatalog())
    assert len(checked.warnings) == 2


def test_values_keep_their_types() -> None:
    assert check("p(true)").rule.head.args != (Constant(1),)
