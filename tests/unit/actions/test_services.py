"""The built-in services: what they send, and which failures leave it open whether they acted."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from pathlib import Path

import pytest

from congressd.datasources.action import ActionError, ActionRequest, Actor
from congressd.datasources.services.http import signature
from congressd.datasources.services.registry import services
from congressd.datasources.services.settings import ServiceSettings
from congressd.model.commands import parse_commands
from congressd.model.values import TRUE, Value
from tests.unit.actions.target import Target


def act(service: Actor, action: str, *args: Value, seconds: float = 5.0) -> object:
    """Act as the executor does: arguments are checked first."""
    info = next(each for each in service.actions() if each.name == action)
    assert info.check(args) is None
    return service.act(ActionRequest(action, args, "act-1", time.monotonic() + seconds))


def refused(service: Actor, action: str, *args: Value, seconds: float = 5.0) -> ActionError:
    with pytest.raises(ActionError) as caught:
        act(service, action, *args, seconds=seconds)
    return caught.value


def test_a_request_carries_the_activation_and_its_body(target: Target) -> None:
    http = services()["http"]
    assert act(http, "request", "post", f"{target.url}/a?b=c", '{"x": 1}') == {"status": 200, "answer": "ok"}
    act(http, "request", "PUT", f"{target.url}/text", "plain")
    act(http, "request", "PUT", f"{target.url}/value", 5)
    act(http, "request", "DELETE", target.url)
    calls = target.wait(4)
    assert [(call.method, call.path, call.body) for call in calls] == [
        ("POST", "/a?b=c", b'{"x": 1}'),
        ("PUT", "/text", b"plain"),
        ("PUT", "/value", b"5"),
        ("DELETE", "/", b""),
    ]
    assert {call.activation for call in calls} == {"act-1"}
    assert [call.headers.get("Content-Type") for call in calls] == [
        "application/json",
        "text/plain; charset=utf-8",
        "application/json",
        None,
    ]


def test_a_signed_request_can_be_verified(target: Target) -> None:
    http = services(ServiceSettings(key=b"secret"))["http"]
    act(http, "request", "POST", target.url, "body", TRUE)
    (call,) = target.wait(1)
    at = int(call.headers["Congress-Timestamp"])
    assert call.headers["Congress-Signature"] == signature(b"secret", at, call.body)["Congress-Signature"]
    assert "no [actions]/signing_key" in str(refused(services()["http"], "request", "POST", target.url, "body", TRUE))


def test_failures_say_whether_the_request_may_have_arrived(target: Target) -> None:
    http = services()["http"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    for url, acted, said in (
        (nobody, False, "cannot reach"),
        (f"{target.url}/status/503", False, "answered 503"),
        (f"{target.url}/status/302", False, "answered 302"),
        (f"{target.url}/hang", True, "no answer"),
        ("ftp://example.org/", False, "is not an address"),
        ("http://[", False, "is not an address"),
        (f"{target.url}/a b\r\nX: y", False, "cannot be sent"),
        ("nonsense", False, "is not an address"),
    ):
        error = refused(http, "request", "GET", url, seconds=0.5)
        assert (error.acted, said in str(error)) == (acted, True), (url, error)
    assert "is not one of GET" in str(refused(http, "request", "BREW", target.url))


def test_only_allowed_addresses_are_called(target: Target) -> None:
    http = services(ServiceSettings(urls=("https://hooks.example.org/",)))["http"]
    assert "does not allow" in str(refused(http, "request", "GET", target.url))
    assert target.calls == []


def test_a_webhook_is_told_as_json(target: Target) -> None:
    act(services(ServiceSettings(key=b"k"))["webhook"], "notify", target.url, "server down", "web-1", 5, None)
    (call,) = target.wait(1)
    assert json.loads(call.body) == {"text": "server down", "values": ["web-1", 5, None], "activation": "act-1"}
    assert "Congress-Signature" in call.headers


def test_the_log_gets_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        act(services()["log"], "write", "two\nlines", 5, TRUE)
    assert caplog.messages == ["activation=act-1 two lines 5 true"]


def test_only_listed_commands_are_run_and_no_shell_reads_them(tmp_path: Path) -> None:
    script = tmp_path / "note"
    script.write_text('#!/bin/sh\nprintf "%s|" "$@" "$CONGRESS_ACTIVATION"\n')
    script.chmod(0o755)
    listed = parse_commands(f"note = {script} fixed; fail = /bin/sh -c 'echo bad; exit 3'; slow = /bin/sleep 60")
    command = services(ServiceSettings(commands=listed))["command"]
    assert act(command, "run", "note", "$(reboot)", 5, TRUE) == {"output": "fixed|$(reboot)|5|true|act-1|"}
    assert "ended with code 3: bad" in str(refused(command, "run", "fail"))
    assert 'Did you mean "note"?' in str(refused(command, "run", "notes"))
    assert "zero byte" in str(refused(command, "run", "note", "a\0b"))
    slow = refused(command, "run", "slow", seconds=0.2)
    assert (slow.acted, "was killed" in str(slow)) == (True, True)


@pytest.mark.parametrize("text", ["reboot", "x = reboot", "= /bin/true", "x ="])
def test_commands_must_be_absolute(text: str) -> None:
    with pytest.raises(ValueError):
        parse_commands(text)


class MailServer:
    """Takes one message, as SMTP has it; ``refuses``: with 550."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.lines: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(line: str) -> None:
                stream.write(line.encode() + b"\r\n")
                stream.flush()

            say("220 here")
            data = False
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                self.lines.append(line)
                if data:
                    data = line != "."
                    if not data:
                        say("250 taken")
                elif line.upper() == "DATA":
                    data = True
                    say("354 go on")
                elif line.upper() == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("550 no" if self.refuses and line.upper().startswith("RCPT") else "250 fine")

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)


def test_a_mail_is_sent_with_an_id_of_its_own() -> None:
    server = MailServer()
    mail = services(ServiceSettings(mail_server="127.0.0.1", mail_port=server.port, mail_from="c@example.org"))["mail"]
    act(mail, "send", "a@example.org", "Prüfung", "Größe\nzwei")
    server.close()
    assert "Message-ID: <act-1@congressd>" in server.lines
    assert "To: a@example.org" in server.lines


def test_a_mail_that_is_refused_was_not_sent() -> None:
    server = MailServer(refuses=True)
    mail = services(ServiceSettings(mail_server="127.0.0.1", mail_port=server.port))["mail"]
    error = refused(mail, "send", "a@example.org", "subject")
    server.close()
    assert (error.acted, "refused" in str(error)) == (False, True)
    assert "cannot be made" in str(refused(mail, "send", "a@example.org", "two\nlines"))
    assert "names no mail server" in str(refused(services()["mail"], "send", "a@example.org", "x"))
