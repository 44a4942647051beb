"""The verbs of rows, queries and violations, against a whole service."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from congressd.cli import fetched
from tests.unit.cli.conftest import Shell
from tests.unit.rig import Rig, wait_until

EVIL = "a\x1b[31m\x9b2J\x07b\nc"  #: paints a terminal red, clears it, rings


@pytest.fixture
def rows(rig: Rig) -> None:
    rig.policy("p", "error(x) :- inv:bad(x)", "quiet(x) :- inv:bad(x), equal(x, 1)")
    rig.push("inv", "bad", [[EVIL]])
    wait_until(lambda: rig.rows("p", "error"))


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("verb", [("row", "list", "p", "error"), ("violations",), ("explain", "p", "error")])
def test_values_cannot_command_the_terminal(shell: Shell, verb: tuple[str, ...]) -> None:
    printed = shell.run(*verb)
    assert "a\\u001b[31m" in printed
    assert not set(printed) & {"\x1b", "\x9b", "\x07"}


@pytest.mark.usefixtures("rows")
def test_programs_get_values_as_they_are(shell: Shell) -> None:
    assert list(csv.reader(io.StringIO(shell.run("-o", "csv", "row", "list", "p", "error"), newline=""))) == [
        ["x"],
        [EVIL],
    ]
    assert [each["data"] for each in shell.json("row", "list", "p", "error")] == [[EVIL]]
    assert "\x9b" not in shell.run("-o", "json", "row", "list", "p", "error")


def test_actions_of_a_simulation_are_told_as_the_language_writes_them(shell: Shell, rig: Rig) -> None:
    rig.policy("p", 'execute[log:write("pause", x)] :- inv:bad(x)')
    printed = shell.run("simulate", "p", "inv:bad(x)", 'inv:bad+("d")')
    assert 'would run: log:write("pause", "d")' in printed


def test_a_row_to_delete_that_is_not_there_is_told(shell: Shell, rig: Rig) -> None:
    rig.push("inv", "bad", [["a"]])
    wait_until(lambda: rig.rows("inv", "bad"))
    shell.run("row", "delete", "inv", "bad", stdin=b'[{"id": "a"}, {"id": "b"}]')
    assert "1 row of the file was not in the table" in shell.err
    rig.push("inv", "bad", [["c"]])
    wait_until(lambda: rig.rows("inv", "bad") == [["c"]])
    shell.run("row", "delete", "inv", "bad", stdin=b'[["c"]]')
    assert shell.err == ""


def test_the_first_rows_only_are_told_to_be_that(shell: Shell, rig: Rig) -> None:
    rig.push("inv", "bad", [["a"], ["b"], ["c"]])
    wait_until(lambda: len(rig.rows("inv", "bad")) == 3)
    for verb in (("row", "list", "inv", "bad"), ("query", "inv", "bad(x)")):
        assert [each["data"] for each in shell.json(*verb, "--limit", "2")] == [["a"], ["b"]]
        assert "There are more than these 2 rows" in shell.err
        assert len(shell.json(*verb, "--limit", "3")) == 3
        assert shell.err == ""


def test_an_empty_name_is_told(shell: Shell) -> None:
    assert "POLICY|SOURCE is empty" in shell.fails("row", "list", "", "x", code=2)
    assert "NAMES is empty" in shell.fails("policy", "delete", "p", "", code=2)


def test_violations_of_a_policy_without_the_table_are_no_clean_answer(shell: Shell, rig: Rig) -> None:
    rig.policy("p", "warning(x) :- inv:bad(x)")
    assert "policy p has no table error" in shell.fails("violations", "p", code=3)
    assert "no policy has a table error" in shell.fails("violations", code=3)
    assert "no policy has a table eror" in shell.fails(
        "violations", "--table", "eror", "--table", "warning", "--exit-code", code=3
    )
    assert shell.run("violations", "--table", "warning") == "0 violations of 1 table; clean: p\n"


def test_a_table_with_warnings_is_not_called_clean(shell: Shell, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.policy("p", "error(x) :- inv:bad(x)")
    rig.policy("q", "error(x) :- inv:bad(x)")
    real = fetched.fetched

    def warned(answer: dict[str, object]) -> fetched.Fetched:
        return real(answer | {"warnings": ["inv has no rows yet"]})

    monkeypatch.setattr(fetched, "fetched", warned)
    assert shell.run("violations", "--exit-code", code=1) == "0 violations of 2 tables; not checked: p, q\n"
    assert "warning: p:error: inv has no rows yet" in shell.err
    assert shell.json("violations")[0]["warnings"] == ["inv has no rows yet"]
    shell.run("row", "list", "p", "error")
    assert shell.err == "warning: inv has no rows yet\n"


def test_a_new_source_that_cannot_be_read_is_told_at_once(shell: Shell, tmp_path: Path) -> None:
    shell.run("source", "create", "file", "x", "--config", f"path={tmp_path}/none")
    assert f"warning: The folder {tmp_path}/none cannot be read" in shell.err
    shell.run("source", "create", "file", "y", "--config", f"path={tmp_path}")
    assert shell.err == ""


def test_the_warnings_of_a_query_are_told(shell: Shell, rig: Rig) -> None:
    rig.policy("p", "error(x) :- inv:bad(x)")
    assert json.loads(shell.run("-o", "json", "query", "p", "eror(x)")) == []
    assert "error" in shell.err
