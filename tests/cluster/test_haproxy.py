"""The real HAProxy with our template, before backends that die, drain and hang."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from congressd.config.options import Settings
from congressd.doctor import ask_haproxy
from congressd.doctor.place import Paths, Place
from tests.haproxy import HAProxy, Server, render, render_and_start
from tests.network import drop_packets_to, in_a_network_of_its_own
from tests.ports import free_port

pytestmark = pytest.mark.haproxy

BACKEND = Path(__file__).with_name("backend.py")


class Backend:
    """One backend process; ``start`` again after it was killed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(BACKEND), self.name, str(self.port)])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def post(self, path: str) -> None:
        _call(f"http://127.0.0.1:{self.port}{path}", data=b"")

    def line(self, check: Backend | None = None) -> Server:
        return Server(self.name, self.port, check.port if check else 0)


@pytest.fixture
def backends() -> Iterator[list[Backend]]:
    made = [Backend(name) for name in ("one", "two", "three")]
    yield made
    for backend in made:
        backend.kill()


Start = Callable[..., HAProxy]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[HAProxy] = []

    def new(pes: list[Backend], databases: list[Server] | None = None, **variables: object) -> HAProxy:
        running.append(render_and_start(tmp_path, [pe.line() for pe in pes], databases or [], **variables))
        running[-1].wait_up(*(f"pe/{pe.name}" for pe in pes))
        return running[-1]

    yield new
    for haproxy in running:
        haproxy.stop()


def _call(url: str, data: bytes | None = None, timeout: float = 20) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=timeout) as answer:
        return str(answer.read().decode())


def _own_error(content_type: str | None, body: bytes, code: int) -> str:
    """The message of an error that HAProxy itself answered, in the API's shape."""
    assert content_type == "application/json"
    (name, error), *more = json.loads(body).items()
    assert (name, more, sorted(error)) == ("error", [], ["error_code", "error_data", "message"])
    assert (error["error_code"], error["error_data"]) == (code, None)
    return str(error["message"])


class Load:
    """Calls in the background, ``rate`` a second at most, until left; what failed is in ``failures``."""

    def __init__(self, url: str, threads: int = 4) -> None:
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._url = url
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._ended.wait(0.004) and len(self.answers) < 20_000:
            try:
                self.answers.append(_call(self._url))
            except (OSError, urllib.error.URLError) as error:
                self.failures.append(str(error))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for(self, more: int) -> None:
        """Wait until so many more calls were answered."""
        wanted, until = len(self.answers) + more, time.monotonic() + 30
        while len(self.answers) < wanted:
            assert time.monotonic() < until, f"only {len(self.answers)} answers; {self.failures[:3]}"
            time.sleep(0.01)


def test_a_killed_backend_fails_no_get(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    with Load(f"{haproxy.url}/name") as load:
        load.wait_for(100)
        for backend in backends[:2]:
            backend.kill()
            haproxy.wait_down(f"pe/{backend.name}")
            load.wait_for(100)
            backend.start()
            haproxy.wait_up(f"pe/{backend.name}")
            load.wait_for(50)
    assert load.failures == []
    assert set(load.answers) == {"one", "two", "three"}


def test_a_get_that_runs_on_a_backend_when_it_dies_is_answered_by_another(
    start: Start, backends: list[Backend]
) -> None:
    haproxy = start(backends[:2])
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(_call(f"{haproxy.url}/slow/1")))
    thread.start()
    first = haproxy.busy()
    _named(first, backends).kill()
    thread.join(20)
    assert results == [{"pe/one": "two", "pe/two": "one"}[first]]


def _named(server: str, backends: list[Backend]) -> Backend:
    return next(backend for backend in backends if server == f"pe/{backend.name}")


