"""Which failures are worth another run. Pure."""

from __future__ import annotations

import sqlite3

import pymysql
import pytest
from sqlalchemy import exc

from congressd.store import retry
from congressd.store.retry import Cause


def mysql_error(code: int, kind: type[exc.DBAPIError] = exc.OperationalError) -> exc.DBAPIError:
    return kind("COMMIT", {}, pymysql.err.OperationalError(code, "said the server"))


def sqlite_error(code: int) -> exc.DBAPIError:
    original = sqlite3.OperationalError("said SQLite")
    original.sqlite_errorcode = code
    return exc.OperationalError("COMMIT", {}, original)


@pytest.mark.parametrize("code", [1213, 1205, 1020])
def test_lost_races_are_run_again(code: int) -> None:
    assert retry.cause_of(mysql_error(code)) is Cause.RACE


@pytest.mark.parametrize("code", [2002, 2003, 2006, 2013, 1047, 1053, 1927, 1040, 1158, 1159, 1160, 1161, 1184])
def test_lost_servers_are_asked_again(code: int) -> None:
    assert retry.cause_of(mysql_error(code)) is Cause.REACH


def test_a_connection_closed_by_the_driver_itself_is_made_again() -> None:
    assert retry.cause_of(exc.InterfaceError("x", {}, pymysql.err.InterfaceError(0, ""))) is Cause.REACH


@pytest.mark.parametrize("code", [1045, 1049, 1064, 1146, 1114, 1153])
def test_what_would_fail_again_is_not_run_again(code: int) -> None:
    assert retry.cause_of(mysql_error(code)) is None


def test_a_violated_key_is_never_run_again() -> None:
    assert retry.cause_of(mysql_error(1062, exc.IntegrityError)) is None
    assert retry.cause_of(mysql_error(1213, exc.IntegrityError)) is None


@pytest.mark.parametrize(
    ("code", "cause"), [(5, Cause.RACE), (6, Cause.RACE), (517, Cause.RACE), (13, None), (0, None)]
)
def test_a_locked_sqlite_file_is_asked_again(code: int, cause: Cause | None) -> None:
    assert retry.cause_of(sqlite_error(code)) is cause


def test_an_exhausted_pool_and_the_work_itself_may_ask_for_another_run() -> None:
    assert retry.cause_of(exc.TimeoutError("pool")) is Cause.REACH
    assert retry.cause_of(retry.LostRace("x")) is Cause.RACE
    assert retry.cause_of(ValueError("x")) is None


def test_pauses_double_up_to_their_limit_and_are_jittered() -> None:
    for cause in Cause:
        longest = [retry.pause(cause, attempt, lambda: 1.0) for attempt in range(30)]
        assert longest[0] == retry.FIRST_PAUSE
        assert longest[1] == 2 * retry.FIRST_PAUSE
        assert max(longest) == longest[-1] == retry.LONGEST_PAUSE[cause]
        assert retry.pause(cause, 5, lambda: 0.0) < retry.pause(cause, 5, lambda: 0.5) < longest[5]
