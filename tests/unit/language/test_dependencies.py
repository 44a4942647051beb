"""The graph of tables: recursion refused with its cycle, nothing left behind."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.language.core import Atom, Literal, Rule, Table
from congressd.language.dependencies import DependencyGraph
from congressd.model.errors import CongressError


def table(name: str) -> Table:
    return Table("p", name)


def rule(head: str, *body: str) -> Rule:
    return Rule(Atom(table(head), ()), tuple(Literal(Atom(table(name), ())) for name in body))


def chain(length: int) -> list[Rule]:
    return [rule(f"t{number + 1}", f"t{number}") for number in range(length)]


def graph_of(*rules: Rule) -> DependencyGraph:
    graph = DependencyGraph()
    graph.add(rules)
    return graph


@pytest.mark.parametrize(
    ("rules", "cycle"),
    [
        ([rule("a", "a")], "p:a -> p:a"),
        ([rule("a", "b"), rule("b", "a")], "p:b -> p:a -> p:b"),
        ([rule("a", "b", "x"), rule("b", "c"), rule("c", "y", "a")], "p:c -> p:a -> p:b -> p:c"),
    ],
)
def test_recursion_is_refused_with_its_cycle(rules: list[Rule], cycle: str) -> None:
    with pytest.raises(CongressError, match=f"Rules are recursive: {cycle}") as caught:
        graph_of(*rules)
    assert caught.value.data == {"reason": "recursion", "cycle": cycle.split(" -> ")}


def test_refused_rules_leave_nothing() -> None:
    graph = graph_of(rule("a", "b"))
    with pytest.raises(CongressError):
        graph.add([rule("b", "c"), rule("c", "a")])
    assert graph.reads(table("b")) == frozenset()
    assert graph.readers(table("a")) == frozenset()
    graph.add([rule("c", "a")])


def test_an_edge_lasts_as_long_as_a_rule_has_it() -> None:
    first, second = rule("a", "b"), rule("a", "b", "c")
    graph = graph_of(first, second)
    graph.remove([first])
    assert graph.reads(table("a")) == {table("b"), table("c")}
    with pytest.raises(CongressError):
        graph.add([rule("b", "a")])
    graph.remove([second])
    assert graph.reads(table("a")) == frozenset()
    graph.add([rule("b", "a")])


def test_a_table_twice_in_a_body_is_one_edge() -> None:
    twice = rule("a", "b", "b")
    graph = graph_of(twice)
    graph.remove([twice])
    assert graph.readers(table("b")) == frozenset()


def test_order_puts_what_is_read_first() -> None:
    graph = graph_of(rule("d", "b", "c"), rule("b", "a"), rule("c", "a"), rule("e", "d"))
    order = graph.order([table("d")])
    assert order[0] == table("a")
    assert order[-1] == table("d")
    assert set(order) == {table(name) for name in "abcd"}


@pytest.mark.parametrize("arrange", [lambda rules: None, lambda rules: rules.reverse(), random.Random(1).shuffle])
def test_long_chains_are_built_in_any_order(arrange: object) -> None:
    rules = chain(10_000)
    assert callable(arrange)
    arrange(rules)
    graph = DependencyGraph()
    for each in rules:
        graph.add([each])
    assert len(graph.order([table("t10000")])) == 10_001
    with pytest.raises(CongressError, match="more"):
        graph.add([rule("t0", "t10000")])


def _is_cyclic(rules: list[Rule]) -> bool:
    edges = {(each.head.table, item.atom.table) for each in rules for item in each.body if isinstance(item, Literal)}
    while edges:
        readers = {head for head, _ in edges}
        left = {(head, body) for head, body in edges if body in readers}
        if left == edges:
            return True
        edges = left
    return False


_NAMES = st.sampled_from("abcdefgh")


@given(st.lists(st.builds(lambda head, body: rule(head, *body), _NAMES, st.lists(_NAMES, max_size=3)), max_size=12))
def test_exactly_the_cyclic_sets_of_rules_are_refused(rules: list[Rule]) -> None:
    graph = DependencyGraph()
    held: list[Rule] = []
    for each in rules:
        try:
            graph.add([each])
        except CongressError:
            assert _is_cyclic([*held, each])
        else:
            held.append(each)
            assert not _is_cyclic(held)
    for each in held:
        place = graph.order([each.head.table])
        assert all(place.index(below) < len(place) - 1 for below in graph.reads(each.head.table))
    graph.remove(held)
    assert all(not graph.reads(table(name)) and not graph.readers(table(name)) for name in "abcdefgh")