def test_a_post_that_may_have_been_carried_out_is_not_repeated(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    failed: list[urllib.error.HTTPError] = []

    def post() -> None:
        try:
            _call(f"{haproxy.url}/slow/2", data=b"x")
        except urllib.error.HTTPError as error:
            failed.append(error)

    thread = threading.Thread(target=post)
    thread.start()
    busy = _named(haproxy.busy(), backends)
    busy.kill()
    thread.join(20)
    assert [error.code for error in failed] == [502]
    assert "Idempotency-Key" in _own_error(failed[0].headers["Content-Type"], failed[0].read(), 502)
    haproxy.wait_logged(r'<3>127\.0\.0\.1:.* 502 .*"POST /slow/2 HTTP/1\.1"')
    others = [backend for backend in backends if backend is not busy]
    assert [_call(f"http://127.0.0.1:{backend.port}/posts") for backend in others] == ["0", "0"]


def test_a_request_that_is_no_http_is_refused_in_the_shape_of_the_api(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends[:1])
    with socket.create_connection(("127.0.0.1", haproxy.port), timeout=20) as client:
        client.sendall(b"POST /slow/5 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        haproxy.busy()  # what is wrong in the head HAProxy answers in a way that cannot be changed
        client.sendall(b"no chunk\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 400
        _own_error(answer.headers["Content-Type"], answer.read(), 400)
    haproxy.wait_logged(r"<3>127\.0\.0\.1:.* 400 .*POST /slow/5.*")


def test_what_went_well_is_not_logged_and_what_never_was_http_is(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends[:1])
    _call(f"{haproxy.url}/name")
    with socket.create_connection(("127.0.0.1", haproxy.port), timeout=20) as client:
        client.sendall(b"nonsense\r\n\r\n")
        client.recv(1000)
    haproxy.wait_logged(r"<3>127\.0\.0\.1:.* 400 .*<BADREQ>.*")
    assert "GET /name" not in haproxy.log()


def test_a_backend_that_drains_finishes_what_it_has_begun_and_gets_nothing_new(
    start: Start, backends: list[Backend]
) -> None:
    haproxy = start(backends[:1])
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(_call(f"{haproxy.url}/slow/3")))
    thread.start()
    haproxy.busy()
    backends[0].post("/ready/no")
    haproxy.wait_down("pe/one")
    with pytest.raises(urllib.error.HTTPError) as refused:
        _call(f"{haproxy.url}/name")
    assert refused.value.code == 503
    assert refused.value.headers["Retry-After"] == "2"
    _own_error(refused.value.headers["Content-Type"], refused.value.read(), 503)
    thread.join(20)
    assert results == ["one"]


def test_a_rolling_restart_of_backends_that_drain_fails_nothing(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    with Load(f"{haproxy.url}/name") as load:
        for backend in backends:
            backend.post("/ready/no")
            haproxy.wait_down(f"pe/{backend.name}")
            backend.kill()
            backend.start()
            haproxy.wait_up(f"pe/{backend.name}")
    assert load.failures == []


def test_reloads_lose_nothing(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    with Load(f"{haproxy.url}/name") as load:
        for number in range(5):
            haproxy.reload(haproxy_maxconn=3000 + number)
            load.wait_for(30)
    assert load.failures == []


def test_answers_503_take_no_backend_out(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    for _ in range(30):
        with pytest.raises(urllib.error.HTTPError):
            _call(f"{haproxy.url}/refused")
    assert {haproxy.states()[f"pe/{backend.name}"] for backend in backends} == {"UP"}


class Writer:
    """Sessions with the database, as a pool has them: those that were opened are kept until they are cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: list[http.client.HTTPConnection] = []

    def led_to(self) -> set[str]:
        """Open one more session; to which servers they lead now."""
        self._kept.append(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10))
        return {server for kept in list(self._kept) if (server := self._ask(kept))}

    def _ask(self, kept: http.client.HTTPConnection) -> str | None:
        try:
            kept.request("GET", "/name")
            return kept.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            self._kept.remove(kept)
            kept.close()
            return None

    def wait(self, server: str, seconds: float = 30) -> None:
        """Wait until all sessions, kept and new ones, lead to a server; and see that they go on to."""
        until = time.monotonic() + seconds
        while (servers := self.led_to()) != {server}:
            assert time.monotonic() < until, f"sessions lead to {servers}, not all to {server}, after {seconds} s"
            time.sleep(0.02)
        for _ in range(10):
            assert self.led_to() == {server}
            time.sleep(0.1)


@pytest.fixture
def checks() -> Iterator[list[Backend]]:
    """What answers for databases whether they may be written to."""
    made = [Backend(f"check-{name}") for name in ("one", "two", "three")]
    yield made
    for check in made:
        check.kill()


def test_the_database_has_one_writer_and_it_is_the_first_that_is_synced(
    start: Start, backends: list[Backend], checks: list[Backend]
) -> None:
    haproxy = start([], [backend.line(check) for backend, check in zip(backends, checks, strict=True)])
    haproxy.wait_up("db/one", "db/two", "db/three")
    writer = Writer(haproxy.db_port)
    writer.wait("one")
    checks[0].kill()
    writer.wait("two")
    checks[1].kill()
    writer.wait("three")
    checks[1].start()
    writer.wait("two")
    checks[0].start()
    writer.wait("one")


def test_a_database_that_comes_back_behind_the_writer_cuts_nothing(
    start: Start, backends: list[Backend], checks: list[Backend]
) -> None:
    haproxy = start([], [backend.line(check) for backend, check in zip(backends, checks, strict=True)])
    haproxy.wait_up("db/one", "db/two", "db/three")
    kept = http.client.HTTPConnection("127.0.0.1", haproxy.db_port, timeout=10)
    for check in (checks[1], checks[2]):
        kept.request("GET", "/name")
        assert kept.getresponse().read() == b"one"
        check.kill()
        haproxy.wait_down(f"db/{check.name.removeprefix('check-')}")
        check.start()
        haproxy.wait_up(f"db/{check.name.removeprefix('check-')}")
    kept.request("GET", "/name")
    assert kept.getresponse().read() == b"one"


def test_all_nodes_have_the_same_writer_whatever_each_has_seen(
    start: Start, backends: list[Backend], checks: list[Backend], tmp_path: Path
) -> None:
    lines = [backend.line(check) for backend, check in zip(backends, checks, strict=True)]
    old = start([], lines)
    checks[0].kill()
    checks[1].kill()
    Writer(old.db_port).wait("three")
    checks[1].start()
    Writer(old.db_port).wait("two")
    old.reload(haproxy_maxconn=3000)
    Writer(old.db_port).wait("two")
    (tmp_path / "other").mkdir()
    new = render_and_start(tmp_path / "other", [], lines)
    try:
        Writer(new.db_port).wait("two")
    finally:
        new.stop()


def test_figures_and_statistics(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    assert 'haproxy_server_status{proxy="pe",server="one",state="UP"} 1' in _call(f"{haproxy.figures}/metrics")
    assert "Statistics Report" in _call(f"{haproxy.figures}/")


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A new one for 127.0.0.1: the file that HAProxy takes, with its key, and the certificate alone."""
    key, certificate, both = directory / "key.pem", directory / "crt.pem", directory / "api.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *names], check=True, capture_output=True)
    both.write_text(certificate.read_text() + key.read_text())
    return both, certificate


def test_the_doctor_sees_a_certificate_that_waits_for_a_reload(
    start: Start, backends: list[Backend], tmp_path: Path
) -> None:
    both, _ = make_certificate(tmp_path)
    haproxy = start(backends, haproxy_api_certificate=str(both))
    config = tmp_path / "seen.cfg"
    config.write_text(f"frontend api\n    bind {haproxy.url.removeprefix('http://')} ssl crt {both}\n")
    place = Place(Settings(), paths=Paths(haproxy_config=config))
    assert ask_haproxy.ask_certificate(place).served is True
    make_certificate(tmp_path)
    assert ask_haproxy.ask_certificate(place).served is False
    haproxy.reload(haproxy_api_certificate=str(both))
    until = time.monotonic() + 10  # the old worker may take a call or two more
    while not ask_haproxy.ask_certificate(place).served and time.monotonic() < until:
        time.sleep(0.05)
    assert ask_haproxy.ask_certificate(place).served is True
    haproxy.stop()
    assert ask_haproxy.ask_certificate(place).served is None


def test_tls(start: Start, backends: list[Backend], tmp_path: Path) -> None:
    both, certificate = make_certificate(tmp_path)
    haproxy = start(backends, haproxy_api_certificate=str(both))
    address = haproxy.url.replace("http://", "https://")
    command = ["curl", "-sS", "--max-time", "10", "--cacert", str(certificate), "-i", f"{address}/name"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "200" in done.stdout.splitlines()[0]
    assert "strict-transport-security" in done.stdout.lower()
    assert "x-seen: https" in done.stdout.lower()


def test_a_hung_backend_is_taken_out(start: Start, backends: list[Backend]) -> None:
    haproxy = start(backends)
    backends[0].process.send_signal(signal.SIGSTOP)
    try:
        haproxy.wait_down("pe/one")
        assert {_call(f"{haproxy.url}/name") for _ in range(10)} == {"two", "three"}
    finally:
        backends[0].process.send_signal(signal.SIGCONT)
    haproxy.wait_up("pe/one")


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
def test_a_get_on_a_kept_connection_to_a_node_that_is_cut_off_is_answered_by_another(tmp_path: Path) -> None:
    def kept() -> str:
        both = [Backend("one"), Backend("two")]
        haproxy = render_and_start(tmp_path, [backend.line() for backend in both], [])
        try:
            haproxy.wait_up("pe/one", "pe/two")
            while {_call(f"{haproxy.url}/name") for _ in range(4)} != {"one", "two"}:
                pass  # a server that has just come up gets its share slowly
            drop_packets_to(both[0].port)
            return " ".join(_call(f"{haproxy.url}/name") for _ in range(2))  # one of the two is its turn
        finally:
            haproxy.stop()
            for backend in both:
                backend.kill()

    assert in_a_network_of_its_own(kept) == "two two"


def test_without_databases_there_is_no_database_frontend() -> None:
    assert " db" not in render()
