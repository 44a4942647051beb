"""Following tables, with a service that comes and goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from congressd.cli.context import Client, Failure
from congressd.cli.fetched import Fetched
from congressd.cli.http import RefusedError, UnreachableError
from congressd.cli.watching import Tables, follow

P = ("p", "error")


class StopError(Exception):
    pass


def tables(*rows: list[Any], warnings: tuple[str, ...] = ()) -> Tables:
    return {P: Fetched(["x"], list(rows), [], warnings)}


def watch(form: str, *looks: Tables | Exception) -> None:
    """Follow through ``looks``, then stop."""
    todo = list(looks)

    def look() -> Tables:
        if not todo:
            raise StopError
        found = todo.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    nothing: Callable[[float], None] = lambda seconds: None  # noqa: E731
    with pytest.raises(StopError):
        follow(Client(None, None, form, 1.0), look, with_place=True, sleep=nothing)


def test_each_change_is_an_object_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    watch("json", tables(["a\nb"], [1]), tables(["1"], [1]))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["change"], each["policy"], each["table"], each["data"]) for each in told] == [
        ("+", "p", "error", ["a\nb"]),
        ("+", "p", "error", [1]),
        ("-", "p", "error", ["a\nb"]),
        ("+", "p", "error", ["1"]),
    ]
    assert all(each["at"].endswith("Z") for each in told)


def test_a_row_is_one_line_and_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    watch("table", tables(["a\nb\x1b[31m"]))
    [line] = capsys.readouterr().out.splitlines()
    assert line.endswith("+ p:error  a\\u000ab\\u001b[31m")


def test_a_service_that_is_away_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    away = UnreachableError("nobody there")
    watch("table", tables(["a"]), away, away, RefusedError(503, "not ready", None), tables(["b"]))
    printed = capsys.readouterr()
    assert [line.split(" ", 1)[1] for line in printed.out.splitlines()] == [
        "+ p:error  a",
        "- p:error  a",
        "+ p:error  b",
    ]
    assert printed.err.count("nobody there") == 1
    assert "not ready" not in printed.err
    assert printed.err.endswith("congress: the service answers again\n")


def test_a_refusal_ends_it() -> None:
    with pytest.raises(RefusedError, match="no right"):
        watch("table", tables(), RefusedError(403, "no right", None))
    with pytest.raises(UnreachableError):
        watch("table", UnreachableError("the first look must succeed"))


def test_warnings_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    doubtful = tables(warnings=("old",))
    watch("table", doubtful, doubtful, tables(), doubtful)
    assert capsys.readouterr().err == "warning: p:error: old\n" * 2


def test_formats_without_lines_are_refused() -> None:
    with pytest.raises(Failure, match="it does not print csv"):
        follow(Client(None, None, "csv", 1.0), tables, with_place=True)
