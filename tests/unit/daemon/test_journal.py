"""Records in the form in which systemd's journal takes them."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from congressd.daemon.journal import JournalHandler, is_listening


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """What listens as the journal does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.settimeout(10)
        yield listening


@pytest.fixture
def log(journal: socket.socket) -> Iterator[logging.Logger]:
    handler = JournalHandler("congress-dsd", Path(journal.getsockname()))
    logger = logging.Logger("congressd.dsd.node")
    logger.addHandler(handler)
    yield logger
    handler.close()


def heard(journal: socket.socket) -> dict[str, str]:
    """The fields of the next record."""
    data, fields = journal.recv(1 << 20), {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[8 + length + 1 :]
        fields[name.decode()] = value.decode()
        data = rest
    return fields


def test_what_a_line_names_can_be_searched_for(log: logging.Logger, journal: socket.socket) -> None:
    log.warning("source=%s epoch=%d: %d%% done, last error: %s", "nova", 7, 50, "rule=evil source=other")
    fields = heard(journal)
    assert fields["MESSAGE"] == "source=nova epoch=7: 50% done, last error: rule=evil source=other"
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"], fields["LOGGER"]) == ("4", "congress-dsd", log.name)
    assert {name: value for name, value in fields.items() if name.startswith("CONGRESSD_")} == {
        "CONGRESSD_SOURCE": "nova",
        "CONGRESSD_EPOCH": "7",
    }


def test_several_lines_and_any_character_arrive_as_they_are(log: logging.Logger, journal: socket.socket) -> None:
    try:
        raise ValueError("first\nMESSAGE=second ☃")
    except ValueError:
        log.exception("it failed")
    fields = heard(journal)
    assert fields["MESSAGE"].startswith("it failed\nTraceback")
    assert fields["MESSAGE"].endswith("MESSAGE=second ☃")
    assert fields["PRIORITY"] == "3"


def test_a_text_without_end_is_cut_and_one_that_cannot_be_sent_harms_nobody(
    log: logging.Logger, journal: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.error("x" * 1_000_000)
    assert len(heard(journal)["MESSAGE"]) == 32 * 1024
    os.unlink(journal.getsockname())
    log.error("nobody listens")


def test_the_journal_is_used_only_by_who_was_started_by_it() -> None:
    assert not is_listening({})
    assert not is_listening({"JOURNAL_STREAM": "1:2"})
    assert sys.stderr is not None
