"""The datasource node, on a real SQLite file and the in-process bus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from congressd.datasources.fake import FakeDriver
from congressd.dsd.lease import LeaseTimes
from congressd.model.errors import CongressError
from congressd.model.tables import BatchKind
from congressd.model.values import FALSE, TRUE
from congressd.store import epochs
from congressd.store.pushfold import Delete, Replace, Upsert
from tests.unit.dsd.support import QUICK, House, eventually

SERVERS = {"tables": {"servers": {"columns": ["id", "owner"], "key": ["id"]}, "tags": ["id", "tag"]}}


def test_a_source_that_is_created_is_polled_and_published(house: House) -> None:
    listener = house.listen("cloud")
    house.node()
    house.add("cloud", "fake", {"rows": 2})
    listener.wait(lambda: listener.rows("cloud", "fake_table") == {(0, "name-0"), (1, "name-0")})
    first = listener.batches[0]
    assert (first.kind, first.sequence) == (BatchKind.SNAPSHOT, 1)
    assert first.schema[0].column_names == ("id", "name")


def test_each_poll_that_changes_something_is_one_delta(house: House) -> None:
    plan = [{"rows": [[1, "a"]]}, {"rows": [[1, "a"], [2, "b"]]}, {"rows": [[2, "b"]]}]
    house.add("cloud", "fake", {"plan": plan, "poll_time": 0.01})
    listener = house.listen("cloud")
    house.node()
    listener.wait(lambda: listener.rows("cloud", "fake_table") == {(2, "b")})
    assert [(batch.sequence, batch.kind) for batch in listener.batches] == [
        (1, BatchKind.SNAPSHOT),
        (2, BatchKind.DELTA),
        (3, BatchKind.DELTA),
    ]


def test_a_failing_source_keeps_its_rows_and_says_why(house: House) -> None:
    house.add("cloud", "fake", {"plan": [{"rows": [[1, "a"]]}, {"error": "the cloud is away"}], "poll_time": 0})
    listener = house.listen("cloud")
    house.node()
    listener.wait(lambda: listener.rows("cloud", "fake_table") == {(1, "a")})
    house.ask("refresh", source="cloud")
    eventually(lambda: house.ask("status", source="cloud")["state"] == "failing")
    status = house.ask("status", source="cloud")
    assert status["last_error"] == status["error"] == "the cloud is away"
    assert status["rows"] == {"fake_table": 1}
    assert house.ask("rows", source="cloud", table="fake_table") == [(1, "a")]


def test_an_error_in_one_table_leaves_the_others_fresh(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "good.csv").write_text("id\n1\n")
    (folder / "bad.csv").write_text("id\n1\n")
    house.add("files", "file", {"path": str(folder), "poll_time": 0.05})
    listener = house.listen("files")
    house.node()
    listener.wait(lambda: listener.tables.get("files") == {"good": {(1,)}, "bad": {(1,)}})
    (folder / "bad.csv").write_text("id\n1,2\n")
    (folder / "good.csv").write_text("id\n1\n2\n")
    listener.wait(lambda: listener.rows("files", "good") == {(1,), (2,)})
    assert listener.rows("files", "bad") == {(1,)}
    eventually(lambda: house.ask("status", source="files")["state"] == "partial")
    assert house.ask("status", source="files")["table_errors"] == {
        "bad": "bad.csv: line 2: 2 cells, but the header names 1"
    }


def test_pushes_are_published_one_by_one_and_in_order(house: House) -> None:
    record = house.add("inventory", "push", SERVERS)
    listener = house.listen("inventory")
    house.node()
    for number in range(1, 21):
        house.push(record, Upsert("servers", [("a", number)], (0,)))
    listener.wait(lambda: listener.batches and listener.batches[-1].push == 20)
    assert listener.rows("inventory", "servers") == {("a", 20)}
    numbers = [batch.push for batch in listener.batches]
    assert numbers == sorted(set(numbers))  # type: ignore[type-var]  # all are numbers
    assert [batch.sequence for batch in listener.batches] == list(range(1, len(numbers) + 1))


def test_one_push_over_several_tables_is_one_batch(house: House) -> None:
    record = house.add("inventory", "push", SERVERS)
    listener = house.listen("inventory")
    house.node()
    listener.wait(lambda: listener.batches)
    house.push(record, Replace("servers", [("a", "x")], (0,)), Replace("tags", [("a", TRUE)]))
    listener.wait(lambda: len(listener.batches) == 2)
    assert listener.tables["inventory"] == {"servers": {("a", "x")}, "tags": {("a", TRUE)}}


def test_a_push_whose_notice_was_lost_is_published_all_the_same(house: House) -> None:
    record = house.add("inventory", "push", SERVERS)
    listener = house.listen("inventory")
    house.node()
    listener.wait(lambda: listener.batches)
    house.push(record, Upsert("servers", [("a", "x")], (0,)), notice=False)
    listener.wait(lambda: listener.rows("inventory", "servers") == {("a", "x")})


def test_a_push_that_changes_nothing_still_tells_its_number(house: House) -> None:
    record = house.add("inventory", "push", SERVERS)
    listener = house.listen("inventory")
    house.node()
    listener.wait(lambda: listener.batches)
    number = house.push(record, Delete("servers", [("nobody",)], (0,)))
    listener.wait(lambda: listener.batches[-1].push == number)


def test_a_restart_publishes_everything_that_was_pushed(house: House) -> None:
    record = house.add("inventory", "push", SERVERS)
    first = house.node()
    house.push(record, Upsert("servers", [("a", "x"), ("b", "y")], (0,)))
    first.stop()
    house.push(record, Delete("servers", [("a",)], (0,)))
    listener = house.listen("inventory")
    house.node()
    listener.wait(lambda: listener.batches)
    assert listener.tables["inventory"] == {"servers": {("b", "y")}, "tags": set()}
    assert listener.batches[0].push == 2
    assert listener.batches[0].kind is BatchKind.SNAPSHOT


def test_a_takeover_has_a_higher_epoch_and_begins_with_a_snapshot(house: House) -> None:
    house.add("cloud", "fake", {"rows": 1})
    listener = house.listen("cloud")
    first = house.node()
    second = house.node(replace(QUICK, node="node-2"), active=False)
    listener.wait(lambda: listener.batches)
    first.deactivate()
    epoch = second.activate()
    listener.wait(lambda: listener.batches[-1].epoch == epoch)
    assert epoch > listener.batches[0].epoch
    assert [batch.kind for batch in listener.batches if batch.epoch == epoch] == [BatchKind.SNAPSHOT]


def test_a_standby_neither_publishes_nor_answers(house: House) -> None:
    house.add("cloud", "fake")
    house.node(active=False)
    listener = house.listen("cloud")
    with pytest.raises(CongressError, match="nothing serves"):
        house.ask("status", source="cloud")
    assert listener.batches == []


def test_a_node_whose_epoch_was_taken_stops_by_itself(house: House) -> None:
    lost: list[str] = []
    quick = replace(QUICK, lease=LeaseTimes(lease=5.0, renew_period=0.02, margin=1.0))
    node = house.node(quick, on_lost=lost.append)
    house.database.run(lambda session: epochs.take_epoch(session, "dsd", "another", 0))
    eventually(lambda: lost)
    assert not node.active
    assert "is over" in lost[0]


def test_a_node_that_is_to_do_so_takes_a_new_epoch_after_it_lost_one(house: House) -> None:
    quick = replace(QUICK, lease=LeaseTimes(lease=5.0, renew_period=0.02, margin=1.0), reactivate=True)
    node = house.node(quick)
    before = node.epoch
    taken = house.database.run(lambda session: epochs.take_epoch(session, "dsd", "another", 0))
    eventually(lambda: node.epoch is not None and node.epoch > taken)
    assert before is not None
    assert taken > before


def test_a_snapshot_is_published_to_whoever_asks(house: House) -> None:
    house.add("cloud", "fake", {"rows": 1, "poll_time": 0})
    early = house.listen("cloud")
    house.node()
    early.wait(lambda: early.batches)
    late = house.listen("cloud")
    assert house.ask("snapshots", sources=["nobody", "cloud"], to=late.subscriber.address) == ["nobody"]
    late.wait(lambda: late.batches)
    assert late.batches == early.batches
    assert len(early.batches) == 1


def test_heartbeats_tell_position_and_digest(house: House) -> None:
    house.add("cloud", "fake", {"rows": 3, "poll_time": 0})
    listener = house.listen("cloud")
    node = house.node()
    listener.wait(lambda: listener.beats)
    beat = listener.beats[-1]
    assert (beat.epoch, beat.sequence, beat.digests["fake_table"].count) == (node.epoch, 1, 3)
    assert beat.fetched_at == listener.batches[0].fetched_at


def test_a_heartbeat_tells_of_a_poll_that_found_nothing_new(house: House) -> None:
    house.add("cloud", "fake", {"rows": 1, "churn": 0, "poll_time": 0})
    house.add("inventory", "push", SERVERS)
    listener = house.listen("cloud", "inventory")
    house.node()
    listener.wait(lambda: len({beat.source for beat in listener.beats}) == 2)

    def newest(source: str) -> float:
        return max(beat.fetched_at for beat in listener.beats if beat.source == source)

    before = newest("cloud"), newest("inventory")
    house.ask("refresh", source="cloud")
    listener.wait(lambda: newest("cloud") > before[0])
    listener.wait(lambda: newest("inventory") > before[1])  # what was pushed is right until something else is
    assert [batch.sequence for batch in listener.batches] == [1, 1]


def test_heartbeats_tell_that_nobody_can_look_for_pushes(house: House) -> None:
    house.add("cloud", "fake", {"rows": 1, "churn": 0, "poll_time": 0})
    house.add("inventory", "push", SERVERS)
    listener = house.listen("cloud", "inventory")
    house.node()

    def overdue(source: str) -> float | None:
        return next((beat.overdue for beat in reversed(listener.beats) if beat.source == source), None)

    def rename(old: str, new: str) -> None:
        house.database.run(lambda session: session.execute(text(f"ALTER TABLE {old} RENAME TO {new}")))

    listener.wait(lambda: overdue("inventory") == 0)
    rename("push_streams", "out_of_sight")
    listener.wait(lambda: (overdue("inventory") or 0) > 0)
    assert overdue("cloud") == 0  # a poll asks the cloud, not the database
    rename("out_of_sight", "push_streams")
    listener.wait(lambda: overdue("inventory") == 0)


def test_the_node_says_which_of_many_sources_are_down(house: House) -> None:
    house.add("good", "fake", {"rows": 1, "poll_time": 0})
    house.add("bad", "fake", {"plan": [{"error": "the cloud is away"}], "poll_time": 0})
    house.add("broken", "no such driver")
    house.node()
    eventually(lambda: house.ask("down", sources=["good", "bad", "broken", "nobody"]) == ["bad", "broken"])


def test_the_log_of_pushes_is_looked_at_once_for_all_sources(house: House) -> None:
    """A lost notice is made up for, and the status of a source says that somebody looks."""
    records = [house.add(f"inventory-{number}", "push", SERVERS) for number in range(20)]
    listener = house.listen(*(record.name for record in records))
    house.node()
    listener.wait(lambda: len(listener.batches) == 20)
    before = house.ask("status", source="inventory-3")["last_success"]
    for record in records[::5]:
        house.push(record, Upsert("servers", [("a", "x")], (0,)), notice=False)
    listener.wait(lambda: len(listener.batches) == 24)
    assert {batch.source for batch in listener.batches[20:]} == {record.name for record in records[::5]}
    eventually(lambda: house.ask("status", source="inventory-3")["last_success"] != before)


def test_a_deleted_source_stops_and_its_name_can_be_used_again(house: House) -> None:
    record = house.add("cloud", "fake", {"rows": 1})
    listener = house.listen("cloud")
    house.node()
    listener.wait(lambda: listener.batches)
    house.delete(record)
    eventually(lambda: not _known(house, "cloud"))
    house.add("cloud", "fake", {"rows": 2})
    listener.wait(lambda: len(listener.rows("cloud", "fake_table")) == 2)
    assert [batch.sequence for batch in listener.batches] == [1, 2]
    assert listener.batches[-1].kind is BatchKind.SNAPSHOT


def test_a_changed_configuration_takes_effect(house: House) -> None:
    record = house.add("cloud", "fake", {"rows": 1})
    listener = house.listen("cloud")
    house.node()
    listener.wait(lambda: listener.batches)
    house.update(replace(record, config={"rows": 4}))
    listener.wait(lambda: len(listener.rows("cloud", "fake_table")) == 4)
    assert listener.batches[-1].sequence == 2


def test_a_disabled_source_is_not_run(house: House) -> None:
    house.add("cloud", "fake", enabled=False)
    house.node()
    with pytest.raises(CongressError, match='no enabled source "cloud"'):
        house.ask("status", source="cloud")


def test_a_new_source_can_be_asked_for_before_its_notice_came(house: House) -> None:
    house.node(replace(QUICK, sync_period=3600.0))
    record = house.add("cloud", "fake")
    assert house.ask("status", source=record.name)["state"] in ("waiting", "ok")


def test_an_unknown_driver_shows_in_the_status(house: House) -> None:
    house.add("cloud", "fke")
    house.node()
    status = house.ask("status", source="cloud")
    assert status["state"] == "failing"
    assert 'There is no driver "fke". Did you mean "fake"?' in status["last_error"]


def test_a_secret_of_another_key_shows_in_the_status(house: House) -> None:
    house.add("cloud", "fake", secrets={"rows": "not a token"})
    house.node()
    assert "no key of the test opens a secret" in house.ask("status", source="cloud")["error"]


def test_unknown_sources_and_tables_are_refused_with_the_nearest_name(house: House) -> None:
    house.add("cloud", "fake")
    house.node()
    with pytest.raises(CongressError, match=r'no enabled source "clod"\. Did you mean "cloud"'):
        house.ask("rows", source="clod", table="fake_table")
    with pytest.raises(CongressError, match=r'no table "fake_tabel"\. Did you mean "fake_table"'):
        house.ask("rows", source="cloud", table="fake_tabel")


def test_the_schema_of_a_pushed_source_is_known_before_any_push(house: House) -> None:
    house.add("inventory", "push", {"tables": json.dumps(SERVERS["tables"])})
    house.node()
    tables = house.ask("schema", source="inventory")
    assert [(table["table_id"], table["key"]) for table in tables] == [("servers", ["id"]), ("tags", [])]
    assert house.ask("rows", source="inventory", table="servers") == []


def test_values_congress_makes_texts_of_booleans_and_null(house: House) -> None:
    rows = [[1, True], [2, None], [3, "x"]]
    house.add("polled", "fake", {"plan": [{"rows": rows}], "values": "congress"})
    record = house.add("pushed", "push", SERVERS | {"values": "congress"})
    house.push(record, Upsert("servers", [("a", FALSE)], (0,)))
    listener = house.listen("polled", "pushed")
    house.node()
    listener.wait(lambda: listener.rows("pushed", "servers") == {("a", "False")})
    listener.wait(lambda: listener.rows("polled", "fake_table") == {(1, "True"), (2, "None"), (3, "x")})


def test_rows_pushed_for_other_columns_are_left_out_with_a_warning(house: House) -> None:
    record = house.add("inventory", "push", SERVERS)
    house.push(record, Upsert("servers", [("a", "x")], (0,)))
    house.update(replace(record, config={"tables": {"servers": ["id", "owner", "zone"]}}))
    listener = house.listen("inventory")
    house.node()
    listener.wait(lambda: listener.batches)
    assert listener.rows("inventory", "servers") == set()
    assert house.ask("status", source="inventory")["warnings"][0].startswith("servers: 1 rows were pushed before")
    house.push(record, Replace("servers", [("a", "x", "z")]))
    listener.wait(lambda: listener.rows("inventory", "servers") == {("a", "x", "z")})


def test_a_long_log_of_pushes_is_folded_and_nothing_is_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("congressd.store.pushes.FOLD_ENTRIES", 10)
    record = house.add("inventory", "push", SERVERS)
    for number in range(30):
        house.push(record, Upsert("servers", [(number, "x")], (0,)))
    listener = house.listen("inventory")
    house.node()
    listener.wait(lambda: len(listener.rows("inventory", "servers")) == 30)
    house.push(record, Upsert("servers", [(30, "x")], (0,)))
    listener.wait(lambda: len(listener.rows("inventory", "servers")) == 31)
    assert len({batch.push for batch in listener.batches}) == len(listener.batches)


def test_many_sources_share_few_threads(house: House) -> None:
    names = [f"cloud{number}" for number in range(60)]
    for name in names:
        house.add(name, "fake", {"rows": 1, "poll_time": 0.05, "churn": 1})
    listener = house.listen(*names)
    house.node()
    listener.wait(lambda: all(len(listener.of(name)) >= 3 for name in names))


class StubbornDriver(FakeDriver):
    """A driver that fails when it is made with 13 rows, and when it is closed."""

    info = replace(FakeDriver.info, name="stubborn")

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        if config["rows"] == 13:
            raise RuntimeError("thirteen")

    def close(self) -> None:
        raise RuntimeError("it will not close")


def test_a_driver_that_fails_hurts_no_other_source(house: House) -> None:
    node = house.node(drivers={"stubborn": StubbornDriver, "fake": FakeDriver})
    stubborn = house.add("stubborn", "stubborn")
    house.add("unlucky", "stubborn", {"rows": 13})
    eventually(lambda: house.ask("status", source="stubborn")["state"] == "ok")
    assert house.ask("status", source="unlucky")["error"] == "The driver failed with RuntimeError: thirteen"
    house.delete(stubborn)
    listener = house.listen("cloud")
    house.add("cloud", "fake")
    listener.wait(lambda: listener.rows("cloud", "fake_table"))
    assert node.active


def test_a_node_that_was_stopped_cannot_be_activated(house: House) -> None:
    node = house.node()
    node.stop()
    with pytest.raises(CongressError, match="has been stopped"):
        node.activate()
    assert not node.active


def _known(house: House, source: str) -> bool:
    try:
        house.ask("status", source=source)
    except CongressError:
        return False
    return True
