"""Digests are equal exactly when the tables are."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from congressd.bus.digest import EMPTY, SourceDigest, digest_rows
from congressd.model.values import FALSE, TRUE, Row
from tests.unit.bus.batches import VALUES, delta, snapshot

TABLES = st.sets(st.tuples(VALUES, VALUES), max_size=20)


@given(TABLES, TABLES)
def test_equal_tables_have_equal_digests_and_others_do_not(one: set[Row], two: set[Row]) -> None:
    assert (digest_rows(list(one)) == digest_rows(list(two))) == (one == two)


@given(st.lists(TABLES, min_size=1, max_size=5))
def test_a_digest_kept_by_deltas_is_that_of_the_rows(states: list[set[Row]]) -> None:
    kept = SourceDigest()
    kept.apply(snapshot("nova", 1, 1, {"t": list(states[0])}))
    for number, (before, after) in enumerate(pairwise(states)):
        kept.apply(delta("nova", 1, number + 2, "t", list(after - before), list(before - after)))
    assert kept.tables() == {"t": digest_rows(list(states[-1]))}


def test_a_snapshot_forgets_tables_and_empties_others() -> None:
    kept = SourceDigest()
    kept.apply(snapshot("nova", 1, 1, {"old": [(1,)], "kept": [(1,)]}))
    kept.apply(snapshot("nova", 1, 2, {"kept": []}))
    assert kept.tables() == {"kept": EMPTY}


def test_equal_numbers_are_one_value_and_booleans_are_no_numbers() -> None:
    one: Row = (1, 0)
    assert digest_rows([one]) == digest_rows([(1.0, -0.0)])
    assert digest_rows([one]) != digest_rows([(TRUE, FALSE)])


def test_the_hash_is_the_same_in_every_process() -> None:
    script = "from congressd.bus.digest import digest_rows; print(digest_rows([('a', 1), ('b', None)]).hash)"
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {f"{digest_rows([('b', None), ('a', 1)]).hash}\n"}
