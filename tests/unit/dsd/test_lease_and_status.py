"""The arithmetic of the lease, and the words of the status."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from congressd.dsd.lease import Lease, LeaseTimes
from congressd.dsd.status import Facts, Position, document, iso

TIMES = LeaseTimes(lease=15.0, renew_period=5.0, margin=2.0)


def test_publishing_stops_a_margin_before_the_lease_ends() -> None:
    lease = Lease(TIMES, 1, asked_at=100.0)
    assert lease.holds(112.9)
    assert not lease.holds(113.0)
    assert lease.left(110.0) == 3.0


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    lease = Lease(TIMES, 1, asked_at=100.0)
    lease.renewed(asked_at=105.0)
    assert lease.holds(117.9)
    assert not lease.holds(118.0)


@given(st.lists(st.floats(0, 100), min_size=1))
def test_an_answer_that_comes_late_never_shortens_the_lease(sent: list[float]) -> None:
    lease = Lease(TIMES, 1, asked_at=0.0)
    for asked_at in sent:
        lease.renewed(asked_at)
    assert lease.left(0.0) == max(sent) + TIMES.lease - TIMES.margin


def test_times_are_written_in_utc() -> None:
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(None) is None


def test_the_status_has_congress_fields_as_strings_and_ours_beside_them() -> None:
    facts = Facts(updates=3)
    facts.succeeded(1000.0, {"b": "b is away", "a": "a is away"}, ("odd",))
    told = document(facts, Position(7, 3, None), {"t": 2}, 990.0, 1000.0, active=True)
    assert {name: told[name] for name in ("last_updated", "last_error", "number_of_updates", "initialized")} == {
        "last_updated": "1970-01-01T00:16:40.000Z",
        "last_error": "a is away; b is away",
        "number_of_updates": "3",
        "initialized": "True",
    }
    assert (told["state"], told["age_seconds"], told["rows"], told["warnings"]) == ("partial", 10.0, {"t": 2}, ["odd"])


def test_a_failure_after_a_success_is_told_with_both_times() -> None:
    facts = Facts()
    waiting = document(facts, Position(7, 0, None), {}, None, 0.0, active=True)
    assert (waiting["state"], waiting["last_updated"], waiting["last_error"]) == ("waiting", "None", "None")
    facts.succeeded(10.0, {}, ())
    facts.failed(20.0, "away")
    told = document(facts, Position(7, 1, None), {}, 10.0, 25.0, active=True)
    assert (told["state"], told["last_error"]) == ("failing", "away")
    assert (told["last_success"], told["last_error_at"]) == (iso(10.0), iso(20.0))
    assert document(facts, Position(7, 1, None), {}, 10.0, 25.0, active=False)["state"] == "standby"
