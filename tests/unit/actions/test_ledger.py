"""What the ledger decides: openings, closings, starts, tries and limits."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.actions.desk import RuleChange
from congressd.actions.ledger import NO_RULE, Entry, Ledger, Outcome, Step
from congressd.actions.limits import BlastRadius, Starts, backoff
from congressd.actions.subject import Digest, subject_of
from congressd.actions.wanted import RuleSpec
from congressd.model.actions import Blast, Rate, RuleOptions, State
from congressd.model.values import FALSE, TRUE, Row, Value


def spec(**options: object) -> RuleSpec:
    return RuleSpec("r", "p", "nova", "pause", "execute[...]", RuleOptions(**options), base=100)  # type: ignore[arg-type]


class Book:
    """A ledger of which every step is committed at once; runs stay open until they are ended."""

    def __init__(self, *, idempotent: bool = False) -> None:
        numbers = count(1)
        self.ledger = Ledger(lambda *_: idempotent, lambda: f"id-{next(numbers)}")
        self.now = 1000.0

    def want(self, rows: Iterable[Value], of: RuleSpec | None = None) -> Step:
        self.ledger.reconcile(RuleChange(of or spec(), {(row,): () for row in rows}), self.now)
        return self.turn()

    def turn(self, slots: int = 100) -> Step:
        self.ledger.start_due(self.now, slots, lambda _: True)
        return self.ledger.take_step()

    def end(self, identity: str, state: State) -> Step:
        self.ledger.end(Outcome(identity, state, {}), self.now)
        return self.turn()

    def states(self) -> dict[str, str]:
        return {identity: entry.state.value for identity, entry in self.ledger.entries.items()}


def test_rows_open_and_start_at_once_and_only_once() -> None:
    book = Book()
    step = book.want("ab")
    assert [opening.entry.state for opening in step.opened] == [State.RUNNING] * 2
    assert not book.want("ab")
    assert not book.want("ba")


def test_rows_that_go_close_what_waits_and_leave_what_runs() -> None:
    book = Book()
    book.want("a")
    book.want("ab", spec(delay=60.0))
    step = book.want("")
    assert sorted(step.closed) == ["id-1", "id-2"]
    assert book.states() == {"id-1": "running"}
    assert book.end("id-1", State.FAILED).ended[0].state is State.FAILED
    assert book.states() == {}


def test_what_comes_and_goes_within_one_step_is_never_written() -> None:
    book = Book()
    for rows in ("a", ""):
        book.ledger.reconcile(RuleChange(spec(), {(row,): () for row in rows}), book.now)
    assert not book.turn()
    assert book.ledger.entries == {}


def test_no_more_are_started_than_there_is_room_for() -> None:
    book = Book()
    book.ledger.reconcile(RuleChange(spec(), {(number,): () for number in range(5)}), book.now)
    step = book.turn(slots=2)
    assert sorted(opening.entry.state for opening in step.opened) == ["pending"] * 3 + ["running"] * 2
    assert [len(book.turn(slots=2).started) for _ in range(3)] == [2, 1, 0]


def test_a_failure_is_tried_again_after_a_growing_pause() -> None:
    book = Book()
    book.want("a", spec(retries=2, backoff=10.0))
    waits = []
    for _ in range(2):
        (ended,) = book.end("id-1", State.FAILED).ended
        waits.append(ended.not_before - book.now)
        assert not book.turn().started
        book.now = ended.not_before
        assert len(book.turn().started) == 1
    assert waits == [10.0, 20.0]
    assert book.end("id-1", State.FAILED).ended[0].state is State.FAILED


def test_an_unknown_outcome_is_tried_again_only_if_that_does_no_harm() -> None:
    for idempotent, state in ((False, State.UNKNOWN), (True, State.PENDING)):
        book = Book(idempotent=idempotent)
        book.want("a", spec(retries=1))
        assert book.end("id-1", State.UNKNOWN).ended[0].state is state


def test_what_was_not_begun_after_all_is_pending_again() -> None:
    book = Book()
    book.want("a")
    step = book.end("id-1", State.PENDING)
    assert [ended.state for ended in step.ended] == [State.PENDING]
    assert [entry.attempts for entry in step.started] == [2]


def test_what_an_earlier_epoch_left_is_begun_again_only_if_it_may_be_and_its_row_holds() -> None:
    for idempotent, rows, rerun in ((False, "a", []), (True, "a", ["old"]), (True, "", [])):
        book = Book(idempotent=idempotent)
        subject = subject_of("r", "nova", "pause", ("a",))
        book.ledger.load([Entry("old", subject, "r", "p", "nova", "pause", ("a",), State.UNKNOWN, 1)])
        assert book.turn().rerun == []
        assert book.want(rows).rerun == rerun


def test_a_request_of_a_person_needs_no_rule() -> None:
    book = Book()
    book.ledger.refresh(Entry("asked", "asked", "", "", "nova", "pause", ("a",), standing=False))
    book.ledger.start_due(book.now, 5, lambda rule_id: rule_id == NO_RULE)
    assert [entry.id for entry in book.ledger.take_step().started] == ["asked"]


def test_a_rule_that_is_gone_closes_all_that_it_wanted() -> None:
    book = Book()
    book.want("ab")
    book.ledger.retain(frozenset({"other"}))
    assert sorted(book.turn().closed) == ["id-1", "id-2"]


def test_a_stopped_rule_stays_so_until_it_has_been_dealt_with() -> None:
    book = Book()
    limited = spec(blast=Blast(rows=1))
    step = book.want("ab", limited)
    assert [opening.entry.state for opening in step.opened] == [State.AWAITING] * 2
    assert book.want("abc", limited).opened[0].entry.held
    for entry in list(book.ledger.entries.values()):
        book.ledger.refresh(entry.moved(State.CANCELLED))
    book.now += 61
    assert book.want("abcd", limited).opened[0].entry.state is State.RUNNING


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 4), st.floats(0.5, 20))
def test_no_window_has_more_starts_than_the_rate(gaps: list[float], actions: int, seconds: float) -> None:
    rate, starts, now, done = Rate(actions, seconds), Starts(), 0.0, []
    for gap in gaps:
        now += gap
        if starts.wait(rate, now) <= 0:
            starts.note(rate, now)
            done.append(now)
    for first in done:
        assert sum(first <= at < first + seconds - 1e-6 for at in done) <= actions


def test_the_blast_radius_forgets_after_a_while() -> None:
    radius = BlastRadius()
    radius.note(5, 0.0)
    assert radius.stops(Blast(rows=5), 1, 0, 59.0) is not None
    assert radius.stops(Blast(rows=5), 1, 0, 60.0) is None
    assert radius.stops(Blast(percent=50), 6, 10, 60.0) is not None
    assert radius.stops(Blast(), 10**6, 0, 60.0) is None


@pytest.mark.parametrize(
    ("new", "base", "stopped"),
    [(1, 0, False), (2, 0, True), (1, 49, False), (2, 99, True), (2, 100, False), (50, None, False)],
)
def test_a_percentage_of_few_rows_lets_one_action_pass(new: int, base: int | None, *, stopped: bool) -> None:
    assert (BlastRadius().stops(Blast(percent=2), new, base, 0.0) is not None) is stopped


def test_the_pause_between_tries_is_bounded() -> None:
    assert [backoff(RuleOptions(backoff=1.0), attempt) for attempt in (1, 2, 3, 40)] == [1.0, 2.0, 4.0, 3600.0]


ROWS: list[Row] = [("1",), (1,), (1.0,), (TRUE,), (FALSE,), (None,), ("null",), (0,), (0.0,), ("",), (1, 1), (1.5,)]


@given(st.sampled_from(ROWS), st.sampled_from(ROWS))
def test_different_rows_are_different_subjects_and_equal_ones_the_same(row: Row, other: Row) -> None:
    same = subject_of("r", "s", "a", row) == subject_of("r", "s", "a", other)
    assert same == (row == other)
    assert len(subject_of("r" * 36, "s", "a", row)) < 255


def test_a_digest_is_that_of_the_set_whatever_the_order() -> None:
    one, two = Digest(), Digest()
    one.add("r", [("a",), (1,)])
    two.add("r", [(1.0,)])
    two.add("r", [("b",)])
    two.add("r", [("a",)])
    two.remove("r", [("b",)])
    assert one.text == two.text
