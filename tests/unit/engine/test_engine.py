"""The engine by what it answers: maintenance, atomicity, queries, watching, letting go."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from congressd.engine import budget
from congressd.engine import engine as engine_module
from congressd.engine.engine import KEEP_SECONDS, Engine
from congressd.language.core import Atom, Rule, Table, Variable
from congressd.model.errors import CongressError
from congressd.model.tables import Column, TableSchema
from congressd.model.values import Row
from tests.unit.engine.rules import Is, atom, call, change, fact, lit, no, rows, rule, table

REACH_HOSTS = rule(atom("down", "vm"), lit("nova:servers", "vm", "host"), lit("nova:hosts", "host", Is("down")))


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_a_batch_over_several_tables_changes_the_derived_table_once(engine: Engine) -> None:
    seen: list[tuple[list[Row], list[Row]]] = []
    engine.change_rules([REACH_HOSTS])
    engine.watch(table("down"), lambda added, removed: seen.append((list(added), list(removed))))
    engine.apply("nova", {"servers": change(("vm1", "h1")), "hosts": change(("h1", "down"))})
    assert seen == [([("vm1",)], [])]
    engine.apply(
        "nova",
        {"hosts": change(("h1", "up"), ("h2", "down"), removed=(("h1", "down"),)), "servers": change(("vm2", "h2"))},
    )
    assert seen[1] == ([("vm2",)], [("vm1",)])


def test_a_row_that_two_derivations_give_stays_when_one_goes(engine: Engine) -> None:
    engine.change_rules([rule(atom("p", "x"), lit("s:q", "x", "_1"))])
    engine.watch(table("p"), lambda added, removed: None)
    engine.apply("s", {"q": change((1, 1), (1, 2))})
    engine.apply("s", {"q": change(removed=((1, 1),))})
    assert rows(engine, "p", 1) == [(1,)]
    engine.apply("s", {"q": change(removed=((1, 2),))})
    assert rows(engine, "p", 1) == []


def test_a_self_join_counts_every_derivation_once(engine: Engine) -> None:
    engine.change_rules([rule(atom("p", "x", "z"), lit("s:q", "x", "y"), lit("s:q", "y", "z"))])
    engine.watch(table("p"), lambda added, removed: None)
    engine.apply("s", {"q": change((1, 1))})
    engine.apply("s", {"q": change((1, 2), (2, 1))})
    assert rows(engine, "p", 2) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    engine.apply("s", {"q": change(removed=((1, 1),))})
    assert rows(engine, "p", 2) == [(1, 1), (2, 2)]


def test_a_helper_that_would_blow_up_is_not_held(engine: Engine) -> None:
    engine.change_rules(
        [
            rule(atom("same", "x", "y"), lit("k:members", "x", "g"), lit("k:members", "y", "g")),
            rule(atom("bad", "a", "b"), lit("k:pairs", "a", "b"), no("same", "a", "b")),
        ]
    )
    engine.watch(table("bad"), lambda added, removed: None)
    engine.apply("k", {"members": change(*((f"t{i}", f"g{i % 4}") for i in range(400))), "pairs": change(("t0", "t1"))})
    assert engine.stats()["rows"] == 402
    assert rows(engine, "bad", 2) == [("t0", "t1")]
    engine.apply("k", {"members": change(("t1", "g0"))})
    assert rows(engine, "bad", 2) == []
    engine.apply("k", {"members": change(removed=(("t1", "g0"),))})
    assert rows(engine, "bad", 2) == [("t0", "t1")]


def test_not_with_an_anonymous_column_means_no_row_at_all(engine: Engine) -> None:
    engine.change_rules([rule(atom("lonely", "x"), lit("s:servers", "x"), no("s:ports", "_1", "x"))])
    engine.watch(table("lonely"), lambda added, removed: None)
    engine.apply("s", {"servers": change(("a",), ("b",)), "ports": change(("p1", "a"), ("p2", "a"))})
    assert rows(engine, "lonely", 1) == [("b",)]
    engine.apply("s", {"ports": change(removed=(("p1", "a"),))})
    assert rows(engine, "lonely", 1) == [("b",)]
    engine.apply("s", {"ports": change(removed=(("p2", "a"),))})
    assert rows(engine, "lonely", 1) == [("a",), ("b",)]


def test_a_chain_of_a_thousand_rules_and_a_deep_diamond_answer(engine: Engine) -> None:
    engine.change_rules([rule(atom(f"p{i + 1}", "x"), lit(f"p{i}", "x")) for i in range(1000)])
    diamond = []
    for level in range(30):
        diamond += [
            rule(atom(f"left{level}", "x"), lit(f"d{level}", "x")),
            rule(atom(f"right{level}", "x"), lit(f"d{level}", "x")),
            rule(atom(f"d{level + 1}", "x"), lit(f"left{level}", "x"), lit(f"right{level}", "x")),
        ]
    engine.change_rules([*diamond, fact("p0", 1), fact("d0", 2)])
    assert rows(engine, "p1000", 1) == [(1,)]
    assert engine.query(atom("d30", 2)) == [(2,)]
    assert engine.query(atom("d30", 3)) == []


def test_a_body_longer_than_pythons_nesting_limit_is_joined(engine: Engine) -> None:
    body = [lit("s:edge", f"x{i}", f"x{i + 1}") for i in range(30)]
    engine.apply("s", {"edge": change(*((i, i + 1) for i in range(31)), *((i, i + 100) for i in range(31)))})
    engine.change_rules([rule(atom("walk", "x0", "x30"), *body)])
    assert rows(engine, "walk", 2) == [(0, 30), (0, 129), (1, 31), (1, 130)]


def test_deleting_all_rules_and_sources_leaves_nothing_behind(engine: Engine) -> None:
    empty = engine.stats()
    rules = [
        REACH_HOSTS,
        rule(atom("p", "x"), lit("down", "x"), no("nova:servers", "x", "_1")),
        rule(atom("q", "x"), lit("p", "x"), no("down", "x")),
        fact("r", 1),
    ]
    engine.change_rules(rules)
    engine.apply("nova", {"servers": change(("vm1", "h1")), "hosts": change(("h1", "down"))})
    stop = engine.watch(table("q"), lambda added, removed: None)
    rows(engine, "down", 1)
    stop()
    engine.change_rules(remove=rules)
    engine.drop_source("nova")
    assert engine.stats() == empty


def test_a_bound_query_of_a_table_that_nobody_holds_is_looked_up(engine: Engine) -> None:
    engine.change_rules([REACH_HOSTS, fact("down", "always")])
    engine.apply("nova", {"servers": change(*((f"vm{i}", "h1") for i in range(100))), "hosts": change(("h1", "down"))})
    assert engine.query(atom("down", Is("vm7"))) == [("vm7",)]
    assert engine.query(atom("down", Is("always"))) == [("always",)]
    assert engine.query(atom("down", Is("vm100"))) == []
    assert engine.stats()["tables"] == 2


def test_an_ad_hoc_rule_is_answered_and_kept_right(engine: Engine) -> None:
    engine.apply("nova", {"servers": change(("vm1", "h1"), ("vm2", "h2")), "hosts": change(("h1", "down"))})
    asked = Rule(atom("answer", "vm"), REACH_HOSTS.body, "p")
    assert engine.evaluate(asked) == [("vm1",)]
    engine.apply("nova", {"hosts": change(("h2", "down"))})
    assert sorted(engine.evaluate(asked)) == [("vm1",), ("vm2",)]
    assert engine.tables() == [Table("nova", "servers"), Table("nova", "hosts")] or len(engine.tables()) == 2


def test_tables_that_nobody_queries_any_more_are_let_go() -> None:
    clock = Clock()
    engine = Engine(clock)
    engine.change_rules([REACH_HOSTS])
    engine.apply("nova", {"servers": change(("vm1", "h1")), "hosts": change(("h1", "down"))})
    engine.query(Atom(table("down"), (Variable("x"),)))
    engine.evaluate(Rule(atom("answer", "vm"), REACH_HOSTS.body, "p"))
    assert engine.stats()["tables"] == 4
    clock.time += KEEP_SECONDS + 1
    engine.expire()
    assert engine.stats()["tables"] == 2
    assert engine.stats()["rules"] == 1


def test_now_moves_with_the_clock() -> None:
    clock = Clock()
    engine = Engine(clock)
    engine.change_rules([rule(atom("late", "x"), lit("s:due", "x", "t"), call("now", "n"), call("lt", "t", "n"))])
    engine.watch(table("late"), lambda added, removed: None)
    engine.apply("s", {"due": change(("a", "1970-01-12 13:46:45"))})
    assert rows(engine, "late", 1) == []
    clock.time += 10
    engine.tick()
    assert rows(engine, "late", 1) == [("a",)]


def test_a_row_that_a_builtin_refuses_is_skipped_counted_and_shown(engine: Engine) -> None:
    small = rule(atom("small", "x"), lit("s:q", "x"), call("lt", "x", 5))
    engine.change_rules([small])
    engine.watch(table("small"), lambda added, removed: None)
    engine.apply("s", {"q": change((1,), ("text",), (9,))})
    assert rows(engine, "small", 1) == [(1,)]
    [failures] = engine.errors()
    assert failures.rule == small
    assert failures.count == 1
    assert 'builtin:lt("text", 5)' in str(failures.last[0])


def test_readers_never_see_half_of_a_large_batch(engine: Engine) -> None:
    engine.change_rules([rule(atom("both", "x"), lit("s:a", "x"), lit("s:b", "x"))])
    engine.watch(table("both"), lambda added, removed: None)
    size = 3000
    broken: list[Sequence[int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with engine._live.mutex:
                counts = [engine.count(table(name)) for name in ("s:a", "s:b", "both")]
            if len(set(counts)) != 1 or counts[0] not in (0, 1, size):
                broken.append(counts)

    thread = threading.Thread(target=read)
    thread.start()
    everything = [(i,) for i in range(size)]
    for _ in range(5):
        engine.replace("s", {"a": everything, "b": everything})
        engine.replace("s", {"a": everything[:1], "b": everything[:1]})
        engine.replace("s", {})
    done.set()
    thread.join(timeout=10)
    assert broken == []


def test_a_small_batch_that_turns_out_large_is_published_at_once(engine: Engine) -> None:
    engine.change_rules(
        [
            rule(atom("p", "x"), lit("s:switch"), lit("s:many", "x")),
            rule(atom("q", "x"), lit("p", "x"), no("s:none", "x")),
        ]
    )
    engine.apply("s", {"many": change(*((i,) for i in range(1000)))})
    during: list[tuple[int, int]] = []
    engine.watch(table("q"), lambda added, removed: None)
    report = engine._live.grew

    def grew(number: int) -> None:
        report(number)
        if not engine._live.mutex.locked():
            during.append((engine.count(table("s:switch")), engine.count(table("p"))))

    engine._live.grew = grew  # type: ignore[method-assign,assignment]
    engine.apply("s", {"switch": change(())})
    assert during
    assert set(during) == {(0, 0)}
    assert engine.count(table("q")) == 1000
    engine.apply("s", {"switch": change(removed=((),))})
    assert engine.count(table("q")) == 0


def test_a_transaction_that_fails_midway_leaves_what_was(engine: Engine) -> None:
    engine.change_rules([REACH_HOSTS])
    engine.watch(table("down"), lambda added, removed: None)
    engine.apply("nova", {"servers": change(("vm1", "h1")), "hosts": change(("h1", "down"))})
    with pytest.raises(IndexError):
        engine.apply("nova", {"hosts": change(("h2", "down")), "servers": change(("vm2",))})
    assert rows(engine, "down", 1) == [("vm1",)]
    assert rows(engine, "nova:hosts", 2) == [("h1", "down")]
    engine.apply("nova", {"servers": change(("vm3", "h1"))})
    assert rows(engine, "down", 1) == [("vm1",), ("vm3",)]


def test_rows_of_another_length_than_declared_are_refused(engine: Engine) -> None:
    engine.declare("s", [TableSchema("t", (Column("a"), Column("b")), ("a",))])
    with pytest.raises(ValueError, match="must have 2 columns"):
        engine.apply("s", {"t": change((1,))})


def test_a_table_that_is_declared_anew_loses_its_rows(engine: Engine) -> None:
    engine.declare("s", [TableSchema("t", (Column("a"), Column("b")))])
    engine.apply("s", {"t": change((1, 2))})
    engine.declare("s", [TableSchema("t", (Column("a"),))])
    assert rows(engine, "s:t", 1) == []
    engine.apply("s", {"t": change((1,))})
    assert rows(engine, "s:t", 1) == [(1,)]


@pytest.fixture
def _small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_ROWS", 10_000)
    monkeypatch.setattr(budget, "MOST_ASKED_ROWS", 5_000)


@pytest.mark.usefixtures("_small_budget")
def test_a_cross_product_that_would_fill_the_memory_is_refused_and_leaves_what_was(engine: Engine) -> None:
    engine.apply("s", {"a": change(*((i,) for i in range(300))), "b": change(*((i,) for i in range(300)))})
    engine.change_rules([rule(atom("p", "x"), lit("s:a", "x")), fact("p", 1000)])
    engine.watch(table("p"), lambda added, removed: None)
    product = rule(atom("p", "x", "y"), lit("s:a", "x"), lit("s:b", "y"))
    before = engine.stats()
    with pytest.raises(CongressError, match=r"more than 10,000 rows"):
        engine.change_rules([product, fact("p", 1001)])
    with pytest.raises(CongressError, match=r"more than 5,000 rows"):
        engine.evaluate(Rule(atom("answer", "x", "y"), product.body, "p"))
    assert engine.stats() == before
    engine.apply("s", {"a": change((300,))})
    assert len(rows(engine, "p", 1)) == 302


@pytest.mark.usefixtures("_small_budget")
def test_a_query_that_is_too_large_is_refused_and_asks_for_nothing_later(engine: Engine) -> None:
    engine.apply("s", {"a": change(*((i,) for i in range(300))), "b": change(*((i,) for i in range(300)))})
    engine.change_rules([rule(atom("p", "x", "y"), lit("s:a", "x"), lit("s:b", "y"))])
    with pytest.raises(CongressError, match=r"share no variable"):
        rows(engine, "p", 2)
    engine.apply("s", {"a": change((300,))})
    assert engine.query(atom("p", 5, 7)) == [(5, 7)]


SAME_HOST = Rule(atom("answer", "x", "y"), (lit("s:vms", "x", "h"), lit("s:vms", "y", "h")), "p")


@pytest.mark.usefixtures("_small_budget")
def test_a_rule_that_is_asked_has_a_limit_whatever_it_joins(engine: Engine) -> None:
    engine.apply("s", {"vms": change(*((i, i % 2) for i in range(100)))})
    assert len(engine.evaluate(SAME_HOST)) == 5_000
    engine.apply("s", {"vms": change((100, 0))})
    with pytest.raises(CongressError, match=r"the query is too large: it has more than 5,000 rows; narrow it"):
        engine.evaluate(Rule(atom("other", "x", "y"), SAME_HOST.body, "p"))
    one = Rule(atom("answer", "y"), (lit("s:vms", Is(7), "h"), lit("s:vms", "y", "h")), "p")
    assert len(engine.evaluate(one)) == 50


@pytest.mark.usefixtures("_small_budget")
def test_a_rule_that_is_asked_has_a_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MOST_ASKED_SECONDS", 0.0)
    engine.apply("s", {"vms": change(*((i, 0) for i in range(100)))})
    with pytest.raises(CongressError, match="was not done after 0 seconds"):
        engine.evaluate(Rule(atom("answer", "x"), SAME_HOST.body, "p"))


@pytest.mark.usefixtures("_small_budget")
def test_a_rule_that_is_asked_and_that_rows_blow_up_is_refused_when_it_is_asked_again(engine: Engine) -> None:
    engine.apply("s", {"vms": change((0, 0))})
    assert len(engine.evaluate(SAME_HOST)) == 1
    engine.apply("s", {"vms": change(*((i, 0) for i in range(1, 100)))})
    with pytest.raises(CongressError, match="too large"):
        engine.evaluate(SAME_HOST)
    assert engine.suspended() == {}


def test_a_rule_that_is_asked_is_kept_if_it_is_small(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "KEEP_ROWS", 1_000)
    monkeypatch.setattr(engine_module, "KEEP_ROWS_TOGETHER", 2_000)
    engine.apply("s", {"vms": change(*((i, i // 30) for i in range(90)))})
    before = engine.stats()["rows"]
    assert len(engine.evaluate(SAME_HOST)) == 2_700
    assert engine.stats()["rows"] == before
    for host in range(3):
        joined = (lit("s:vms", "x", Is(host)), lit("s:vms", "y", Is(host)))
        assert len(engine.evaluate(Rule(atom("answer", "x", "y"), joined, "p"))) == 900
    assert engine.stats()["rows"] == before + 1_800


def test_a_rule_that_is_not_there_cannot_go_and_nothing_else_happens(engine: Engine) -> None:
    engine.change_rules([REACH_HOSTS])
    before = engine.stats()
    with pytest.raises(KeyError):
        engine.change_rules([fact("p", 1)], [REACH_HOSTS, fact("p", 2)])
    assert engine.stats() == before


@pytest.mark.usefixtures("_small_budget")
def test_rows_that_blow_a_rule_up_are_taken_and_the_rule_is_suspended(engine: Engine) -> None:
    product = rule(atom("p", "x", "y"), lit("s:a", "x"), lit("s:b", "y"))
    above = rule(atom("q", "x"), lit("p", "x", "_1"))
    fine = rule(atom("r", "x"), lit("s:a", "x"))
    engine.change_rules([product, above, fine])
    for name in ("p", "q", "r"):
        engine.watch(table(name), lambda added, removed: None)
    engine.apply("s", {"a": change(*((i,) for i in range(300))), "b": change(*((i,) for i in range(300)))})
    assert len(rows(engine, "r", 1)) == 300
    assert list(engine.suspended()) == [product]
    for name, arity in (("p", 2), ("q", 1)):
        with pytest.raises(CongressError, match=r"cannot be told.*more than 10,000 rows"):
            rows(engine, name, arity)
    engine.change_rules(remove=[product])
    assert rows(engine, "q", 1) == []
    assert engine.suspended() == {}


@pytest.mark.parametrize("args", [("vm",), (Is("vm-1"),)], ids=["held", "point"])
def test_no_reader_sees_the_middle_of_changes_that_belong_together(engine: Engine, args: tuple[str | Is, ...]) -> None:
    wide, narrow = (TableSchema("servers", tuple(map(Column, names))) for names in (("vm", "host"), ("vm",)))
    rules = {
        wide: rule(atom("down", "vm"), lit("nova:servers", "vm", "_1")),
        narrow: rule(atom("down", "vm"), lit("nova:servers", "vm")),
    }
    held: dict[TableSchema, list[Row]] = {wide: [("vm-1", "h")], narrow: [("vm-1",)]}
    engine.declare("nova", [wide])
    engine.replace("nova", {"servers": held[wide]})
    engine.change_rules(add=[rules[wide]])
    seen: set[tuple[Row, ...]] = set()
    stop, begun = threading.Event(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(tuple(engine.query(atom("down", *args))))
            begun.set()

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait(10)
    before = wide
    for after in [narrow, wide] * 100:
        with engine.together():
            engine.change_rules(remove=[rules[before]])
            engine.declare("nova", [after])
            engine.replace("nova", {"servers": held[after]})
            engine.change_rules(add=[rules[after]])
        before = after
    stop.set()
    thread.join(timeout=10)
    assert seen == {(("vm-1",),)}
