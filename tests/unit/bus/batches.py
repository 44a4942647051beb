"""Batches for tests: short ways to make them, and a strategy that makes any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from congressd.model.tables import Batch, BatchKind, Column, TableChange, TableSchema
from congressd.model.values import FALSE, TRUE, Row, Value

VALUES: st.SearchStrategy[Value] = st.one_of(
    st.text(st.characters(codec=None)),
    st.text(st.characters(categories=["Cs"]), max_size=3),
    st.integers(),
    st.integers(-(2**4000), 2**4000),
    st.sampled_from([0, -0.0, 0.0, 1, 1.0, 2**63, 2**64, -(2**63) - 1, 1e300, 5e-324]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([TRUE, FALSE, None]),
)


def schema(table: str, width: int, key: Sequence[str] = ()) -> TableSchema:
    """A table with columns c0, c1, ..."""
    return TableSchema(table, tuple(Column(f"c{number}") for number in range(width)), tuple(key))


def snapshot(source: str, epoch: int, sequence: int, tables: Mapping[str, Sequence[Row]]) -> Batch:
    """All rows of all tables."""
    return Batch(
        source,
        epoch,
        sequence,
        BatchKind.SNAPSHOT,
        tuple(schema(table, len(rows[0]) if rows else 1) for table, rows in tables.items()),
        {table: TableChange(list(rows), []) for table, rows in tables.items()},
    )


def delta(
    source: str, epoch: int, sequence: int, table: str, added: Sequence[Row] = (), removed: Sequence[Row] = ()
) -> Batch:
    """A change of one table."""
    changes = {table: TableChange(list(added), list(removed))}
    width = len([*added, *removed, ()][0])
    return Batch(source, epoch, sequence, BatchKind.DELTA, (schema(table, width),), changes)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Rows of one width; columns of many kinds, some of which repeat their values."""
    width = draw(st.integers(1, 4))
    height = draw(st.integers(0, 40))
    columns: list[list[Value]] = []
    for _ in range(width):
        pool = draw(st.lists(VALUES, min_size=1, max_size=5))
        few = st.sampled_from(range(len(pool)))
        if draw(st.booleans()):
            columns.append([pool[draw(few)] for _ in range(height)])
        else:
            columns.append(draw(st.lists(VALUES, min_size=height, max_size=height)))
    return list(zip(*columns, strict=True))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Any batch."""
    names = draw(st.lists(st.text(), max_size=3, unique=True))
    return Batch(
        source=draw(st.text(min_size=1)),
        epoch=draw(st.integers(0, 2**63)),
        sequence=draw(st.integers(0, 2**40)),
        kind=draw(st.sampled_from(BatchKind)),
        schema=tuple(TableSchema(name, (Column("a", "int", "an a"), Column("b")), ("a",)) for name in names),
        tables={name: TableChange(draw(rows()), draw(rows())) for name in names},
        push=draw(st.none() | st.integers(0, 2**40)),
        fetched_at=draw(st.floats(0, 2e9)),
    )
