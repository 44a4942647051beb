"""The conversation with a service, against a real HTTP server that plays one."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from congressd.cli.http import RefusedError, Service, UnreachableError


class Player(HTTPServer):
    """Answers with what stands in ``answers`` and keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Player)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        server.asked.append((self.command, self.path, dict(self.headers), body))
        status, text, headers = server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_GET  # noqa: N815  # names given by the base class

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class' name for it
        pass


@pytest.fixture
def player() -> Iterator[Player]:
    server = Player()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_segments_of_the_path_are_quoted(player: Player) -> None:
    player.answers.append((200, b'{"results": []}', {}))
    assert Service(player.endpoint).get("v1", "policies", "a/b c", query={"q": "p(x, 'ä')"}) == {"results": []}
    assert player.asked[0][1] == "/v1/policies/a%2Fb%20c?q=p%28x%2C+%27%C3%A4%27%29"


def test_a_body_is_json_and_a_token_is_sent(player: Player) -> None:
    player.answers.append((201, b'{"id": "1"}', {}))
    Service(player.endpoint, token="secret").call("POST", "v1", "policies", body={"name": "ä"})
    method, _, headers, body = player.asked[0]
    assert (method, body) == ("POST", {"name": "ä"})
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer secret"


def test_an_answer_is_at_least_as_new_as_the_one_before(player: Player) -> None:
    player.answers += [(200, b"", {"Congress-Revision": "doc=/7"}), (200, b"null", {"Congress-Revision": "policy=3"})]
    player.answers += [(200, b"null", {})]
    service = Service(player.endpoint)
    service.call("PUT", "v1", body=[])
    service.get("v1")
    service.get("v1")
    assert [asked[2].get("Congress-At-Least") for asked in player.asked] == [None, "policy=0,doc=/7", "policy=3,doc=/7"]


def test_a_refusal_has_the_sentence_of_the_service(player: Player) -> None:
    player.answers.append((404, b'{"error": {"message": "There is no policy x", "error_code": 404}}', {}))
    with pytest.raises(RefusedError, match="There is no policy x") as caught:
        Service(player.endpoint).get("v1", "policies", "x")
    assert caught.value.status == 404


def test_an_error_without_sentence_is_told_by_its_status(player: Player) -> None:
    player.answers.append((502, b"", {}))
    with pytest.raises(RefusedError, match="the service answered 502"):
        Service(player.endpoint).get("v1")


def test_something_other_than_json_is_no_service_of_ours(player: Player) -> None:
    player.answers.append((200, b"<html>", {}))
    with pytest.raises(UnreachableError, match="does not seem to be congressd"):
        Service(player.endpoint).get("v1")


def test_nobody_listening_is_told_with_what_to_do() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(UnreachableError, match=r"Connection refused\. Is the service running"):
        Service(endpoint).get("v1")


@pytest.mark.parametrize("endpoint", ["ftp://host", "http://", "http://host:port"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="http://HOST:PORT"):
        Service(endpoint)
