"""What pushes mean, against a model so simple that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.model.errors import CongressError
from congressd.model.tables import TableChange
from congressd.model.values import FALSE, TRUE, Row
from congressd.store import pushfold
from congressd.store.pushfold import Delete, Key, Operation, PushedTables, Replace, Upsert

VALUES = st.sampled_from(["a", "b", 0, 1, 1.0, 2.5, "1", TRUE, FALSE, None])
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=6)
KEYS: st.SearchStrategy[Key] = st.sampled_from([(), (0,), (1,), (0, 2), (2, 0)])
TABLES = st.sampled_from(["t", "u"])


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    key = draw(KEYS)
    kind = draw(st.sampled_from(["replace", "upsert", "delete"]))
    if kind == "delete":
        return Delete(draw(TABLES), draw(st.lists(st.tuples(*[VALUES] * (len(key) or 3)), max_size=6)), key)
    return (Replace if kind == "replace" else Upsert)(draw(TABLES), draw(ROWS), key)


class NaiveTables:
    """Lists, scanned from end to end for everything."""

    def __init__(self) -> None:
        self.tables: dict[str, list[Row]] = {}

    def apply(self, operation: Operation) -> None:
        def key_of(row: Row) -> Row:
            return tuple(row[index] for index in operation.key) if operation.key else row

        def write(rows: Sequence[Row]) -> None:
            for row in rows:
                table[:] = [old for old in table if key_of(old) != key_of(row)]
                table.append(row)

        table = self.tables.setdefault(operation.table, [])
        before, table[:] = list(table), []
        write(before)
        match operation:
            case Replace(_, rows, _):
                table.clear()
                write(rows)
            case Upsert(_, rows, _):
                write(rows)
            case Delete(_, keys, _):
                table[:] = [old for old in table if key_of(old) not in keys]


@given(st.lists(operations(), max_size=12))
def test_tables_are_those_of_the_naive_model(script: list[Operation]) -> None:
    naive, tables = NaiveTables(), PushedTables()
    for operation in script:
        naive.apply(operation)
    tables.apply(script)
    assert {name: list(rows) for name, rows in tables.rows().items()} == naive.tables


@given(st.lists(st.lists(operations(), max_size=4), max_size=6))
def test_the_changes_told_lead_from_each_state_to_the_next(pushes: list[list[Operation]]) -> None:
    tables = PushedTables()
    for push in pushes:
        before = {name: set(rows) for name, rows in tables.rows().items()}
        changes = tables.apply(push)
        after = {name: set(rows) for name, rows in tables.rows().items()}
        for name, rows in after.items():
            old = before.get(name, set())
            change = changes.get(name, TableChange())
            assert len(set(change.added)) == len(change.added)
            assert set(change.removed) <= old
            assert set(change.added).isdisjoint(old)
            assert (old - set(change.removed)) | set(change.added) == rows


@given(st.lists(operations(), max_size=12), st.integers(0, 12))
def test_folding_at_any_point_changes_nothing(script: list[Operation], cut: int) -> None:
    straight = PushedTables()
    straight.apply(script)
    folded = PushedTables()
    folded.apply(script[:cut])
    resumed = PushedTables(folded.rows())
    resumed.apply(script[cut:])
    assert resumed.rows() == straight.rows()


def test_repeating_a_push_changes_nothing() -> None:
    script: list[Operation] = [Upsert("t", [(1, "a"), (2, "b")], (0,)), Delete("t", [(2,)], (0,))]
    tables = PushedTables()
    tables.apply(script)
    assert tables.apply(script) == {}


def test_rows_too_short_for_the_key_are_refused() -> None:
    cases: list[tuple[Operation, str]] = [
        (Upsert("t", [(1, 2), (1,)], (1,)), "at least 2 values"),
        (Replace("t", [()], (0,)), "at least 1 values"),
        (Delete("t", [(1, 2)], (0,)), "needs 1 values"),
    ]
    for operation, said in cases:
        with pytest.raises(CongressError, match=said):
            pushfold.check(operation)
