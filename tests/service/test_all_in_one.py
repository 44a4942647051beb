"""The whole service as its users meet it: a real process, the real client, the README's own commands."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.daemon.start import StartError
from congressd.daemon.wiring import check_database
from congressd.store import keys
from tests.ports import free_port
from tests.service import shelldoc
from tests.service.process import CHECKOUT, SCRIPTS, ServiceProcess, run, wait_for

STOP_WITHIN = 5.0  #: seconds from SIGTERM to the end, promised in the README's terms


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """The service with the example, for tests that leave the example as it is."""
    folder = tmp_path_factory.mktemp("cloud")
    service = ServiceProcess(folder / "data", folder / "log", "--example")
    service.start()
    wait_for(lambda: "find 13 violations" in service.output, "the greeting")
    yield service
    service.stop(signal.SIGKILL)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service without anything, of one test's own."""
    service = ServiceProcess(tmp_path / "data", tmp_path / "log")
    service.start()
    yield service
    service.stop(signal.SIGKILL)


# --- the example


def test_the_example_finds_what_is_wrong(cloud: ServiceProcess) -> None:
    found = {each["policy"]: len(each["results"]) for each in cloud.answer("violations")}
    assert found == {
        "network_ownership": 4,
        "volume_encryption": 3,
        "retired_images": 2,
        "open_firewall": 2,
        "leavers": 2,
    }


def test_the_greeting_says_where_and_what_to_try(cloud: ServiceProcess) -> None:
    assert f"congressd serves {cloud.endpoint}" in cloud.output
    assert "congress violations" in cloud.output
    assert str(cloud.data_dir / "cloud" / "data" / "volumes.jsonl") in cloud.output
    assert "Traceback" not in cloud.output


def test_what_the_greeting_suggests_works(cloud: ServiceProcess) -> None:
    commands = re.findall(r"^    (congress .*?)(?:   .*)?$", cloud.output, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        if "--watch" not in command:
            assert run(["bash", "-c", command], cloud.environment)[0] == 0, command


def test_every_violation_can_be_explained(cloud: ServiceProcess) -> None:
    for each in cloud.answer("violations"):
        code, printed = cloud.congress("explain", each["policy"], "error")
        assert code == 0
        assert all(str(item["data"][0]) in printed for item in each["results"])


def test_policies_exported_and_applied_stay_the_same(cloud: ServiceProcess, tmp_path: Path) -> None:
    before = cloud.answer("rule", "list", "open_firewall")
    code, text = cloud.congress("policy", "export", "open_firewall")
    assert code == 0
    (tmp_path / "exported.yaml").write_text(text, encoding="utf-8")
    assert cloud.congress("policy", "apply", str(tmp_path / "exported.yaml"))[0] == 0
    assert cloud.answer("rule", "list", "open_firewall") == before


def test_the_examples_policies_pass_a_check_with_the_services_columns(cloud: ServiceProcess) -> None:
    files = sorted(str(path) for path in (cloud.data_dir / "cloud" / "policies").glob("*.yaml"))
    code, printed = cloud.congress("check", "--service", *files)
    assert (code, printed) == (0, "5 policies, 16 rules: nothing to complain about\n")


# --- the client against a real service


def test_formats_hold_the_same_rows(cloud: ServiceProcess) -> None:
    rows = cloud.answer("row", "list", "leavers", "error")
    assert sorted(item["data"][0] for item in rows) == ["payments-ledger-2", "web-cms-2"]
    code, printed = cloud.congress("row", "list", "leavers", "error", "-o", "csv")
    assert code == 0
    assert sorted(printed.splitlines()) == [
        "payments-ledger-2,gus,2026-03-31",
        "server,owner,left_on",
        "web-cms-2,vic,2025-12-31",
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["violations"], 0),
        (["violations", "--exit-code"], 1),
        (["row", "list", "leavers", "excepted"], 0),
        (["query", "leavers", 'error("nobody", x, y)', "--exit-code"], 0),
        (["query", "leavers", 'error("web-cms-2", x, y)', "--exit-code"], 1),
        (["policy", "show"], 2),
        (["policy", "show", "nothing"], 3),
        (["row", "list", "leavers", "nothing"], 3),
        (["row", "list", "nothing", "error"], 3),
        (["source", "status", "nothing"], 3),
        (["rule", "show", "leavers", "nothing"], 3),
        (["query", "leavers", "error(x"], 5),
        (["rule", "create", "leavers", "p(x) :- q(y)"], 5),
        (["source", "create", "nothing", "mine"], 5),
        (["--endpoint", "http://127.0.0.1:9", "status"], 4),
        (["--endpoint", "gopher://x", "status"], 2),
    ],
)
def test_exit_codes(cloud: ServiceProcess, arguments: list[str], code: int) -> None:
    ended, printed = cloud.congress(*arguments)
    assert ended == code, printed
    assert "Traceback" not in printed


