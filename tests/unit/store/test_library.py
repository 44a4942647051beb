"""The policy library. Runs on every database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from congressd.model.errors import CongressError
from congressd.store import library
from congressd.store.database import Database
from congressd.store.library import LibraryRecord
from congressd.store.records import new_id

RECORD = LibraryRecord(
    new_id(), "Best \U0001f6a8", "best", "all of it", "action", ({"rule": "p(x) :- q(x)", "name": "n"},)
)


def test_library_policies_are_kept_replaced_and_removed(database: Database) -> None:
    other = replace(RECORD, id=new_id(), name="A")
    database.run(lambda session: library.add(session, RECORD))
    database.run(lambda session: library.add(session, other))
    assert database.read(library.everything) == (other, RECORD)
    changed = replace(RECORD, rules=(), description="less")
    database.run(lambda session: library.replace(session, changed))
    assert database.read(lambda session: library.get(session, RECORD.id)) == changed
    database.run(lambda session: library.remove(session, RECORD.id))
    assert database.read(library.everything) == (other,)


def test_names_are_unique_in_the_library(database: Database) -> None:
    other = replace(RECORD, id=new_id(), name="other")
    database.run(lambda session: library.add(session, RECORD))
    database.run(lambda session: library.add(session, other))
    for work in (library.add, library.replace):
        wanted = replace(other, name=RECORD.name)
        with pytest.raises(CongressError) as caught:
            database.run(lambda session, work=work, wanted=wanted: work(session, wanted))  # type: ignore[misc]
        assert caught.value.code.name == "name_taken"


def test_what_is_missing_or_does_not_fit_is_refused(database: Database) -> None:
    for missing in (
        lambda: database.read(lambda session: library.get(session, "x")),
        lambda: database.run(lambda session: library.remove(session, "x")),
        lambda: database.run(lambda session: library.replace(session, RECORD)),
    ):
        with pytest.raises(CongressError) as caught:
            missing()
        assert caught.value.code.name == "not_found"
    for wrong, code in (
        (replace(RECORD, name="x" * 256), "name_invalid"),
        (replace(RECORD, abbreviation="abcdef"), "policy_abbreviation_error"),
        (replace(RECORD, description="\ud800"), "bad_request"),
    ):
        with pytest.raises(CongressError) as caught:
            database.run(lambda session, wrong=wrong: library.add(session, wrong))  # type: ignore[misc]
        assert caught.value.code.name == code
