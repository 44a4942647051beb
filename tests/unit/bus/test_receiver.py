"""What a receiver decides, case by case."""

from __future__ import annotations

from collections.abc import Sequence

from congressd.bus.digest import Digest, digest_rows
from congressd.bus.receiver import (
    Action,
    Apply,
    AskReason,
    AskSnapshot,
    Drop,
    DropReason,
    Patience,
    Position,
    Receivers,
    Replace,
)
from congressd.bus.streams import BatchArrived, Disconnected, Heartbeat, Resync, ResyncReason
from congressd.model.tables import Batch
from congressd.model.values import Row
from tests.unit.bus.batches import delta, snapshot

PATIENCE = Patience(first=1, most=8, silence=3, buffered=10)
BOUND = Resync(frozenset(["nova", "neutron"]), ResyncReason.BOUND)
AGAIN = Resync(frozenset(["nova", "neutron"]), ResyncReason.RECONNECTED)


def whole(sequence: int, rows: Sequence[Row] = ((1,),), epoch: int = 1, source: str = "nova") -> Batch:
    return snapshot(source, epoch, sequence, {"servers": rows})


def change(sequence: int, added: Sequence[Row] = ((2,),), epoch: int = 1, source: str = "nova") -> Batch:
    return delta(source, epoch, sequence, "servers", added)


class Node:
    """Receivers at a time of our choosing."""

    def __init__(self, *sources: str, epoch: int = 0) -> None:
        self.now = 100.0
        self.receivers = Receivers(epoch, PATIENCE)
        self.receivers.want(sources or ("nova",))

    def take(self, *events: Batch | Heartbeat | Resync | Disconnected) -> list[Action]:
        actions: list[Action] = []
        for event in events:
            actions += self.receivers.on(BatchArrived(event) if isinstance(event, Batch) else event, self.now)
        return actions

    def wait(self, seconds: float) -> list[Action]:
        self.now += seconds
        return self.receivers.tick(self.now)


def ready(*sources: str) -> Node:
    """A node that holds sequence 5 of epoch 1."""
    node = Node(*sources)
    node.take(BOUND)
    for source in sources or ("nova",):
        node.take(whole(5, source=source), Heartbeat(source, 1, 5))
    return node


def test_a_new_source_is_asked_for_when_it_is_bound_and_then_replaced() -> None:
    node = Node()
    first = whole(5)
    assert node.take(BOUND) == [AskSnapshot("nova", AskReason.NEW)]
    assert node.receivers.missing() == {"nova": AskReason.NEW}
    assert node.take(first) == [Replace(first)]
    assert node.receivers.missing() == {}
    assert node.receivers.positions() == {"nova": Position(1, 5)}


def test_deltas_that_come_before_the_snapshot_join_it_without_a_gap() -> None:
    node = Node()
    node.take(BOUND)
    assert node.take(change(5), change(6), change(7)) == []
    base = whole(5)
    assert node.take(base) == [Replace(base), Apply(change(6)), Apply(change(7))]


def test_a_missing_batch_is_asked_for_at_once_and_the_old_rows_stay() -> None:
    node = ready()
    assert node.take(change(7)) == [AskSnapshot("nova", AskReason.GAP)]
    assert node.receivers.positions() == {"nova": Position(1, 5)}
    assert node.take(whole(6)) == [Replace(whole(6)), Apply(change(7))]


def test_a_batch_that_was_only_late_closes_the_gap_and_the_snapshot_is_not_needed() -> None:
    node = ready()
    node.take(change(7))
    assert node.take(change(6)) == [Apply(change(6)), Apply(change(7))]
    assert node.take(whole(6)) == [Drop("nova", DropReason.OLD_SEQUENCE)]


def test_what_came_twice_is_dropped() -> None:
    node = ready()
    again = [Drop("nova", DropReason.OLD_SEQUENCE)]
    assert node.take(change(5)) == again
    assert node.take(whole(5)) == again
    node.take(change(8))
    assert node.take(change(8)) == again
    assert node.receivers.dropped == {DropReason.OLD_SEQUENCE: 3}


def test_a_lost_last_batch_is_found_by_the_heartbeat() -> None:
    node = ready()
    assert node.take(Heartbeat("nova", 1, 6)) == [AskSnapshot("nova", AskReason.BEHIND)]
    assert node.take(whole(6)) == [Replace(whole(6))]


def test_a_new_epoch_needs_a_snapshot_and_rows_that_vanished_meanwhile_vanish() -> None:
    """The ghost rows of OpenStack Congress: its new sender's first poll was added to the old content."""
    node = ready()
    node.take(change(6))
    assert node.take(change(1, epoch=2)) == [AskSnapshot("nova", AskReason.EPOCH)]
    takeover = whole(1, rows=((2,), (3,)), epoch=2)
    assert node.take(takeover) == [Replace(takeover)]
    assert node.take(change(7), whole(9)) == [Drop("nova", DropReason.OLD_EPOCH)] * 2


