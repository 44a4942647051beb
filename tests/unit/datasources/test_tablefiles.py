"""Files as tables: what each format gives, and what is said about files that are none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from congressd.datasources.names import usable_name
from congressd.datasources.tablefiles import FORMATS, ReadError, ReadOptions, infer, read_table
from congressd.model.pushtables import check_name
from congressd.model.values import FALSE, TRUE, Row


def read(extension: str, text: str | bytes, **options: object) -> tuple[tuple[str, ...], list[Row]]:
    data = text.encode() if isinstance(text, str) else text
    fetched = read_table("t", extension, data, ReadOptions(**options))  # type: ignore[arg-type]
    return fetched.schema.column_names, list(fetched.rows)


def test_csv_has_its_columns_from_the_header_and_types_from_its_cells() -> None:
    text = "id,name,ram,price,up,zip\n1,web,512,1.50,true,00123\n2,,-3,.5,False,\n"
    assert read(".csv", text) == (
        ("id", "name", "ram", "price", "up", "zip"),
        [(1, "web", 512, 1.5, TRUE, "00123"), (2, None, -3, ".5", FALSE, None)],
    )


def test_csv_as_text_is_left_as_it_is() -> None:
    assert read(".csv", "id,up\n1,true\n,x\n", infer=False) == (("id", "up"), [("1", "true"), ("", "x")])


@pytest.mark.parametrize("column", ["version", "t.version"])
def test_single_columns_can_stay_text(column: str) -> None:
    _, rows = read(".csv", "version,n\n1.10,1\n", text_columns=frozenset({column}))
    assert rows == [("1.10", 1)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("9" * 30, int("9" * 30)),
        ("1.25", 1.25),
        ("-0.5e-3", -0.0005),
        ("true", TRUE),
        ("FALSE", FALSE),
        ("007", "007"),
        ("+1", "+1"),
        ("1e5", "1e5"),
        ("1_000", "1_000"),
        (" 1", " 1"),
        ("1.", "1."),
        ("nan", "nan"),
        ("yes", "yes"),
        ("null", "null"),
        ("1" * 400 + ".0", "1" * 400 + ".0"),
        ("9" * 5000, "9" * 5000),
        ("٣", "٣"),
    ],
)
def test_cells_become_values_only_where_it_is_plain(text: str, value: object) -> None:
    assert infer(text) == value
    assert type(infer(text)) is type(value)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_written_as_json_are_read_back(number: float) -> None:
    text = repr(number)
    assert infer(text) == (number if "e" not in text or "." in text else text)


def test_quotes_and_line_breaks_in_cells_are_kept() -> None:
    assert read(".csv", 'a,b\n"x, ""y""\nz",1\n') == (("a", "b"), [('x, "y"\nz', 1)])


def test_blank_lines_windows_ends_and_a_byte_order_mark_do_no_harm() -> None:
    assert read(".csv", b"\xef\xbb\xbfid\r\n1\r\n\r\n2\r\n") == (("id",), [(1,), (2,)])


def test_other_delimiters() -> None:
    assert read(".tsv", "a\tb\n1\t2\n") == (("a", "b"), [(1, 2)])
    assert read(".csv", "a;b\n1;2\n", delimiter=";") == (("a", "b"), [(1, 2)])


def test_column_names_are_made_usable() -> None:
    assert read(".csv", " Größe (cm),2fa,not\n1,2,3\n")[0] == ("Grosse__cm_", "_2fa", "not_")


def test_an_empty_file_is_an_empty_table_without_columns() -> None:
    assert read(".csv", "") == ((), [])
    assert read(".csv", "id,name\n") == (("id", "name"), [])
    assert read(".json", "[]") == ((), [])
    assert read(".jsonl", "") == ((), [])
    assert read(".yaml", "") == ((), [])


def test_json_objects_give_the_union_of_their_names() -> None:
    text = '[{"id": 1, "flavor": {"ram": 2, "tags": ["b", "a"]}}, {"id": 2, "up": true}]'
    assert read(".json", text) == (
        ("id", "flavor.ram", "flavor.tags", "up"),
        [(1, 2, '["b","a"]', None), (2, None, None, TRUE)],
    )


def test_json_lists_scalars_and_declared_columns() -> None:
    assert read(".json", '[[1, "a"], [2, null]]') == (("col0", "col1"), [(1, "a"), (2, None)])
    assert read(".json", '["a", 1]') == (("value",), [("a",), (1,)])
    assert read(".json", '{"columns": ["x", "y"], "rows": [[1, 2]]}') == (("x", "y"), [(1, 2)])


def test_json_integers_of_any_size_are_exact() -> None:
    assert read(".json", f"[[{2**70}]]")[1] == [(2**70,)]


def test_json_lines() -> None:
    assert read(".jsonl", '{"a": 1}\n\n{"a": 2}\n') == (("a",), [(1,), (2,)])


def test_yaml_lists_documents_and_dates() -> None:
    assert read(".yaml", "- {id: 1, since: 2024-05-01}\n- {id: 2}\n") == (
        ("id", "since"),
        [(1, "2024-05-01"), (2, None)],
    )
    assert read(".yml", "id: 1\n---\nid: 2\n") == (("id",), [(1,), (2,)])


@pytest.mark.parametrize(
    ("extension", "text", "message"),
    [
        (".csv", "a,b\n1\n", "line 2: 1 cells, but the header names 2"),
        (".csv", 'a,b\n1,"2\n', "line 2: unexpected end of data"),
        (".csv", "a,,b\n", "the header has a column without a name"),
        (".csv", "a,a\n", 'the column "a" occurs twice'),
        (".csv", "a b,a-b\n", 'the column "a-b" and "a b" both become "a_b"'),
        (".csv", b"a\n\xff\n", "line 2: byte 0xff is not UTF-8"),
        (".json", "[1,", "not JSON: Expecting value: line 1 column 4"),
        (".json", "[[NaN]]", "not JSON: NaN is not JSON"),
        (".json", "[[1],[1,2]]", "row 2 has 2 values, the table has 1 columns"),
        (".json", '[{"a": 1}, [2]]', "its rows are of different kinds; a table is"),
        (".json", '{"servers": []}', "it holds an object; a table is a list of objects"),
        (".json", '"x"', "it holds 'x'"),
        (".json", '{"columns": "a", "rows": []}', '"columns" must be a list of names'),
        (".json", '[{"a": {"b": 1}, "a.b": 2}]', 'has "a.b" twice'),
        (".json", "[" * 100_000, "nested too deeply"),
        (".json", '[{"a":' + '{"b":' * 40 + "1" + "}" * 41 + "]", "nested more than 32 deep"),
        (".jsonl", '{"a": 1}\n{\n', "line 2: not JSON"),
        (".yaml", "- a: [\n", "line 2, column 1: not YAML"),
        (".yaml", "- &x {a: 1}\n- *x\n", "aliases (*name) are not allowed"),
        (".yaml", "- {a: .nan}\n", "numbers must be finite"),
        (".yaml", "- !!python/object/apply:os.system [ls]\n", "not YAML"),
        (".yaml", "- a: 2024-99-99\n", "not YAML"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_place_and_reason(
    extension: str, text: str | bytes, message: str
) -> None:
    with pytest.raises(ReadError) as caught:
        read(extension, text)
    assert message in str(caught.value)


def test_a_key_must_be_columns_of_the_table() -> None:
    with pytest.raises(ReadError, match='the key column "uuid" is not a column of it; its columns are id'):
        read(".csv", "id\n1\n", keys={"t": ("uuid",)})


@given(st.sampled_from(sorted(FORMATS)), st.text())
def test_no_text_makes_a_reader_fail_otherwise(extension: str, text: str) -> None:
    try:
        columns, rows = read(extension, text.encode("utf-8", "surrogatepass"))
    except ReadError:
        return
    assert all(len(row) == len(columns) for row in rows)
    assert all(not isinstance(value, float) or math.isfinite(value) for row in rows for value in row)


@given(st.text())
def test_every_name_becomes_one_that_rules_can_use(text: str) -> None:
    assert check_name("tables", "column", usable_name(text))
