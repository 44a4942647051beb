"""Rows for pushing, from files and standard input."""

import pytest

from congressd.cli.rowfile import RowError, read_rows


def test_csv_gives_objects_with_values_of_their_types() -> None:
    rows = read_rows("t", ".csv", b"id,name,on\n1,a,true\n2,,false\n")
    assert rows == [{"id": 1, "name": "a", "on": True}, {"id": 2, "name": None, "on": False}]


def test_json_objects_and_lists_stay_what_they_are() -> None:
    assert read_rows("t", ".json", b'[{"id": 1}]') == [{"id": 1}]
    assert read_rows("t", ".json", b'[[1, "a"], [2, null]]') == [[1, "a"], [2, None]]
    assert read_rows("t", ".json", b"[]") == []


@pytest.mark.parametrize("data", [b'[{"id": 1}]', b' {"id": 1}\n', b"id\n1\n"], ids=["json", "json lines", "csv"])
def test_the_format_of_standard_input_is_found_out(data: bytes) -> None:
    assert read_rows("t", None, data) == [{"id": 1}]


@pytest.mark.parametrize(
    ("suffix", "data", "sentence"),
    [
        (".csv", b"id,name\n1\n", "line 2: 1 cells, but the header names 2"),
        (".json", b'{"id": ', "not JSON"),
        (".xlsx", b"", ".xlsx is not a format; allowed are .csv"),
    ],
)
def test_what_cannot_be_read_is_told(suffix: str, data: bytes, sentence: str) -> None:
    with pytest.raises(RowError, match=sentence):
        read_rows("t", suffix, data)
