"""The doctor always comes to an end, with a finding for every check, and never with a traceback or a secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from congressd.config.options import Bus, Settings
from congressd.doctor import run
from congressd.doctor.finding import Failed, Finding, Level, NotHere, ok
from congressd.doctor.place import Paths, Place
from congressd.doctor.table import CHECKS, NAMES, Check
from congressd.model.errors import CongressError

NOWHERE = Path("/nonexistent/file")
NO_PATHS = Paths(NOWHERE, NOWHERE, NOWHERE, NOWHERE, (), NOWHERE, NOWHERE)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def check(name: str, probe: Any, deadline: float = 20.0) -> Check[Any]:
    return Check(name, "", probe, lambda facts: [ok(str(facts))], deadline)


def raises(error: Exception) -> Any:
    def probe(place: Place) -> None:
        raise error

    return probe


def test_every_way_to_fail_is_a_finding(release: threading.Event) -> None:
    settings = replace(Settings(), bus=Bus("rabbit://congress:hush-hush@a:5672/"))
    checks = [
        check("fine", lambda place: 7),
        check("absent", raises(NotHere("no such thing here"))),
        check("failed", raises(Failed("it is down", "start it"))),
        check("refused", raises(CongressError("unavailable", "the database is away"))),
        check("defect", raises(ValueError("amqp://congress:hush-hush@a is strange"))),
        check("hangs", lambda place: release.wait(60), 0.1),
    ]
    told: list[tuple[int, int]] = []

    results = run.run(Place(settings), checks=checks, told=lambda done, of, waiting: told.append((done, of)))

    assert [(each.name, each.level.value) for each in results] == [
        ("fine", "ok"), ("absent", "not here"), ("failed", "problem"), ("refused", "problem"), ("defect", "problem"),
        ("hangs", "problem"),
    ]  # fmt: skip
    facts = {each.name: each.findings[0] for each in results}
    assert facts["failed"] == Finding(Level.PROBLEM, "it is down", "start it")
    assert "no answer within" in facts["hangs"].fact
    assert "ValueError" in facts["defect"].fact
    assert "hush-hush" not in str(results)
    assert told[0] == (0, 6)
    assert told[-1] == (6, 6)


def test_all_together_have_a_deadline_too(release: threading.Event) -> None:
    checks = [check(f"hangs-{number}", lambda place: release.wait(60)) for number in range(50)]
    results = run.run(Place(Settings()), checks=checks, longest=0.2)
    assert {each.level for each in results} == {Level.PROBLEM}


def test_only_what_is_asked_for_is_looked_at() -> None:
    assert [each.name for each in run.run(Place(Settings()), ("disk", "configuration"))] == ["configuration", "disk"]


def test_names_of_checks_are_words_and_unique() -> None:
    assert len(set(NAMES)) == len(CHECKS)
    assert all(name.isalpha() and name.islower() for name in NAMES)


@pytest.mark.parametrize("settings", [None, Settings()])
def test_where_nothing_is_there_is_nothing_wrong(settings: Settings | None) -> None:
    """A node that runs nothing yet: nothing but the configuration can be a problem."""
    results = run.run(Place(settings, complaints=("x is 7",) if settings is None else (), paths=NO_PATHS))
    assert {each.name for each in results if each.level is Level.PROBLEM} - {"quorum", "pacemaker"} == (
        {"configuration"} if settings is None else set()
    )


def test_what_is_asked_twice_is_brought_once() -> None:
    place = Place(Settings())
    brought: list[int] = []
    assert [place.once("x", lambda: brought.append(1)) for _ in range(3)] == [None] * 3
    assert brought == [1]

    def fail() -> None:
        brought.append(2)
        raise NotHere("away")

    for _ in range(2):
        with pytest.raises(NotHere):
            place.once("y", fail)
    assert brought == [1, 2]


def test_a_program_that_hangs_is_given_up_and_ended() -> None:
    place = Place(Settings(), programs={"crm_mon": ("sleep", "60")})
    with pytest.raises(Failed, match=r"crm_mon.* gave no answer within 0.2 s"):
        place.run("crm_mon", deadline=0.2)
    with pytest.raises(NotHere):
        place.run("no-such-program")
