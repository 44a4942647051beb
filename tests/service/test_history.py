"""Each checker finds the fault that it is for, and nothing in a history without one."""

from __future__ import annotations

import threading

import pytest

from congressd.pe.token import Token, parse_token
from tests.service.history import (
    History,
    Operation,
    Outcome,
    backwards,
    lost,
    overlapping,
    unanswered,
    unequal,
    unexpected,
    unseen,
)


def write(at: float, added: str = "", removed: str = "", client: int = 1, outcome: Outcome = Outcome.OK) -> Operation:
    """A write of elements of one letter each, which took a second."""
    status = {Outcome.OK: 200, Outcome.REFUSED: 409, Outcome.UNKNOWN: 0}[outcome]
    return Operation(client, "t", outcome, at, at + 1, 0, status, frozenset(added), frozenset(removed))


def read(at: float, seen: str, client: int = 1, sent: str | None = None, got: str | None = None) -> Operation:
    """A read that took a second."""
    token: list[Token | None] = [None if text is None else parse_token(text) for text in (sent, got)]
    return Operation(client, "t", Outcome.OK, at, at + 1, 0, seen=frozenset(seen), sent=token[0], got=token[1])


#: Two clients; one writes a, b and then c in the place of b, the other reads, and removes a.
GOOD = [
    write(0, "a"),
    read(1, "a", sent="policy=1", got="policy=2"),
    read(1, "", client=2),
    write(2, "b"),
    read(3, "ab"),
    read(3, "a", client=2),
    write(4, "c", "b"),
    read(4, "ab", client=2),
    write(5, "", "a", client=2),
    read(5, "ac"),
    read(6, "c", client=2),
    read(6, "c", sent="policy=3,s=1.2/5", got="policy=3,s=1.3/5"),
    read(6, "c", sent="policy=3,s=1.2/5", got="policy=3"),  # an answer that did not read the source
]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert backwards(GOOD) == unseen(GOOD) == lost(GOOD, "c") == unexpected(GOOD, "c") == unanswered(GOOD) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (read(3, "b", client=1), "a was there before"),  # a, before anybody had asked to remove it
        (read(9, "ac"), "a was gone before, and is back"),
        (read(9, "bc"), "b was gone before, and is back"),
        (read(9, "c", sent="policy=4", got="policy=3"), "older by policy"),
        (read(9, "c", sent="policy=4,s=7.1", got="policy=4,s=6.9"), "older by s"),
        (read(9, "c", sent="policy=4,s=7.1/3", got="policy=4,s=7.1/2"), "older by s"),
    ],
)
def test_an_answer_that_goes_back_in_time_is_found(fault: Operation, words: str) -> None:
    history = [*GOOD, read(7, "c"), fault]
    assert any(words in each for each in backwards(history)), backwards(history)


def test_another_client_may_be_behind() -> None:
    assert backwards([*GOOD, read(7, "a", client=3), read(8, "c", client=3)]) == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [(read(7, ""), "its own c is not there"), (read(7, "bc"), "b, which it had removed, is still there")],
)
def test_a_write_that_its_writer_does_not_see_is_found(fault: Operation, words: str) -> None:
    assert [words in each for each in unseen([*GOOD, fault])] == [True]


def test_a_write_that_may_have_been_removed_need_not_be_seen() -> None:
    history = [write(0, "a"), write(2, "b", "a", outcome=Outcome.UNKNOWN), read(4, "")]
    assert unseen(history) == backwards(history) == lost(history, "b") == unexpected(history, "b") == []
    refused = [write(0, "a"), write(2, "b", "a", outcome=Outcome.REFUSED), read(4, "")]
    assert len(unseen(refused)) == 1
    assert len(lost(refused, "")) == 1


def test_writes_that_are_lost_or_undone_are_found() -> None:
    assert [each.rpartition(": ")[2] for each in lost(GOOD, "")] == ["c is lost"]
    assert [each.rpartition(": ")[2] for each in lost(GOOD, "ca")] == ["a is still there"]


def test_what_nobody_wrote_and_what_is_there_twice_is_found() -> None:
    assert unexpected(GOOD, "cx") == ["x is there, and nobody wrote it"]
    assert unexpected(GOOD, "cc") == ["c is there 2 times"]
    assert unexpected([write(0, "a", outcome=Outcome.REFUSED)], "a") == ["a is there, and nobody wrote it"]
    assert unexpected([write(0, "a", outcome=Outcome.UNKNOWN)], "a") == []


def test_requests_without_a_good_answer_are_found() -> None:
    assert len(unanswered([*GOOD, write(9, "d", outcome=Outcome.UNKNOWN)])) == 1
    assert unanswered([*GOOD, write(9, "d", outcome=Outcome.REFUSED)]) == []


def test_nodes_that_differ_are_found() -> None:
    assert unequal([{1}, {1}, {1}]) == []
    assert unequal([{1}, {1}, {2}]) == ["node 2 has {2}, node 0 has {1}"]


def test_epochs_that_fall_or_are_shared_are_found() -> None:
    assert overlapping([("a", 1), ("a", 1), ("b", 2), ("a", 3)]) == []
    assert overlapping([("a", 1), ("b", 2), ("a", 1)]) == ["a published under the epoch 1 after 2"]
    assert overlapping([("a", 1), ("b", 1)]) == ["b and a both published under the epoch 1"]


def test_a_history_takes_operations_of_many_threads() -> None:
    history = History()

    def add() -> None:
        for number in range(500):
            history.add(write(number, "a"))

    threads = [threading.Thread(target=add, name=f"writer {number}") for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert len(history) == len(history.operations) == 2000
