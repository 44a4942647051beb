"""``congress check`` and ``congress fmt``, from the command line."""

import io
import json
from pathlib import Path

import pytest

from congressd.cli import client

CHECKOUT = Path(__file__).parents[3]

SCHEMA = "cloud:\n  servers: [name, owner, status]\n"


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        client.main(list(arguments))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def _write(tmp_path: Path, name: str, text: str) -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return _write(tmp_path, "schema.yaml", SCHEMA)


def test_good_files_are_fine(tmp_path: Path, schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", 'error(x) :- cloud:servers(name=x, status="ERROR")\n')
    assert _run(capsys, "check", path, "--schema", schema) == (0, "1 policy, 1 rule: nothing to complain about\n")


@pytest.mark.parametrize(
    ("text", "where", "sentence"),
    [
        ("\nerror(x :- q(x)\n", ":2", "could stand"),
        ("# one\nerror(x, y) :- cloud:servers(name=x)\n", ":2", "y"),
        ("error(x) :- cloud:servers(nmae=x)\n", ":1", 'Did you mean "name"?'),
        ("error(x) :- cloud:server(name=x)\n", ":1", 'Did you mean "servers"?'),
        ("p(x) :- q(x)\nq(x) :-\n  p(x)\n", ":2", "recursive"),
        ("p(x) :- builtin:lenn(x, 1), cloud:servers(name=x)\n", ":1", 'Did you mean "len"?'),
        ("p(1)\n\np(1)\n", ":3", "the same rule stands in the policy already (line 1)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, schema: str, capsys: pytest.CaptureFixture[str], text: str, where: str, sentence: str
) -> None:
    path = _write(tmp_path, "a.dl", text)
    code, printed = _run(capsys, "check", path, "--schema", schema)
    assert code == 1
    assert f"{path}{where}: error: " in printed
    assert sentence in printed


def test_lines_count_in_the_yaml_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "name: a\nrules:\n  - rule: p(1)\n  - rule: |\n      error(x) :-\n        p(x),\n        q(x\n"
    path = _write(tmp_path, "a.yaml", text)
    code, printed = _run(capsys, "check", path)
    assert code == 1
    assert f"{path}:7: error: " in printed


def test_recursion_is_found_across_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = _write(tmp_path, "one.dl", "p(x) :- two:q(x)\n")
    two = _write(tmp_path, "two.dl", "q(x) :- one:p(x)\n")
    code, printed = _run(capsys, "check", one, two)
    assert code == 1
    assert "one:p -> two:q -> one:p" in printed or "two:q -> one:p -> two:q" in printed


def test_unknown_columns_are_a_warning_without_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", "error(x) :- cloud:servers(nmae=x), cloud:servers(y, name=x)\n")
    code, printed = _run(capsys, "check", path)
    assert code == 0
    assert "warning: the columns of cloud are not known, so not checked" in printed
    assert _run(capsys, "check", path, "--strict")[0] == 1


def test_findings_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", "p(\n")
    code, printed = _run(capsys, "-o", "json", "check", path)
    [finding] = json.loads(printed)
    assert code == 1
    assert (finding["file"], finding["line"], finding["severity"]) == (path, 2, "error")


def test_the_examples_are_fine_and_laid_out(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(path) for path in sorted((CHECKOUT / "examples").rglob("policies/*.yaml"))]
    assert len(files) >= 5
    assert _run(capsys, "check", *files)[0] == 0
    assert _run(capsys, "fmt", "--check", *files) == (0, "")


UGLY = "# kept\np(x):-q( x ),r(x)\n"
PRETTY = "# kept\np(x) :-\n    q(x),\n    r(x)\n"


def test_fmt_prints_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", UGLY)
    assert _run(capsys, "fmt", path) == (0, PRETTY)
    assert Path(path).read_text(encoding="utf-8") == UGLY


def test_fmt_names_shows_and_changes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", UGLY)
    assert _run(capsys, "fmt", "--check", path) == (1, f"{path} would change\n")
    code, printed = _run(capsys, "fmt", "--diff", path)
    assert code == 1
    assert "+    q(x),\n" in printed
    assert _run(capsys, "fmt", "--write", path) == (0, f"{path} changed\n")
    assert Path(path).read_text(encoding="utf-8") == PRETTY
    assert _run(capsys, "fmt", "--check", path) == (0, "")


def test_fmt_lays_out_blocks_in_yaml_and_leaves_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = "# a\nname:   x\nrules:\n  - rule: |\n      p(x):-q( x )\n\n  # b\n  - rule: p( 1 )\n  - |\n    p(y):-q(y)"
    after = "# a\nname:   x\nrules:\n  - rule: |\n      p(x) :-\n          q(x)\n\n  # b\n  - rule: p( 1 )\n"
    after += "  - |\n    p(y) :-\n        q(y)\n"
    path = _write(tmp_path, "a.yaml", before)
    assert _run(capsys, "fmt", path) == (0, after)
    Path(path).write_text(after, encoding="utf-8")
    assert _run(capsys, "fmt", "--check", path) == (0, "")


def test_fmt_of_what_cannot_be_parsed_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", "p(x\n")
    code, printed = _run(capsys, "fmt", "--write", path)
    assert code == 1
    assert printed.startswith(f"congress: {path}: ")
    assert Path(path).read_text(encoding="utf-8") == "p(x\n"


def test_a_file_of_another_kind_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.txt", "p(x)\n")
    assert _run(capsys, "fmt", path)[0] == 2
    assert _run(capsys, "check", str(tmp_path / "none.dl"))[0] == 2


def _stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_rules_on_standard_input_are_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _stdin(monkeypatch, b"p(x) :- q(x)\nq(1)\n")
    assert _run(capsys, "check", "-") == (0, "1 policy, 2 rules: nothing to complain about\n")
    _stdin(monkeypatch, b"p(1)\np(x\n")
    code, printed = _run(capsys, "check", "-")
    assert code == 1
    assert printed.startswith("-:")


@pytest.mark.parametrize("name", ["a.dl", "a.yaml", "-"])
@pytest.mark.parametrize(("data", "sentence"), [(b"\x7fELF\xff\xfe", "not UTF-8 text"), (b"p(1)\n\0", "not a text")])
def test_a_binary_file_is_told_in_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    data: bytes,
    sentence: str,
) -> None:
    _stdin(monkeypatch, data)
    path = "-" if name == "-" else str(tmp_path / name)
    (tmp_path / name).write_bytes(data)
    code, printed = _run(capsys, "fmt", path)
    assert code == 2
    assert printed.startswith(f"congress: {path}")
    assert sentence in printed
    _stdin(monkeypatch, data)
    code, printed = _run(capsys, "check", path)
    assert code == 1
    assert sentence in printed


def test_fmt_keeps_every_character(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _write(tmp_path, "a.dl", "# \x1b[1mloud\np(1)\n")
    assert _run(capsys, "fmt", path) == (0, "# \x1b[1mloud\np(1)\n")
