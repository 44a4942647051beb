"""Storages and indexes against what they mean: a set of rows, grouped by key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from congressd.engine.storage import LIST_LIMIT, TUPLE_LIMIT, Storage
from congressd.model.values import Row

COLUMNS = [(0,), (1,), (0, 1), ()]
ROWS = st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(0, 2))


def contents(storage: Storage, columns: tuple[int, ...]) -> dict[object, set[Row]]:
    index = storage.index(columns)
    return {key: set(index.bucket(key)) for key in index.entries}


def grouped(rows: set[Row], columns: tuple[int, ...]) -> dict[object, set[Row]]:
    groups: dict[object, set[Row]] = {}
    for row in rows:
        key = row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)
        groups.setdefault(key, set()).add(row)
    return groups


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "fork"]), st.lists(ROWS, max_size=80))))
def test_indexes_hold_what_the_rows_say_through_every_change_and_fork(
    steps: list[tuple[str, list[Row]]],
) -> None:
    storage = Storage()
    model: set[Row] = set()
    forks: list[tuple[Storage, set[Row]]] = []
    for columns in COLUMNS[:2]:
        storage.index(columns)
    for what, given_rows in steps:
        if what == "fork":
            forks.append((storage, set(model)))
            storage = storage.fork()
        elif what == "add":
            new = dict.fromkeys((row for row in given_rows if row not in model), 1)
            storage.add(new)
            model |= set(new)
        else:
            old = dict.fromkeys(row for row in given_rows if row in model)
            storage.remove(old)
            model -= set(old)
    for each, rows in [*forks, (storage, model)]:
        assert set(each.rows) == rows
        for columns in COLUMNS:
            assert contents(each, columns) == grouped(rows, columns)


def test_an_index_is_unique_until_two_rows_share_a_key() -> None:
    storage = Storage({("a", 1): 1, ("b", 1): 1})
    assert storage.index((0,)).unique
    assert not storage.index((1,)).unique
    turned = storage.add({("a", 2): 1})
    assert turned
    assert not storage.index((0,)).unique
    assert set(storage.index((0,)).bucket("a")) == {("a", 1), ("a", 2)}


def test_buckets_grow_from_tuple_to_list_to_dict_and_back() -> None:
    storage = Storage({("k", 0): 1, ("k", 1): 1})
    index = storage.index((0,))
    kinds = set()
    for number in range(2, LIST_LIMIT + 10):
        storage.add({("k", number): 1})
        kinds.add(type(index.entries["k"]))
    assert kinds == {tuple, list, dict}
    for number in range(LIST_LIMIT + 9, 0, -1):
        storage.remove({("k", number): 1})
        kinds.discard(type(index.entries["k"])) if number <= TUPLE_LIMIT else None
    assert index.entries["k"] == (("k", 0),)
