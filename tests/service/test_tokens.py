"""Bearer tokens as an operator meets them: a real service, the real commands."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.process import CHECKOUT, SCRIPTS, ServiceProcess, run, wait_for


class GuardedService(ServiceProcess):
    """A service that wants a token; ``token`` is what the client sends."""

    token = ""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"CONGRESSD_AUTH_STRATEGY": "token", "CONGRESS_TOKEN": self.token}

    def daemon(self, *arguments: str) -> tuple[int, str, str]:
        """Run ``congressd`` on this service's directory; its exit code, output and errors."""
        command = [str(SCRIPTS / "congressd"), *arguments, "--data-dir", str(self.data_dir)]
        done = subprocess.run(command, env=self.environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def create(self, name: str, role: str, *more: str) -> str:
        """A new token."""
        code, printed, errors = self.daemon("token", "create", name, "--role", role, *more)
        assert code == 0, errors
        return printed.strip()


def _hang_up(service: ServiceProcess) -> None:
    assert service.pid is not None
    os.kill(service.pid, signal.SIGHUP)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[GuardedService]:
    service = GuardedService(tmp_path / "data", tmp_path / "log")
    service.data_dir.mkdir()
    yield service
    if service.pid is not None:
        service.stop(signal.SIGKILL)


def test_tokens_open_the_service_as_far_as_their_role_allows(guarded: GuardedService) -> None:
    reader = guarded.create("watcher", "reader", "--expires", "1d")
    author = guarded.create("ci", "author")
    guarded.start()
    assert guarded.http("GET", "/healthz")[0] == 200

    code, printed = guarded.congress("policy", "list")
    assert (code, "congressd token create" in printed) == (5, True)
    guarded.token = reader
    assert guarded.congress("status")[0] == 0
    code, printed = guarded.congress("policy", "create", "mine")
    assert (code, "'reader'" in printed, "'author'" in printed) == (5, True, True)
    guarded.token = author
    assert guarded.congress("policy", "create", "mine")[0] == 0
    code, printed = guarded.congress("history", "--limit", "1")
    assert (code, "policy created: mine" in printed, " ci " in printed) == (0, True, True)

    # while the service runs: another, fewer, a file that is broken, and mended
    guarded.token = guarded.create("ops", "operator")
    assert guarded.congress("source", "create", "push", "doc", "--config", 'tables={"t": ["a"]}')[0] == 0
    assert guarded.daemon("token", "revoke", "ops")[0] == 0
    assert guarded.congress("source", "list")[0] == 5
    guarded.token = author
    file = guarded.data_dir / "tokens"
    fine = file.read_text(encoding="utf-8")
    file.write_text("nonsense\n", encoding="utf-8")
    _hang_up(guarded)
    wait_for(lambda: "tokens of before stay good" in guarded.http("GET", "/readyz")[1]["access"], "it says so")
    assert guarded.congress("policy", "list")[0] == 0
    assert guarded.daemon("token", "list")[0] == 1
    file.write_text(fine, encoding="utf-8")
    _hang_up(guarded)
    wait_for(lambda: guarded.http("GET", "/readyz")[1]["access"] == "fine", "it is mended")
    code, printed, _ = guarded.daemon("token", "list")
    assert [line.split()[:2] for line in printed.splitlines()[2:]] == [["watcher", "reader"], ["ci", "author"]]
    for token in (reader, author):
        assert token not in guarded.output + (guarded.data_dir / "congressd.log").read_text(encoding="utf-8") + printed


def test_congress_own_header_is_taken(guarded: GuardedService) -> None:
    token = guarded.create("cloud", "reader")
    guarded.start()
    asked = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{guarded.endpoint}/v1/policies"]
    assert run(asked, guarded.environment)[1] == "401"
    assert run([*asked, "-H", f"X-Auth-Token: {token}"], guarded.environment)[1] == "200"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the tokens cannot be read"),
        (("--example",), "the example is set up without a token"),
    ],
)
def test_a_service_that_nobody_could_use_does_not_start(
    guarded: GuardedService, arguments: tuple[str, ...], said: str
) -> None:
    code, _, errors = guarded.daemon("serve", *arguments)
    assert (code, said in errors) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "a b", "--role", "reader"), 1, "cannot be the name of a token"),
        (("create", "ci", "--role", "boss"), 2, "boss"),
        (("create", "ci", "--role", "reader", "--expires", "soon"), 1, "'soon' is not a time"),
        (("create", "ci", "--role", "reader", "--expires", "2020-01-01"), 1, "is not in the future"),
        (("revoke", "nobody"), 1, "has no token 'nobody'"),
        (("list",), 1, "No such file"),
    ],
)
def test_what_cannot_be_done_with_tokens_is_said(
    guarded: GuardedService, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended, _, errors = guarded.daemon("token", *arguments)
    assert ended == code
    assert said in errors
    assert "Traceback" not in errors
