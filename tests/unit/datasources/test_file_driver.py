"""The file driver on real folders, with time that the tests turn."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from congressd.datasources.driver import Fetch, FetchError, PollRequest
from congressd.datasources.file import RESTLESS, FileDriver
from congressd.model.errors import CongressError
from congressd.model.values import Row


class Folder:
    """A folder, a driver that watches it, and the time by which the driver judges."""

    def __init__(self, path: Path, **config: object) -> None:
        self.path = path
        self.ahead = 10.0  # files written now are old, unless a test says otherwise
        self.driver = FileDriver(
            FileDriver.check_config({"path": str(path), **config}),
            wall=lambda: time.time() + self.ahead,
            monotonic=lambda: self.ahead,
        )

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def poll(self, *, full: bool = False) -> Fetch:
        self.ahead += 1.0
        return self.driver.poll(PollRequest(full, 0.0))

    def tables(self, fetch: Fetch) -> dict[str, list[Row]]:
        return {name: list(table.rows) for name, table in fetch.tables.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_each_file_is_a_table(folder: Folder) -> None:
    folder.write("servers.csv", "id\n1\n")
    folder.write("My Images.JSON", '[{"id": 2}]')
    folder.write("notes.txt", "not a table")
    folder.write(".hidden.csv", "id\n3\n")
    (folder.path / "folder.csv").mkdir()
    assert folder.tables(folder.poll()) == {"servers": [(1,)], "My_Images": [(2,)]}


def test_only_what_changed_is_read_again(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.write("b.csv", "id\n1\n")
    folder.poll()
    folder.write("b.csv", "id\n22\n")
    fetch = folder.poll()
    assert folder.tables(fetch) == {"b": [(22,)]}
    assert fetch.unchanged == {"a"}


def test_a_full_poll_reads_everything(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.poll()
    assert folder.tables(folder.poll(full=True)) == {"a": [(1,)]}


def test_a_file_that_is_being_written_waits(folder: Folder) -> None:
    folder.ahead = -1.0
    folder.write("a.csv", "id\n1\n")
    fetch = folder.poll()
    assert fetch.tables == {}
    assert fetch.pending == frozenset({"a"})
    assert fetch.again_in is not None
    assert folder.tables(folder.poll()) == {"a": [(1,)]}


def test_a_file_that_never_rests_is_reported(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.poll()
    for step in range(int(RESTLESS) + 2):
        future = time.time() + 1000 + step
        os.utime(folder.path / "a.csv", (future, future))
        fetch = folder.poll()
    assert "kept changing for more than 5 s" in fetch.errors["a"]


def test_a_broken_file_is_told_with_file_and_line_until_it_is_mended(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.poll()
    folder.write("a.csv", "id\n1,2\n")
    told = {"a": "a.csv: line 2: 2 cells, but the header names 1"}
    assert folder.poll().errors == told
    assert folder.poll().errors == told
    folder.write("a.csv", "id\n7\n")
    assert folder.tables(folder.poll()) == {"a": [(7,)]}


def test_an_unreadable_file_is_an_error_of_its_table_alone(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    (folder.path / "b.csv").write_bytes(b"\xff")
    fetch = folder.poll()
    assert folder.tables(fetch) == {"a": [(1,)]}
    assert list(fetch.errors) == ["b"]


def test_a_removed_file_removes_its_table(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.poll()
    (folder.path / "a.csv").unlink()
    assert folder.poll().pending == {"a"}
    assert folder.poll() == Fetch()


def test_a_folder_that_went_is_an_error_and_removes_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "nowhere")
    with pytest.raises(FetchError, match=r"The folder .*/nowhere cannot be read: No such file or directory"):
        folder.poll()


def test_two_files_for_one_table_are_an_error_and_change_nothing(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.poll()
    folder.write("a.json", "[[1]]")
    fetch = folder.poll()
    assert fetch.errors == {"a": '"a" would be the table of several files, "a.csv", "a.json"; rename all but one'}
    (folder.path / "a.json").unlink()
    assert folder.poll().unchanged == {"a"}


def test_a_file_that_becomes_empty_keeps_its_columns(folder: Folder) -> None:
    folder.write("a.json", '[{"id": 1}]')
    folder.poll()
    folder.write("a.json", "[]")
    table = folder.poll().tables["a"]
    assert (table.schema.column_names, list(table.rows)) == (("id",), [])


def test_a_file_replaced_by_renaming_is_noticed_though_size_and_time_are_the_same(folder: Folder) -> None:
    folder.write("a.csv", "id\n1\n")
    folder.poll()
    folder.write("a.new", "id\n2\n")
    status = (folder.path / "a.csv").stat()
    os.utime(folder.path / "a.new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder.path / "a.new").rename(folder.path / "a.csv")
    assert folder.tables(folder.poll()) == {"a": [(2,)]}


def test_options_reach_the_reader(tmp_path: Path) -> None:
    folder = Folder(tmp_path, csv_types="text", delimiter=";", key='{"a": "id"}')
    folder.write("a.csv", "id;n\n1;2\n")
    table = folder.poll().tables["a"]
    assert (table.schema.key, list(table.rows)) == (("id",), [("1", "2")])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "tables"}, 'is "tables"; it must be an absolute path'),
        ({"path": "/a\0b"}, 'is "/a\\u0000b"; it must be an absolute path'),
        ({"delimiter": "ab"}, "it must be one character"),
        ({"text_columns": {"a": 1}}, "must be a list of names"),
        ({"key": []}, "must be an object from tables to columns"),
        ({"key": {"a": []}}, 'of table "a" must be the name of a column'),
        ({"csv_types": "guess"}, 'allowed are "infer", "text"'),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(CongressError) as caught:
        FileDriver.check_config({"path": "/tables"} | config)
    assert message in str(caught.value)


def test_a_checked_configuration_passes_again() -> None:
    checked = FileDriver.check_config({"path": "/tables", "key": {"a": "id"}})
    assert FileDriver.check_config(checked) == checked


def test_a_key_for_a_table_that_no_file_gives_is_a_warning(tmp_path: Path) -> None:
    folder = Folder(tmp_path, key={"servers": ["id"]})
    folder.write("server.csv", "id\n1\n")
    assert folder.poll().warnings == ('The option "key" names the table "servers", but no file gives it.',)
