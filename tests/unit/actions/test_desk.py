"""What is taken of what policy engine nodes want: one leader, nothing too early, nothing out of date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from congressd.actions.desk import Desk, Reply
from congressd.actions.leader import Leadership, Patience
from congressd.actions.subject import Digest
from congressd.actions.wanted import (
    CLOCK,
    Report,
    RuleReport,
    RuleSpec,
    Stamp,
    WantedSet,
    decode_report,
    encode_report,
)
from congressd.model.actions import Blast, Rate, RuleOptions
from congressd.model.values import FALSE, TRUE, Row

EPOCH = 7
SPEC = RuleSpec("r", "p", "nova", "pause", "execute[...]", RuleOptions(retries=2), {"inv": ("bad",)})


def stamp(sequence: int = 1, revision: int = 5, epoch: int = EPOCH) -> Stamp:
    return Stamp(revision, {"inv": (epoch, sequence, 0)})


class Office:
    """A desk, and the numbers and digests of those who speak to it."""

    def __init__(self, unread: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.now = 100.0
        self.unread: dict[str, tuple[str, ...]] = dict(unread or {})
        self.desk = Desk(EPOCH, 5, lambda source, _: self.unread.get(source, ()))
        self._numbers: dict[str, int] = {}

    def beat(self, name: str = "one", revision: int = 5, digest: tuple[int, str] | None = None) -> Reply:
        return self.desk.take(name, f"boot of {name}", revision, None, digest, self.now)

    def say(
        self, rows: Iterable[str], at: Stamp, name: str = "one", whole: bool = True, spec: RuleSpec = SPEC
    ) -> Reply:
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        rule = RuleReport(at, spec, tuple(((row,), ()) for row in rows))
        report = Report(number, whole, revision=at.revision, rules={spec.id: rule})
        return self.desk.take(name, f"boot of {name}", at.revision, report, None, self.now)

    def rows(self) -> set[str] | None:
        """The rows that are handed on now, None if none are."""
        changes = self.desk.collect()
        return None if not changes else {str(row[0]) for row in (changes[0].rows or changes[0].added)}


def test_the_first_to_speak_leads_and_is_asked_for_everything() -> None:
    office = Office()
    assert office.beat("one") == Reply(lead=True, whole=True)
    assert office.beat("two") == Reply(lead=False)
    office.say("ab", stamp())
    assert office.rows() == {"a", "b"}
    assert office.rows() is None


def test_changes_follow_the_whole_and_a_gap_asks_for_it_again() -> None:
    office = Office()
    office.say("a", stamp(1))
    office.rows()
    assert office.say("b", stamp(2), whole=False) == Reply(lead=True)
    assert office.rows() == {"b"}
    office._numbers["one"] += 1  # one report is lost
    assert office.say("c", stamp(3), whole=False).whole
    assert office.rows() is None


def test_a_digest_that_differs_asks_for_the_whole() -> None:
    office = Office()
    office.say("a", stamp())
    digest = Digest()
    digest.add("r", [("a",)])
    assert office.beat(digest=(1, digest.text)) == Reply(lead=True)
    digest.add("r", [("b",)])
    assert office.beat(digest=(1, digest.text)).whole


def test_nothing_is_handed_on_before_the_sources_have_delivered_in_this_epoch() -> None:
    office = Office()
    office.say("a", stamp(99, epoch=EPOCH - 1))
    assert office.rows() is None
    assert "has delivered nothing in this epoch" in office.desk.blocked["r"]
    assert office.beat(digest=(1, "")).whole is True
    office.say("a", Stamp(5, {"inv": None}))
    assert office.rows() is None
    office.say("ab", stamp(1))
    assert office.rows() == {"a", "b"}


def test_nothing_is_handed_on_before_every_table_was_read() -> None:
    office = Office({"inv": ("bad",)})
    office.say("a", stamp())
    assert office.rows() is None
    assert office.desk.blocked == {"r": "data source inv could not be read yet: bad"}
    office.unread.clear()
    assert office.rows() == {"a"}  # nobody needs to say it again


def test_a_rule_that_waits_for_a_schema_is_neither_acted_on_nor_gone() -> None:
    office = Office()
    office.say("", stamp(), spec=replace(SPEC, runs=False))
    assert office.rows() is None
    assert office.desk.rules() == frozenset({"r"})


def test_policies_of_before_the_takeover_are_not_acted_on() -> None:
    office = Office()
    office.say("a", stamp(revision=4))
    assert office.rows() is None
    assert office.desk.rules() is None
    office.say("a", stamp(revision=5))
    assert office.rows() == {"a"}


def test_a_leader_that_lags_behind_the_one_before_it_is_not_heeded_until_it_has_caught_up() -> None:
    office = Office()
    office.say("a", stamp(1))
    office.rows()
    office.say("", stamp(2))  # the row is gone
    assert office.rows() == set()
    office.now += 1.0  # the leader dies
    office.say("a", stamp(1), "two")
    assert office.rows() is None
    assert office.beat("two", digest=(0, "")).restamp == () or "r" in office.desk.blocked
    office.say("", stamp(2), "two")
    assert office.rows() == set()


def test_a_stamp_is_older_if_it_lacks_anything() -> None:
    base = Stamp(5, {"a": (7, 3, 2), "b": (7, 1, 0)})
    assert not base.is_older(base)
    assert Stamp(4, base.sources).is_older(base)
    assert Stamp(5, {"a": (7, 2, 2), "b": (7, 9, 0)}).is_older(base)
    assert Stamp(5, {"a": (7, 3, 1), "b": (7, 1, 0)}).is_older(base)
    assert Stamp(5, {"a": None, "b": (7, 1, 0)}).is_older(base)
    assert Stamp(5, {"b": (7, 1, 0)}).is_older(base)
    assert not Stamp(6, {"b": (7, 1, 0)}).is_older(base)  # the rules have changed: it is read no longer
    assert not Stamp(5, {"a": (8, 1, 2), "b": (8, 1, 0)}).is_older(base)
    assert Stamp(5, {CLOCK: (0, 9, 0)}).is_older(Stamp(5, {CLOCK: (0, 10, 0)}))


def test_a_dead_leader_is_replaced_by_whoever_is_furthest() -> None:
    leadership = Leadership(Patience(dead=0.5, behind=3.0))
    leadership.hear("one", "x", 5, 0.0)
    for name, revision in (("two", 5), ("three", 6)):
        leadership.hear(name, "x", revision, 0.1)
    assert leadership.leader == ("one", "x")
    assert not leadership.choose(0.4)
    leadership.hear("two", "x", 5, 0.45)
    leadership.hear("three", "x", 6, 0.45)
    assert leadership.choose(0.6)
    assert leadership.leader == ("three", "x")
    assert leadership.choose(9.0) is False
    assert not leadership.alive(9.0)


def test_a_leader_that_begins_anew_leads_under_its_new_boot() -> None:
    leadership = Leadership()
    leadership.hear("one", "x", 5, 0.0)
    leadership.hear("one", "y", 5, 0.1)
    assert leadership.leader == ("one", "y")


def test_a_leader_that_stays_behind_is_replaced() -> None:
    leadership = Leadership(Patience(dead=10.0, behind=3.0))
    for at in range(5):
        leadership.hear("one", "x", 5, float(at))
        leadership.hear("two", "x", 6, float(at))
    assert leadership.leader == ("two", "x")


def test_a_report_in_parts_counts_when_all_are_there() -> None:
    wanted = WantedSet()
    first = Report(1, True, 0, 2, 5, {"r": RuleReport(stamp(), SPEC, ((("a",), ()),))})
    second = replace(first, part=1, rules={"r": RuleReport(stamp(), None, ((("b",), ()),))})
    assert wanted.take(second) is None
    assert wanted.take(first) is not None
    assert wanted.rules == {}
    assert wanted.take(second) is not None
    assert set(wanted.rules["r"].rows) == {("a",), ("b",)}


def test_a_report_survives_the_bus() -> None:
    options = RuleOptions(True, True, 3, 0.5, 60.0, Rate(2, 10.0), Blast(5, 2.5))
    rows: list[Row] = [("é", 10**30, TRUE, FALSE, None, 1.5)]
    rule = RuleReport(
        Stamp(5, {"inv": (1, 2, 3), "wl": None}), replace(SPEC, options=options), ((rows[0], ("why",)),), (("gone",),)
    )
    report = Report(3, False, 1, 2, 9, {"r": rule, "s": RuleReport(stamp())}, ("t",))
    assert decode_report(encode_report(report)) == report
