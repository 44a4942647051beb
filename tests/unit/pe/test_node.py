"""Policy engine nodes over one database and one bus: writing, following, consistency."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.bus.inprocess import InProcessBus
from congressd.datasources.catalogue import DriverCatalogue
from congressd.pe.freshness import Freshness
from congressd.pe.node import PolicyEngineNode
from congressd.pe.policies import RuleDraft
from congressd.pe.token import Position, Token, parse_token
from congressd.pe.writer import Author
from congressd.store import epochs, keys, migrate, policies
from congressd.store.changes import PolicyDeleted
from congressd.store.database import Database
from tests.unit.bus.batches import delta
from tests.unit.rig import Rig, wait_until


@pytest.fixture
def bus() -> InProcessBus:
    return InProcessBus()


@pytest.fixture
def one(tmp_path: Path, bus: InProcessBus) -> Iterator[Rig]:
    with Rig(tmp_path, bus) as rig:
        yield rig


@pytest.fixture
def two(tmp_path: Path, bus: InProcessBus, one: Rig) -> Iterator[Rig]:
    with Rig(tmp_path, bus, with_dsd=False) as rig:
        yield rig


def test_a_restart_finds_policies_sources_and_rows(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.push_source("doc", {"t": ["a"]})
        rig.policy("alice", "p(x) :- doc:t(x), not q(x)", "q(1)")
        rig.push("doc", "t", [[1], [2]])
        before = rig.get("/v1/policies"), rig.get("/v1/policies/alice/rules"), rig.get("/v1/data-sources")
    with Rig(tmp_path) as rig:
        assert (rig.get("/v1/policies"), rig.get("/v1/policies/alice/rules"), rig.get("/v1/data-sources")) == before
        assert rig.rows("alice", "p") == [[2]]


def test_a_change_on_one_node_reaches_the_other(one: Rig, two: Rig) -> None:
    """H8: in Congress it took a minute, and 404 until then."""
    one.push_source("doc", {"t": ["a"]})
    one.policy("alice", "p(x) :- doc:t(x)")
    one.push("doc", "t", [[1]])
    wait_until(lambda: "alice" in two.node.holder.image.policy_ids and two.rows("alice", "p") == [[1]])
    two.call("DELETE", "/v1/policies/alice")
    wait_until(lambda: "alice" not in one.node.holder.image.policy_ids)


def test_rules_of_two_policies_that_come_at_once_stay_apart(one: Rig, two: Rig) -> None:
    """H1: a Congress replica gave all of them to both policies, then took all away, for ever."""
    two.node.follower.stop()
    one.policy("p1", "a(1)", "b(x) :- a(x)")
    one.policy("p2", "a(2)", "c(x) :- a(x)")
    two.node.follower.catch_up()
    for rig in (one, two):
        assert [rig.rows("p1", "b"), rig.rows("p2", "c")] == [[[1]], [[2]]]
        assert [len(rig.node.policies.rules(name)) for name in ("p1", "p2")] == [2, 2]
    assert two.node.follower.catch_up() == one.node.revision


def test_a_lost_notice_is_made_up_for(one: Rig, two: Rig) -> None:
    record = one.node.policies.create({"name": "quiet"}, (), Author("test"))[0]
    wait_until(lambda: "quiet" in two.node.holder.image.policy_ids)
    revision = one.database.read(policies.current_revision)
    one.database.run(lambda session: policies.commit(session, revision, [PolicyDeleted(record)], "test", 0.0))
    for rig in (one, two):
        wait_until(lambda rig=rig: "quiet" not in rig.node.holder.image.policy_ids)  # type: ignore[misc]


def test_writers_on_two_nodes_lose_nothing_and_agree(one: Rig, two: Rig) -> None:
    one.policy("busy")
    wait_until(lambda: "busy" in two.node.holder.image.policy_ids)
    failures: list[BaseException] = []

    def write(rig: Rig, first: int) -> None:
        try:
            for number in range(first, first + 15):
                rig.node.policies.add_rules("busy", [RuleDraft(f"p({number})")], Author("test"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(rig, n * 100)) for n, rig in enumerate((one, two, one, two))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    expected = [[base + n] for base in (0, 100, 200, 300) for n in range(15)]
    for rig in (one, two):
        rig.node.follower.catch_up()
        assert rig.rows("busy", "p") == expected
    assert one.node.revision == two.node.revision


def test_two_nodes_cannot_together_make_what_neither_may(one: Rig, two: Rig) -> None:
    """Each rule alone is right; a node that lags must see the other's before it commits."""
    one.policy("a", "p(1)")
    wait_until(lambda: "a" in two.node.holder.image.policy_ids)
    two.node.follower.stop()
    one.post("/v1/policies/a/rules", {"rule": "q(x) :- r(x)"})
    error = two.post("/v1/policies/a/rules", {"rule": "r(x) :- q(x)"}, 400)["error"]
    assert "recursive" in error["message"]
    assert two.post("/v1/policies/a/rules", {"rule": "q(x) :- r(x)"}, 409)["error"]["error_code"] == 1008


