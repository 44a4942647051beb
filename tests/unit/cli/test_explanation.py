"""Explanations for reading."""

from congressd.cli.explanation import readable

TRACE = """\
vols  : v:error("a", 1) by v:error(x, y) :- c:t(x, y), not v:ok(x)
vols  : | c:t("a", 1)
vols  : | not v:ok("a")
vols  : v:error("by :- (b) by", 2) by v:error(x, y) :- v:deep(x, y)
vols  : | v:deep("by :- (b) by", 2) by v:deep(x, y) :- c:t(x, y)
vols  : | | c:t("by :- (b) by", 2)"""


def test_steps_become_a_tree_with_the_rule_below_its_fact() -> None:
    assert readable(TRACE, ()).splitlines() == [
        'v:error("a", 1)',
        "  by v:error(x, y) :- c:t(x, y), not v:ok(x)",
        '    c:t("a", 1)',
        '    not v:ok("a")',
        'v:error("by :- (b) by", 2)',
        "  by v:error(x, y) :- v:deep(x, y)",
        '    v:deep("by :- (b) by", 2)',
        "      by v:deep(x, y) :- c:t(x, y)",
        '        c:t("by :- (b) by", 2)',
    ]


def test_rows_are_picked_by_their_values() -> None:
    assert readable(TRACE, ("a",)).splitlines()[0] == 'v:error("a", 1)'
    assert readable(TRACE, ("2", "by :- (b) by")).splitlines()[0] == 'v:error("by :- (b) by", 2)'
    assert readable(TRACE, ("a", "2")) == ""


def test_nothing_gives_nothing() -> None:
    assert readable("", ()) == ""