def test_rules_from_creation_to_deletion(empty: ServiceProcess) -> None:
    assert empty.congress("policy", "create", "mine", "--description", "of mine")[0] == 0
    made = empty.answer("rule", "create", "mine", "p(x) :- q(x)", "--name", "first")
    assert empty.congress("rule", "create", "mine", "-", text="q(1)")[0] == 0
    assert [item["data"] for item in empty.answer("row", "list", "mine", "p")] == [[1]]
    assert empty.answer("rule", "update", "mine", "first", "--comment", "why")["comment"] == "why"
    assert empty.answer("rule", "show", "mine", made["id"])["comment"] == "why"
    assert empty.congress("policy", "update", "mine", "--name", "ours")[0] == 0
    assert empty.congress("rule", "delete", "ours", "first")[0] == 0
    assert [rule["rule"] for rule in empty.answer("rule", "list", "ours")] == ["q(1)"]
    assert empty.congress("policy", "delete", "ours")[0] == 0
    assert empty.congress("policy", "show", "ours")[0] == 3


def test_pushed_rows_from_file_and_standard_input(empty: ServiceProcess, tmp_path: Path) -> None:
    config = 'tables={"hosts": {"columns": ["name", "cpus"], "key": ["name"]}}'
    assert empty.congress("source", "create", "push", "racks", "--config", config)[0] == 0
    (tmp_path / "hosts.csv").write_text("name,cpus\na,1\nb,2\n", encoding="utf-8")
    assert empty.congress("row", "replace", "racks", "hosts", str(tmp_path / "hosts.csv"))[0] == 0
    assert empty.congress("row", "upsert", "racks", "hosts", text='[{"name": "b", "cpus": 4}]')[0] == 0
    assert empty.congress("row", "delete", "racks", "hosts", text="name\na\n")[0] == 0
    wait_for(lambda: _rows(empty, "racks", "hosts") == [["b", 4]], "the pushed rows")
    code, printed = empty.congress("row", "upsert", "racks", "hosts", text='[{"nme": "b"}]')
    assert code == 5
    assert "nme" in printed