def test_an_answer_is_at_least_as_new_as_its_token_asks(one: Rig, two: Rig) -> None:
    one.push_source("doc", {"t": ["a"]})
    one.policy("alice", "p(x) :- doc:t(x)")
    for number in range(20):
        written = one.client.put("/v1/data-sources/doc/tables/t/rows", json=[[number]])
        token = parse_token(written.headers["Congress-Revision"])
        headers = {"Congress-At-Least": str(token)}
        read = two.client.get("/v1/policies/alice/tables/p/rows", headers=headers)
        assert read.get_json()["results"] == [{"data": [number]}]
        assert not token.missing(
            parse_token(read.headers["Congress-Revision"]).revision,
            parse_token(read.headers["Congress-Revision"]).sources,
        )


def test_a_state_that_cannot_be_had_is_refused_for_now(one: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("congressd.pe.freshness.PATIENCE", 0.05)
    one.push_source("doc", {"t": ["a"]})
    one.policy("alice", "p(x) :- doc:t(x)")
    for token in (f"policy={one.node.revision + 1}", "doc=9999999999999.1", "doc=/7"):
        response = one.client.get("/v1/policies/alice/tables/p/rows", headers={"Congress-At-Least": token})
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    headers = {"Congress-At-Least": "elsewhere=9.9"}
    assert one.client.get("/v1/policies/alice/tables/p/rows", headers=headers).status_code == 200


def test_the_age_of_rows_can_be_bounded(one: Rig) -> None:
    one.post("/v1/data-sources", {"name": "cave", "driver": "safe", "config": {"user": "a", "password": "b"}})
    one.policy("alice", "p(x) :- cave:state(user=x)")
    path = "/v1/policies/alice/tables/p/rows?max_staleness="
    wait_until(lambda: one.get(f"{path}60")["results"])
    assert one.get(f"{path}0", 503)["error"]["error_code"] == 503
    one.stop_dsd()
    assert one.get(f"{path}60")["results"]


def test_a_poll_that_finds_nothing_new_makes_rows_young_again_and_nobody_is_asked(one: Rig) -> None:
    config = {"user": "a", "password": "b", "poll_time": 0.05}
    one.post("/v1/data-sources", {"name": "cave", "driver": "safe", "config": config})
    one.push_source("doc", {"t": ["a"]})
    one.policy("alice", "p(x) :- cave:state(user=x)", "q(x) :- doc:t(x)")
    holder, streams = one.node.holder, one.node.streams
    wait_until(lambda: streams.right_at("cave") > holder.fetched_at.get("cave", streams.right_at("cave")))
    assert one.get("/v1/policies/alice/tables/p/rows?max_staleness=5")["results"] == [{"data": ["a"]}]
    # What was pushed is as new as the next heartbeat, however long ago it was.
    assert one.get("/v1/policies/alice/tables/q/rows?max_staleness=0")["results"] == []


def test_the_database_tells_a_node_of_the_epoch(one: Rig) -> None:
    """A datasource node that lost its role is refused though its successor has not said a word yet."""
    one.push_source("doc", {"t": ["a"]})
    one.policy("alice", "p(x) :- doc:t(x)")
    one.push("doc", "t", [[1]])
    wait_until(lambda: one.rows("alice", "p") == [[1]])
    held = one.node.holder.progress.position("doc")
    assert held is not None
    one.database.run(lambda session: epochs.take_epoch(session, epochs.DSD, "successor", 0))
    one.node.follower.catch_up()
    dropped = one.node.streams.counters().get("dropped_old_epoch", 0)
    one.bus.publisher().publish(delta("doc", held.epoch, held.sequence + 1, "t", [(2,)]))
    wait_until(lambda: one.node.streams.counters().get("dropped_old_epoch", 0) > dropped)
    assert one.rows("alice", "p") == [[1]]


def test_an_answer_without_the_rows_of_a_source_says_so(one: Rig) -> None:
    one.stop_dsd()
    one.push_source("doc", {"t": ["a"]})
    one.policy("alice", "p(x) :- doc:t(x)", "q(1)")
    assert one.client.get("/v1/policies/alice/tables/p/rows").headers["Congress-Stale"] == "doc"
    assert "Congress-Stale" not in one.client.get("/v1/policies/alice/tables/q/rows").headers


def test_only_sources_that_are_read_are_held(one: Rig) -> None:
    for name in ("read", "unread"):
        one.push_source(name, {"t": ["a"]})
        one.push(name, "t", [[1]])
    made = one.policy("alice", "p(x) :- read:t(x)")
    assert one.node.interest.wanted == {"read"}
    assert one.rows("unread", "t") == [[1]]
    assert one.node.interest.wanted == {"read", "unread"}
    one.call("DELETE", f"/v1/policies/alice/rules/{made['rules'][0]['id']}")
    assert one.node.interest.wanted == {"unread"}
    assert one.node.engine.stats()["rows"] == 1


def test_a_token_of_a_deleted_source_does_not_block(one: Rig) -> None:
    one.push_source("doc", {"t": ["a"]})
    one.call("DELETE", "/v1/data-sources/doc")
    one.node.freshener.prepare([], Freshness(Token(0, {"doc": Position(9, 9)})))
    assert one.client.get("/v1/policies", headers={"Congress-At-Least": "doc=9.9"}).status_code == 200


def test_a_draining_node_is_not_ready_and_still_answers(one: Rig) -> None:
    one.node.drain()
    assert one.get("/readyz", 503)["missing"]
    assert one.get("/healthz")["status"] == "alive"
    one.get("/v1/policies")


def test_a_node_without_a_usable_database_is_not_ready_and_says_why(tmp_path: Path, bus: InProcessBus) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    secret = keys.load(tmp_path / "secret.key", create=True)
    node = PolicyEngineNode(database, bus.subscriber(), bus.control(), DriverCatalogue(), secret)
    node.start()
    try:
        wait_until(lambda: "db upgrade" in str(node.readiness().missing))
        assert not node.readiness().ready
        migrate.upgrade(database)
        wait_until(lambda: node.readiness().ready)
    finally:
        node.stop()
        database.close()


def test_a_source_that_a_new_epoch_tells_anew_leaves_no_ghosts(one: Rig) -> None:
    """H3: rows that vanished while no datasource node was there stayed for ever."""
    one.post("/v1/data-sources", {"name": "cave", "driver": "safe", "config": {"user": "a", "password": "b"}})
    one.policy("alice", "p(x) :- cave:state(user=x)")
    wait_until(lambda: one.rows("alice", "p") == [["a"]])
    one.stop_dsd()
    one.call("PATCH", "/v1/data-sources/cave", {"config": {"user": "z"}})
    one.start_dsd()
    wait_until(lambda: one.rows("alice", "p") == [["z"]])


def test_a_source_that_cannot_be_read_does_not_keep_the_node_from_being_ready(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    with Rig(tmp_path) as rig:
        rig.post("/v1/data-sources", {"name": "files", "driver": "file", "config": {"path": str(files)}})
        rig.policy("alice", "p(x) :- files:t(x)", "q(1)")
    files.rmdir()
    with Rig(tmp_path) as rig:
        wait_until(lambda: rig.get("/readyz")["sources"] == {"files": "down"})
        assert rig.rows("alice", "q") == [[1]]
