"""Reading policy files."""

from pathlib import Path

import pytest

from congressd.cli.policyfile import FileError, read_policies


def _write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


YAML = """\
# for people
name: security
description: what must not be open
kind: nonrecursive
abbreviation: sec
rules:
  - rule: p("a")
    name: fact
  - comment: why
    rule: |
      error(x) :-
        p(x)
  - q(1)
"""


def test_yaml_as_congress_reads_it(tmp_path: Path) -> None:
    [policy] = read_policies(_write(tmp_path, "x.yaml", YAML))
    assert policy.document() == {
        "name": "security",
        "description": "what must not be open",
        "kind": "nonrecursive",
        "abbreviation": "sec",
        "rules": [
            {"rule": 'p("a")', "name": "fact"},
            {"rule": "error(x) :-\n  p(x)", "comment": "why"},
            {"rule": "q(1)"},
        ],
    }


def test_rules_know_the_line_where_their_text_begins(tmp_path: Path) -> None:
    [policy] = read_policies(_write(tmp_path, "x.yaml", YAML))
    assert [rule.line for rule in policy.rules] == [7, 11, 13]


def test_a_file_may_hold_several_policies(tmp_path: Path) -> None:
    path = _write(tmp_path, "x.yaml", "name: a\nrules: []\n---\nname: b\n---\n")
    assert [policy.name for policy in read_policies(path)] == ["a", "b"]


def test_plain_text_is_a_policy_with_the_name_of_the_file(tmp_path: Path) -> None:
    text = "// the first\nerror(x) :- p(x),\n  q(x).\n\n# a fact\n# goes on\np(1)\nq(2)\n"
    [policy] = read_policies(_write(tmp_path, "my-rules 2.dl", text))
    assert policy.name == "my_rules_2"
    assert [(rule.text, rule.comment, rule.line) for rule in policy.rules] == [
        ("error(x) :- p(x),\n  q(x)", "the first", 2),
        ("p(1)", "a fact goes on", 7),
        ("q(2)", "", 8),
    ]


def test_a_long_comment_is_cut_to_what_the_api_takes(tmp_path: Path) -> None:
    [policy] = read_policies(_write(tmp_path, "x.dl", f"# {'a' * 400}\np(1)\n"))
    assert len(policy.rules[0].comment) == 255
    assert policy.rules[0].comment.endswith("...")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.yaml", "name: [\n", "not YAML"),
        ("x.yaml", "- 1\n", "a policy is a map"),
        ("x.yaml", "rules: []\n", "the policy has no name"),
        ("x.yaml", "name: a\nrules: p(1)\n", "are not a list"),
        ("x.yaml", "name: a\nrule: p(1)\n", "there is no field 'rule' in a policy"),
        ("x.yaml", "name: a\nrules:\n  - text: p(1)\n", "a rule of a is a text"),
        ("x.yaml", "name: a\nrules:\n  - {rule: p(1), nmae: b}\n", "there is no field 'nmae' in a rule"),
        ("x.yaml", "name: a\nrules:\n  - {rule: p(1), enabled: later}\n", "enabled must be true or false"),
        ("x.dl", "p(1)\0\n", "not a text"),
        ("x.yaml", "name: a\0\n", "not a text"),
        ("x.yaml", "", "the file is empty"),
        ("x.txt", "p(1)", "cannot tell what this is"),
    ],
)
def test_a_file_at_fault_is_told_in_a_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        read_policies(_write(tmp_path, name, text))


def test_the_line_of_a_fault_is_known(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        read_policies(_write(tmp_path, "x.yaml", "name: a\nrules:\n  - p(1)\n  - {rule: p(2), nmae: b}\n"))
    assert caught.value.line == 4


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(FileError, match="not UTF-8"):
        read_policies(path)


def test_a_rule_may_be_disabled(tmp_path: Path) -> None:
    text = "name: a\nrules:\n  - {rule: p(1), enabled: false}\n  - p(2)\n"
    [policy] = read_policies(_write(tmp_path, "x.yaml", text))
    assert [rule.enabled for rule in policy.rules] == [False, True]
    assert policy.document()["rules"] == [{"rule": "p(1)", "enabled": False}, {"rule": "p(2)"}]
