"""Differences between fetches, and the stream that they make: what is published adds up to what is held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.bus.digest import digest_rows
from congressd.datasources.driver import Fetch, FetchedTable
from congressd.dsd.difference import Difference, FetchedTables
from congressd.dsd.source_state import SourceState
from congressd.model.tables import Batch, BatchKind, Column, TableSchema
from congressd.model.values import TRUE, Row

PLAIN = TableSchema("plain", (Column("id"), Column("name")))
KEYED = TableSchema("keyed", (Column("id"), Column("name")), ("id",))
PAIR = TableSchema("pair", (Column("a"), Column("b"), Column("c")), ("b", "a"))


def fetched(schema: TableSchema, *rows: Any) -> Fetch:
    return Fetch({schema.name: FetchedTable(schema, rows)})


def change(difference: Difference, table: str) -> tuple[set[Row], set[Row]]:
    return set(difference.changes[table].added), set(difference.changes[table].removed)


@pytest.mark.parametrize("schema", [PLAIN, KEYED])
def test_only_what_changed_is_told(schema: TableSchema) -> None:
    tables = FetchedTables()
    tables.take(fetched(schema, (1, "a"), (2, "b"), (3, "c")))
    difference = tables.take(fetched(schema, (1, "a"), (2, "B"), (4, "d")))
    assert change(difference, schema.name) == ({(2, "B"), (4, "d")}, {(2, "b"), (3, "c")})


def test_an_unchanged_table_is_no_change() -> None:
    tables = FetchedTables()
    tables.take(fetched(KEYED, (1, "a")))
    assert tables.take(fetched(KEYED, (1, "a"))).changes == {}


def test_rows_that_stay_are_the_same_objects() -> None:
    tables = FetchedTables()
    tables.take(fetched(KEYED, [1, "a"], [2, "b"]))
    before = {id(row) for row in tables.table("keyed") or ()}
    tables.take(fetched(KEYED, [1, "a"], [2, "b"], [3, "c"]))
    assert before <= {id(row) for row in tables.table("keyed") or ()}


def test_equal_rows_of_one_fetch_are_one_row() -> None:
    for schema in (PLAIN, KEYED):
        tables = FetchedTables()
        difference = tables.take(fetched(schema, (1, "a"), (1, "a"), (1.0, "a")))
        assert (tables.counts(), difference.warnings) == ({schema.name: 1}, ())


def test_of_rows_with_one_key_the_last_counts_and_a_warning_tells() -> None:
    tables = FetchedTables()
    difference = tables.take(fetched(PAIR, (1, 2, "x"), (1, 2, "y")))
    assert tables.table("pair") == [(1, 2, "y")]
    assert difference.warnings == ("pair: several rows have the key (b=2, a=1); the last of them counts",)


def test_python_booleans_of_a_driver_become_values() -> None:
    tables = FetchedTables()
    tables.take(fetched(PLAIN, (1, True)))
    assert tables.table("plain") == [(1, TRUE)]


def test_congress_values_become_text() -> None:
    tables = FetchedTables(congress=True)
    tables.take(fetched(PLAIN, (1, True), (2, None), (3, "x")))
    assert tables.table("plain") == [(1, "True"), (2, "None"), (3, "x")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1,)], "plain: its rows have 1 values, but it has 2 columns"),
        ([(1, 2), (1,)], "plain: rows of one table must all have the same number of values"),
        ([(1, [2])], "is a list; a value is"),
    ],
)
def test_rows_that_are_none_are_an_error_of_their_table(rows: list[Any], message: str) -> None:
    tables = FetchedTables()
    tables.take(fetched(PLAIN, (1, "a")))
    difference = tables.take(fetched(PLAIN, *rows))
    assert message in difference.errors["plain"]
    assert tables.table("plain") == [(1, "a")]


def test_tables_that_could_not_be_read_keep_their_rows_and_others_go() -> None:
    tables = FetchedTables()
    names = ("unchanged", "wrong", "pending", "gone")
    tables.take(Fetch({name: FetchedTable(TableSchema(name, PLAIN.columns), [(1, name)]) for name in names}))
    difference = tables.take(
        Fetch(unchanged=frozenset({"unchanged"}), errors={"wrong": "away"}, pending=frozenset({"pending"}))
    )
    assert set(tables.counts()) == {"unchanged", "wrong", "pending"}
    assert difference.gone == {"gone"}
    assert change(difference, "gone") == (set(), {(1, "gone")})
    assert difference.errors == {"wrong": "away"}


def test_a_table_with_other_columns_is_replaced() -> None:
    tables = FetchedTables()
    tables.take(fetched(PLAIN, (1, "a")))
    wider = TableSchema("plain", (*PLAIN.columns, Column("zone")))
    assert change(tables.take(fetched(wider, (1, "a", "z"))), "plain") == ({(1, "a", "z")}, {(1, "a")})


VALUES = st.sampled_from([None, True, False, 0, 1, 1.0, -1, "", "a", "1", 2**70])
PLAIN_ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=8)
OUTCOMES = st.one_of(
    st.none(),  # the table could not be read
    st.just("gone"),
    st.tuples(st.sampled_from([PLAIN, KEYED]), PLAIN_ROWS),
)


@given(st.lists(st.fixed_dictionaries({"x": OUTCOMES, "y": OUTCOMES}), max_size=8), st.booleans())
def test_whatever_is_fetched_the_batches_add_up_to_what_is_held(polls: list[dict[str, Any]], congress: bool) -> None:
    tables = FetchedTables(congress=congress)
    state = SourceState("cloud", tables.rows)
    state.begin(7)
    replica: dict[str, set[Row]] = {}
    last = 0
    for poll in polls:
        difference = tables.take(_fetch(poll))
        batch = state.advance(tables.schema(), difference.changes, 0.0)
        if batch is not None:
            assert (batch.epoch, batch.sequence) == (7, last + 1)
            last = batch.sequence
            _apply(replica, batch)
        assert {name: rows for name, rows in replica.items() if rows} == {
            name: set(rows) for name, rows in tables.rows().items() if rows
        }
        _assert_snapshot_and_heartbeat_agree(state, replica)


def _fetch(poll: Mapping[str, Any]) -> Fetch:
    fetched = {
        name: FetchedTable(TableSchema(name, outcome[0].columns, outcome[0].key), outcome[1])
        for name, outcome in poll.items()
        if isinstance(outcome, tuple)
    }
    return Fetch(fetched, errors={name: "away" for name, outcome in poll.items() if outcome is None})


def _apply(replica: dict[str, set[Row]], batch: Batch) -> None:
    if batch.kind is BatchKind.SNAPSHOT:
        replica.clear()
        replica.update({name: set(change.added) for name, change in batch.tables.items()})
        return
    for name, change in batch.tables.items():
        held = replica.setdefault(name, set())
        assert held >= set(change.removed)
        assert held.isdisjoint(change.added)
        replica[name] = held - set(change.removed) | set(change.added)


def _assert_snapshot_and_heartbeat_agree(state: SourceState, replica: Mapping[str, set[Row]]) -> None:
    snapshot = state.snapshot()
    assert snapshot.sequence == state.sequence
    assert {name: set(change.added) for name, change in snapshot.tables.items()} == {
        name: rows for name, rows in replica.items() if name in snapshot.tables
    }
    beat = state.heartbeat()
    assert beat is not None
    for name, digest in beat.digests.items():
        assert digest == digest_rows(list(replica.get(name, ())))


def test_the_first_batch_of_an_epoch_is_a_snapshot() -> None:
    tables = FetchedTables()
    state = SourceState("cloud", tables.rows)
    state.begin(1)
    assert state.heartbeat() is None
    tables.take(fetched(PLAIN, (1, "a")))
    first = state.advance(tables.schema(), {}, 0.0)
    state.begin(2)
    assert state.heartbeat() is None
    second = state.advance(tables.schema(), {}, 0.0)
    assert first is not None
    assert second is not None
    assert [(batch.epoch, batch.sequence, batch.kind) for batch in (first, second)] == [
        (1, 1, BatchKind.SNAPSHOT),
        (2, 1, BatchKind.SNAPSHOT),
    ]


def test_a_source_set_up_anew_goes_on_counting_with_a_snapshot() -> None:
    state = SourceState("cloud", FetchedTables().rows)
    state.begin(1, after=5)
    batch = state.advance((), {}, 0.0)
    assert batch is not None
    assert (batch.sequence, batch.kind) == (6, BatchKind.SNAPSHOT)


def test_nothing_changed_is_nothing_to_tell_except_for_a_push() -> None:
    state = SourceState("cloud", FetchedTables().rows)
    state.begin(1)
    state.advance((), {}, 1.0)
    assert state.advance((), {}, 2.0) is None
    assert state.fetched_at == 2.0
    batch = state.advance((), {}, 3.0, push=9)
    assert batch is not None
    assert (batch.sequence, batch.kind, batch.push, dict(batch.tables)) == (2, BatchKind.DELTA, 9, {})