def test_watch_prints_what_comes_and_goes(empty: ServiceProcess) -> None:
    assert empty.congress("policy", "create", "mine")[0] == 0
    assert empty.congress("rule", "create", "mine", 'error("a")')[0] == 0
    watch = subprocess.Popen(
        [str(SCRIPTS / "congress"), "violations", "--watch"], env=empty.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert watch.stdout is not None
        assert watch.stdout.readline().endswith("+ mine:error  a\n")
        assert empty.congress("rule", "create", "mine", 'error("b")')[0] == 0
        assert watch.stdout.readline().endswith("+ mine:error  b\n")
        assert empty.congress("policy", "delete", "mine")[0] == 0
        assert "- mine:error  a" in watch.stdout.readline()
    finally:
        watch.send_signal(signal.SIGINT)
    assert watch.wait(10) == 130


def test_completion_is_a_script_that_the_shell_takes() -> None:
    script = f'eval "$({SCRIPTS}/congress completion bash)" && complete -p congress'
    code, printed = run(["bash", "-c", script], os.environ)
    assert code == 0, printed
    assert "_congress_completion" in printed


# --- its life


def test_it_stops_in_time_with_exit_code_0_and_keeps_everything(empty: ServiceProcess) -> None:
    _fill(empty)
    began = time.monotonic()
    assert empty.stop(signal.SIGTERM, STOP_WITHIN) == 0
    assert time.monotonic() - began < STOP_WITHIN
    empty.start()
    _assert_filled(empty)


def test_it_stops_in_time_with_idle_and_slow_clients(empty: ServiceProcess) -> None:
    with socket.create_connection(("127.0.0.1", empty.port)) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"
        with socket.create_connection(("127.0.0.1", empty.port)) as slow:
            slow.sendall(b"POST /v1/policies HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert empty.stop(signal.SIGTERM, STOP_WITHIN) == 0


def test_it_keeps_everything_when_it_is_killed(empty: ServiceProcess) -> None:
    _fill(empty)
    empty.stop(signal.SIGKILL)
    empty.start()
    _assert_filled(empty)


def test_an_interrupted_example_is_completed(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "data", tmp_path / "log", "--example")
    service.start()  # ready before the example is set up
    service.stop(signal.SIGKILL)
    service.start()
    try:
        wait_for(lambda: "find 13 violations" in service.output, "the greeting")
    finally:
        service.stop(signal.SIGKILL)


def test_a_restart_brings_back_nothing_of_the_example_that_was_deleted(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "data", tmp_path / "log", "--example")
    service.start()
    try:
        wait_for(lambda: "find 13 violations" in service.output, "the greeting")
        assert service.congress("policy", "delete", "leavers")[0] == 0
        assert service.stop() == 0
        service.start()
        wait_for(lambda: "find 11 violations" in service.output, "the second greeting")
        assert service.congress("policy", "show", "leavers")[0] == 3
    finally:
        service.stop(signal.SIGKILL)


# --- what goes wrong at the start


def test_a_taken_port_is_told_with_its_owner(cloud: ServiceProcess, tmp_path: Path) -> None:
    command = [str(SCRIPTS / "congressd"), "serve", "--data-dir", str(tmp_path / "other"), "--port", str(cloud.port)]
    code, printed = run(command, os.environ)
    assert code == 1
    assert f"port {cloud.port} of 127.0.0.1 is taken by process " in printed
    assert "--port" in printed


def test_a_directory_in_use_is_told(cloud: ServiceProcess) -> None:
    command = [str(SCRIPTS / "congressd"), "serve", "--data-dir", str(cloud.data_dir), "--port", str(cloud.port + 1)]
    code, printed = run(command, os.environ)
    assert code == 1
    assert "in use by another congressd (process " in printed


def test_a_wrong_key_is_told(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path / "data", tmp_path / "log")
    service.start()
    service.stop()
    (tmp_path / "data" / "secret.key").unlink()
    code, printed = run([str(SCRIPTS / "congressd"), "serve", "--data-dir", str(tmp_path / "data")], os.environ)
    assert code == 1
    assert "opens a secret of the database" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve"], "--data-dir"),
        (["serve", "--data-dir", "/proc/nothing"], "/proc/nothing"),
        (["serve", "--data-dir", "x", "--port", "99999"], "[DEFAULT]/bind_port is '99999'"),
        (["serve", "--data-dir", "x", "--host", "0.0.0.0"], "serve_everybody = true"),
        (["serve", "--data-dir", "x", "--config", "/nothing.conf"], "/nothing.conf: No such file"),
        (["db", "check"], "--data-dir"),
    ],
)
def test_a_start_that_cannot_be_is_told_in_a_sentence(arguments: list[str], sentence: str) -> None:
    code, printed = run([str(SCRIPTS / "congressd"), *arguments], os.environ)
    assert code in (1, 2)
    assert sentence in printed
    assert "Traceback" not in printed


