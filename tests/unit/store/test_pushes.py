"""The log of pushes: numbers without gaps, each push once, the same tables before and after folding."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread

import pytest

from congressd.model.errors import CongressError
from congressd.model.values import FALSE, TRUE, Row
from congressd.store import check, pushes
from congressd.store.changes import SourceDeleted
from congressd.store.database import Database
from congressd.store.policies import load
from congressd.store.pushes import Push
from congressd.store.pushfold import Delete, Operation, Replace, Upsert
from tests.unit.store.fixtures import Connect, commit, new_source

HARD_ROWS: list[Row] = [
    ("", "ä\U0001f6a8\x00", "'\"\\%s"),
    (TRUE, FALSE, None),
    (1, 1.0000000000000002, -0.0),
    (2**64, -(10**40), 1e300),
    ("1", "true", "null"),
]


def append(database: Database, source_id: str, *operations: Operation, key: str | None = None, now: float = 9.5) -> int:
    push = pushes.prepare(operations, key)
    return database.run(lambda session: pushes.append(session, source_id, push, now))


def since(database: Database, source_id: str, number: int) -> tuple[Push, ...] | None:
    return database.read(lambda session: pushes.since(session, source_id, number))


def tables(database: Database, source_id: str) -> dict[str, tuple[Row, ...]]:
    return database.read(lambda session: pushes.state(session, source_id)).tables


def exactly(rows: Sequence[Row]) -> list[list[tuple[type, object]]]:
    """With types, for 1 == 1.0."""
    return [[(type(value), value) for value in row] for row in rows]


def test_pushes_are_numbered_by_one_for_each_source(database: Database) -> None:
    one, two = new_source(database, "one"), new_source(database, "two")
    assert [append(database, one, Upsert("t", [(n,)])) for n in range(3)] == [1, 2, 3]
    assert append(database, two, Upsert("t", [(0,)])) == 1
    assert database.read(lambda session: pushes.last_number(session, one)) == 3


def test_a_push_comes_back_value_by_value(database: Database) -> None:
    source_id = new_source(database)
    operations = (Replace("t", HARD_ROWS, (0, 2)), Upsert("ü:v", HARD_ROWS), Delete("t", [(TRUE, None)], (0, 2)))
    append(database, source_id, *operations, now=12.75)
    (push,) = since(database, source_id, 0) or ()
    assert (push.number, push.at) == (1, 12.75)
    replaced, upserted, deleted = push.operations
    assert isinstance(replaced, Replace)
    assert isinstance(upserted, Upsert)
    assert isinstance(deleted, Delete)
    assert (replaced.table, replaced.key, upserted.table, upserted.key) == ("t", (0, 2), "ü:v", ())
    assert exactly(replaced.rows) == exactly(upserted.rows) == exactly(HARD_ROWS)
    assert exactly(deleted.keys) == exactly([(TRUE, None)])


def test_since_gives_only_what_is_newer(database: Database) -> None:
    source_id = new_source(database)
    for number in range(5):
        append(database, source_id, Upsert("t", [(number,)]))
    assert [push.number for push in since(database, source_id, 3) or ()] == [4, 5]
    assert since(database, source_id, 5) == ()
    assert since(database, source_id, 6) is None


def test_the_state_is_the_sum_of_all_pushes_folded_or_not(database: Database) -> None:
    source_id = new_source(database)
    append(database, source_id, Replace("t", [(1, "a"), (2, "b"), (3, "c")], (0,)), Replace("u", []))
    append(database, source_id, Upsert("t", [(2, "B")], (0,)))
    assert tables(database, source_id) == {"t": ((1, "a"), (3, "c"), (2, "B")), "u": ()}
    assert pushes.fold(database, source_id) == 2
    assert tables(database, source_id) == {"t": ((1, "a"), (3, "c"), (2, "B")), "u": ()}
    append(database, source_id, Delete("t", [(1,)], (0,)), Upsert("u", HARD_ROWS))
    assert pushes.fold(database, source_id) == 3
    folded = tables(database, source_id)
    assert folded["t"] == ((3, "c"), (2, "B"))
    assert exactly(folded["u"]) == exactly(HARD_ROWS)
    assert check.check(database) == []


def test_who_is_behind_the_base_is_sent_to_the_state(database: Database) -> None:
    source_id = new_source(database)
    for number in range(3):
        append(database, source_id, Upsert("t", [(number,)]))
    pushes.fold(database, source_id)
    append(database, source_id, Upsert("t", [(3,)]))
    assert since(database, source_id, 2) is None
    assert [push.number for push in since(database, source_id, 3) or ()] == [4]
    assert database.read(lambda session: pushes.state(session, source_id)).number == 4


def test_folding_an_empty_log_does_nothing(database: Database) -> None:
    source_id = new_source(database)
    assert pushes.fold(database, source_id) == 0
    append(database, source_id, Upsert("t", [(1,)]))
    assert [pushes.fold(database, source_id) for _ in range(2)] == [1, 1]


def test_a_key_used_again_gives_the_first_number_and_changes_nothing(database: Database) -> None:
    source_id = new_source(database)
    assert append(database, source_id, Upsert("t", [(1,)]), key="k") == 1
    assert append(database, source_id, Upsert("t", [(2,)])) == 2
    assert append(database, source_id, Upsert("t", [(1,)]), key="k") == 1
    pushes.fold(database, source_id)
    assert append(database, source_id, Upsert("t", [(1,)]), key="k") == 1
    assert database.read(lambda session: pushes.last_number(session, source_id)) == 2


def test_a_key_used_for_another_push_is_refused(database: Database) -> None:
    one, two = new_source(database, "one"), new_source(database, "two")
    append(database, one, Upsert("t", [(1,)]), key="k")
    with pytest.raises(CongressError, match="number 1") as caught:
        append(database, one, Upsert("t", [(2,)]), key="k")
    assert caught.value.code.name == "conflict"
    assert append(database, two, Upsert("t", [(2,)]), key="k") == 1
    assert append(database, one, Upsert("t", [(2,)]), key="K") == 2


def test_a_key_is_forgotten_after_its_time(database: Database) -> None:
    source_id = new_source(database)
    append(database, source_id, Upsert("t", [(1,)]), key="k", now=100.0)
    later = 101.0 + pushes.KEY_LIFE
    assert append(database, source_id, Upsert("t", [(2,)]), key="k", now=later) == 2
    assert database.run(lambda session: pushes.forget_keys(session, later)) == 0
    assert database.run(lambda session: pushes.forget_keys(session, later * 3)) == 1


def test_a_push_whose_answer_was_lost_is_accepted_once(database: Database) -> None:
    source_id = new_source(database)
    push = pushes.prepare([Upsert("t", [(1,)])])
    assert [database.run(lambda session: pushes.append(session, source_id, push, 1.0)) for _ in range(2)] == [1, 1]
    assert database.read(lambda session: pushes.last_number(session, source_id)) == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_keys_too_short_or_too_long_are_refused(key: str) -> None:
    with pytest.raises(CongressError, match="1 to 255"):
        pushes.prepare([], key)


def test_a_source_that_does_not_exist_takes_no_pushes(database: Database) -> None:
    for work in (
        lambda: append(database, "nowhere", Upsert("t", [(1,)])),
        lambda: since(database, "nowhere", 0),
        lambda: tables(database, "nowhere"),
        lambda: pushes.fold(database, "nowhere"),
        lambda: database.read(lambda session: pushes.last_number(session, "nowhere")),
    ):
        with pytest.raises(CongressError, match="'nowhere'") as caught:
            work()
        assert caught.value.code.name == "not_found"
    assert check.check(database) == []


def test_a_deleted_source_takes_its_pushes_along(database: Database) -> None:
    source_id, other = new_source(database, "one"), new_source(database, "two")
    append(database, source_id, Replace("t", HARD_ROWS), key="k")
    append(database, other, Replace("t", HARD_ROWS))
    pushes.fold(database, source_id)
    append(database, source_id, Replace("t", []))
    commit(database, SourceDeleted(database.read(load).sources[source_id]))
    assert check.check(database) == []
    assert len(tables(database, other)["t"]) == len(HARD_ROWS)


def test_a_hundred_thousand_rows_are_kept_in_parts(database: Database) -> None:
    source_id = new_source(database)
    rows: list[Row] = [(f"{n * 7919 % 1_000_003:x}" * 3, n, n / 7, None, TRUE) for n in range(100_000)]
    append(database, source_id, Replace("t", rows, (1,)))
    pushes.fold(database, source_id)
    append(database, source_id, Upsert("t", [("new", 5, 0, None, FALSE)], (1,)))
    assert tables(database, source_id)["t"] == (*rows[:5], *rows[6:], ("new", 5, 0, None, FALSE))


def test_a_long_log_wants_to_be_folded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    source_id = new_source(database)
    monkeypatch.setattr(pushes, "FOLD_ENTRIES", 2)
    wanted = []
    for number in range(3):
        append(database, source_id, Upsert("t", [(number,)]))
        wanted.append(database.read(lambda session: pushes.needs_fold(session, source_id)))
    assert wanted == [False, False, True]
    pushes.fold(database, source_id)
    assert not database.read(lambda session: pushes.needs_fold(session, source_id))


def test_several_nodes_append_and_fold_at_once_and_nothing_is_lost(database: Database, connect: Connect) -> None:
    source_id = new_source(database)
    numbers: list[int] = []
    failures: list[BaseException] = []

    def push(node: Database, writer: int) -> None:
        try:
            for number in range(12):
                numbers.append(append(node, source_id, Upsert("t", [(writer, number)])))
                if number % 4 == writer:
                    pushes.fold(node, source_id)
        except BaseException as error:
            failures.append(error)

    nodes = [connect(), connect()]
    threads = [Thread(target=push, args=(nodes[writer % 2], writer)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []
    assert sorted(numbers) == list(range(1, 49))
    assert set(tables(database, source_id)["t"]) == {(writer, number) for writer in range(4) for number in range(12)}
    assert check.check(database) == []