def test_an_unasked_snapshot_that_is_ahead_is_taken() -> None:
    node = ready()
    assert node.take(whole(9)) == [Replace(whole(9))]


def test_the_older_of_two_nodes_is_refused_for_all_sources_once_the_newer_spoke_for_one() -> None:
    node = ready("neutron", "nova")
    node.take(whole(1, epoch=2, source="neutron"))
    assert node.take(change(6), Heartbeat("nova", 1, 7)) == [Drop("nova", DropReason.OLD_EPOCH)] * 2
    assert node.receivers.missing() == {}, "the newer node has said nothing of nova yet"
    assert node.take(Heartbeat("nova", 2, 1)) == [AskSnapshot("nova", AskReason.EPOCH)]


def test_a_node_that_knows_the_epoch_from_the_database_refuses_a_zombie_from_the_start() -> None:
    node = Node(epoch=7)
    node.take(BOUND)
    assert node.take(whole(5, epoch=6)) == [Drop("nova", DropReason.OLD_EPOCH)]


def test_tables_that_differ_from_the_publishers_are_replaced() -> None:
    node = ready()
    truth = {"servers": digest_rows([(1,), (7,)])}
    assert node.take(Heartbeat("nova", 1, 5, truth)) == [AskSnapshot("nova", AskReason.DIGEST)]
    assert node.take(change(6)) == [], "a delta is not applied onto rows that are wrong"
    repaired = whole(5, rows=((1,), (7,)))
    assert node.take(repaired) == [Replace(repaired), Apply(change(6))]
    assert node.receivers.missing() == {}


def test_tables_without_rows_and_tables_not_told_are_the_same() -> None:
    node = ready()
    assert node.take(Heartbeat("nova", 1, 5, {"servers": digest_rows([(1,)]), "other": Digest(0, 0)})) == []


def test_a_question_without_an_answer_is_asked_again_ever_more_slowly() -> None:
    node = Node()
    node.take(BOUND)
    times = []
    for _ in range(60):
        if node.wait(0.5):
            times.append(node.now - 100)
    assert times == [1, 3, 7, 15, 23]


def test_a_difference_that_stays_does_not_become_a_storm_of_snapshots() -> None:
    node = ready()
    for _ in range(20):
        node.take(Heartbeat("nova", 1, 5, {"servers": Digest(1, 1)}))
        if "nova" in node.receivers.missing():
            node.take(whole(5))
        node.wait(1)
    assert node.receivers.asked[AskReason.DIGEST] <= 6


def test_after_a_reconnection_a_heartbeat_that_confirms_saves_the_snapshot() -> None:
    node = ready()
    assert node.take(Disconnected("broker gone"), AGAIN, Heartbeat("nova", 1, 5)) == []
    assert node.wait(10) == []


def test_after_a_reconnection_silence_is_asked_about() -> None:
    node = ready()
    assert node.take(AGAIN) == []
    assert node.receivers.deadline() == node.now + 3
    assert node.wait(3) == [AskSnapshot("nova", AskReason.SILENCE)]
    assert node.take(whole(5)) == [Replace(whole(5))]
    assert node.receivers.missing() == {}


def test_nothing_is_asked_while_the_bus_is_away() -> None:
    node = Node()
    node.take(BOUND, Disconnected("broker gone"))
    assert node.receivers.deadline() is None
    assert node.wait(100) == []
    assert node.take(AGAIN) == [AskSnapshot("nova", AskReason.NEW)]


def test_the_buffer_is_bounded_and_keeps_the_newest() -> None:
    node = Node()
    node.take(BOUND)
    node.take(*(change(number) for number in range(1, 31)))
    assert node.take(whole(20)) == [Replace(whole(20)), *(Apply(change(number)) for number in range(21, 31))]


def test_sources_no_longer_wanted_are_forgotten() -> None:
    node = ready("neutron", "nova")
    assert node.receivers.want(["neutron"]) == {"nova"}
    assert node.take(change(6)) == [Drop("nova", DropReason.UNWANTED)]
    assert node.receivers.positions() == {"neutron": Position(1, 5)}


def test_a_holder_that_finds_its_rows_wrong_gets_a_snapshot() -> None:
    node = ready()
    assert node.receivers.distrust("nova", node.now) == [AskSnapshot("nova", AskReason.DIGEST)]
    assert node.take(whole(5)) == [Replace(whole(5))]