def test_an_older_version_refuses_the_database_of_a_newer_one(tmp_path: Path) -> None:
    congressd, where = str(SCRIPTS / "congressd"), ["--data-dir", str(tmp_path)]
    assert run([congressd, "db", "upgrade", *where], os.environ)[0] == 0
    assert run([congressd, "db", "key", str(tmp_path / "key")], os.environ)[0] == 0
    with sqlite3.connect(tmp_path / "congressd.db") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    for arguments in (["db", "upgrade"], ["db", "check"], ["serve", "--port", str(free_port())]):
        code, printed = run([congressd, *arguments, *where], os.environ)
        assert code == 1
        assert "has the schema 9999 of a newer congressd" in printed
        assert "docs/operate.md says under Upgrading" in printed
        assert "Traceback" not in printed
    with pytest.raises(StartError, match="of a newer congressd"):
        check_database(f"sqlite:///{tmp_path / 'congressd.db'}", keys.load(tmp_path / "key", create=False))


def test_the_database_goes_up_and_down_by_command(tmp_path: Path) -> None:
    def db(*arguments: str) -> tuple[int, str]:
        return run([str(SCRIPTS / "congressd"), "db", *arguments, "--data-dir", str(tmp_path)], os.environ)

    code, printed = db("check")
    assert code == 1
    assert "run `congressd db upgrade`" in printed
    assert db("upgrade")[0] == 0
    assert db("check")[0] == 0
    with sqlite3.connect(tmp_path / "congressd.db") as connection:
        connection.execute("update revision_counter set revision = revision + 1")
    code, printed = db("check")
    assert code == 1
    assert "the log should hold" in printed
    assert db("downgrade", "base")[0] == 0
    assert db("check")[0] == 1


# --- the pages


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[tuple[ServiceProcess, Path]]:
    """What `make run` starts, and a folder that looks like the checkout in which the user types."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / ".venv").symlink_to(SCRIPTS.parent)
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", "run", f"VENV={SCRIPTS.parent}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[-1]
    words = planned.replace('"', "").removeprefix("exec ").split()
    assert words[1:] == ["serve", "--example", "--data-dir", "run/example", "--port", "1789"]
    service = ServiceProcess(folder / "run" / "example", tmp_path / "log", "--example")
    service.start()
    wait_for(lambda: "find 13 violations" in service.output, "the greeting")
    yield service, folder
    service.stop(signal.SIGKILL)


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_the_commands_of_a_page_do_what_it_says(newcomer: tuple[ServiceProcess, Path], page: str) -> None:
    service, folder = newcomer
    for block in shelldoc.blocks(CHECKOUT / page):
        if block.script.startswith("make "):
            continue  # the fixture ran what `make run` runs; `make test` is what runs this
        printed = shelldoc.run(block, folder, service.environment)
        if block.expected is not None:
            printed = printed.replace(service.endpoint, "http://127.0.0.1:1789")
            assert shelldoc.matches(block.expected, printed), f"{page}:{block.line} printed:\n{printed}"


def _fill(service: ServiceProcess) -> None:
    """A policy, a source and pushed rows."""
    config = 'tables={"hosts": ["name"]}'
    assert service.congress("source", "create", "push", "racks", "--config", config)[0] == 0
    assert service.http("PUT", "/v1/data-sources/racks/tables/hosts/rows", [["a"], ["b"]])[0] == 200
    rules = [{"rule": 'error(x) :- racks:hosts(x), x != "b"'}]
    assert service.http("POST", "/v1/policies", {"name": "mine", "rules": rules})[0] == 201
    wait_for(lambda: _rows(service, "mine", "error") == [["a"]], "the violation")


def _assert_filled(service: ServiceProcess) -> None:
    assert _rows(service, "mine", "error") == [["a"]]
    assert sorted(_rows(service, "racks", "hosts")) == [["a"], ["b"]]
    status, body = service.http("POST", "/v1/policies", {"name": "next"})
    assert (status, body["name"]) == (201, "next")


def _rows(service: ServiceProcess, name: str, table: str) -> list[list[object]]:
    return [item["data"] for item in service.answer("row", "list", name, table)]
