"""Whose lease is waited for, and for how long."""

from __future__ import annotations

from congressd.daemon.succession import Succession
from congressd.store.epochs import RELEASED, EpochRecord


def record(node: str = "b", epoch: int = 7, until: int = 1000) -> EpochRecord:
    return EpochRecord("dsd", epoch, node, until)


def test_a_role_that_nobody_ever_had_is_free() -> None:
    assert Succession("a", 15.0).wait_for(None, 100.0) == 0.0


def test_a_lease_that_was_given_back_is_over() -> None:
    assert Succession("a", 15.0).wait_for(record(until=RELEASED), 100.0) == 0.0


def test_the_own_lease_of_a_former_life_is_over() -> None:
    assert Succession("a", 15.0).wait_for(record(node="a"), 100.0) == 0.0


def test_another_node_is_gone_when_its_record_has_stayed_the_same_for_a_lease() -> None:
    succession = Succession("a", 15.0)
    assert succession.wait_for(record(), 100.0) == 15.0
    assert succession.wait_for(record(), 110.0) == 5.0
    assert succession.wait_for(record(), 115.0) == 0.0


def test_every_renewal_begins_the_wait_anew_whatever_its_clock_says() -> None:
    succession = Succession("a", 15.0)
    succession.wait_for(record(until=9_999_999_999_999), 100.0)
    assert succession.wait_for(record(until=1), 114.0) == 15.0
    assert succession.wait_for(record(epoch=8, until=1), 128.0) == 15.0
    assert succession.wait_for(record(epoch=8, until=1), 143.0) == 0.0
