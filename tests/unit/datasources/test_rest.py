"""When a file is at rest: only from stat and time, so that no test has to wait."""

from __future__ import annotations

from dataclasses import replace

from congressd.datasources.rest import REST, RestWatch, Signature

NOW = 1_000_000.0
OLD = Signature(modified=int((NOW - 60) * 1e9), changed=0, size=10, inode=1)
NEW = Signature(modified=int(NOW * 1e9), changed=0, size=10, inode=1)


def test_an_old_file_is_at_rest_at_first_sight() -> None:
    assert RestWatch().observe({"t": OLD}, NOW, 0.0).at_rest == {"t": OLD}


def test_a_file_just_written_is_not() -> None:
    watch = RestWatch()
    assert watch.observe({"t": NEW}, NOW, 0.0).moving == {"t": 0.0}
    assert watch.observe({"t": NEW}, NOW + REST, REST).at_rest == {"t": NEW}


def test_a_file_from_the_future_is_at_rest_when_it_looks_the_same_for_a_while() -> None:
    watch = RestWatch()
    future = replace(NEW, modified=int((NOW + 3600) * 1e9))
    assert watch.observe({"t": future}, NOW, 0.0).at_rest == {}
    assert watch.observe({"t": future}, NOW + REST, REST).at_rest == {"t": future}


def test_a_file_that_keeps_growing_is_told_with_the_time_since_it_last_rested() -> None:
    watch = RestWatch()
    watch.observe({"t": OLD}, NOW, 0.0)
    for step in range(1, 50):
        time = step / 10
        growing = Signature(int((NOW + time) * 1e9), 0, step, 1)
        assert watch.observe({"t": growing}, NOW + time, time).moving == {"t": time}


def test_a_file_put_away_for_a_moment_is_not_gone() -> None:
    watch = RestWatch()
    watch.observe({"t": OLD}, NOW, 0.0)
    assert watch.observe({}, NOW + 0.1, 0.1).at_rest == {}
    assert watch.observe({"t": OLD}, NOW + 0.2, 0.2).at_rest == {"t": OLD}


def test_a_file_that_stays_away_is_told_as_gone_once() -> None:
    watch = RestWatch()
    watch.observe({"t": OLD}, NOW, 0.0)
    watch.observe({}, NOW + 1, 1.0)
    assert watch.observe({}, NOW + 2, 2.0).at_rest == {"t": None}
    assert watch.observe({}, NOW + 3, 3.0).at_rest == {}
