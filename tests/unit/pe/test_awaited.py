"""How long a node waits for first rows."""

from __future__ import annotations

from congressd.pe.awaited import GRACE, Awaited


def test_a_node_waits_as_long_as_first_rows_still_come() -> None:
    awaited = Awaited()
    now = 0.0
    awaited.look(["a", "b", "c", "d"], now)
    for waiting in (["a", "b", "c"], ["a", "b"], ["a"]):
        now += GRACE - 1
        assert awaited.look(waiting, now)
        assert not awaited.in_vain(now)
    assert awaited.in_vain(now + GRACE)


def test_a_node_does_not_wait_for_ever_where_nothing_comes() -> None:
    awaited = Awaited()
    assert not awaited.look(["a", "b"], 100.0)
    assert not awaited.look(["a", "b", "c"], 105.0)
    assert not awaited.in_vain(100.0 + GRACE - 0.1)
    assert awaited.in_vain(100.0 + GRACE)


def test_the_wait_begins_when_it_is_known_what_to_wait_for() -> None:
    awaited = Awaited()
    now = 3 * GRACE  # the database was away for so long
    assert not awaited.look([], now)
    assert not awaited.in_vain(now)
    assert not awaited.look(["a"], now)
    assert not awaited.in_vain(now + GRACE - 0.1)
    assert awaited.in_vain(now + GRACE)
