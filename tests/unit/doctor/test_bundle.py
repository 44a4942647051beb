"""The bundle: everything that could be had, a note for the rest, and no secret in it."""

from __future__ import annotations

import json
import socket
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from congressd.cli.daemon import cli
from congressd.config.load import load
from congressd.doctor import bundle, collect
from congressd.doctor.collect import COLLECTORS, Collector
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Paths, Place
from congressd.store import keys

DATABASE, BROKER, SIGNING, MAIL, OLD = "dbPass-7f3a", "mqPass%2F99", "sign-Key-55ab", "mail'pass\"66", "oldPass-1234"
CHECK, FENCE, TOKEN = "checkToken-88cd", "fencePass-77ef", "hunter2hunter2"

CONFIG = f"""[DEFAULT]
encryption_key_path = {{key}}
run_dir = {{run}}
data_dir = {{data}}
[database]
# connection = mysql+pymysql://congress:{OLD}@127.0.0.1/congressd
connection = mysql+pymysql://congress:{DATABASE}@127.0.0.1:1/congressd
[bus]
url = rabbit://congressd:{BROKER}@127.0.0.1:1,congressd:{BROKER}@127.0.0.1:2/
[actions]
signing_key = {SIGNING}
mail_password = {MAIL}
"""
HAPROXY = f"""frontend api
    bind 127.0.0.1:1
listen db
    http-check send meth GET uri / hdr Authorization "Bearer {CHECK}"
"""
CIB = f'<cib><primitive id="f"><nvpair id="f-1" name="passwd" value="{FENCE}"/></primitive></cib>'


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cg-") as name:  # names of sockets must be short
        yield Path(name)


@pytest.fixture
def place(directory: Path) -> Iterator[Place]:
    """A node all of whose programs repeat all secrets, each in its own way."""
    key, config = directory / "key", directory / "congressd.conf"
    keys.load(key, create=True)
    config.write_text(CONFIG.format(key=key, run=directory, data=directory))
    settings = load([config]).settings
    (directory / "haproxy.cfg").write_text(HAPROXY)
    (directory / "congressd.log").write_text(leaks(key.read_text().strip()))
    (directory / "leak").write_text(leaks(key.read_text().strip()))
    (directory / "cib.xml").write_text(CIB + leaks(key.read_text().strip()))
    leak = ("sh", "-c", f"cat {directory}/leak; cat {directory}/leak >&2; exit 1", "leak")
    programs: dict[str, tuple[str, ...]] = dict.fromkeys(
        ("journalctl", "crm_mon", "stonith_admin", "corosync-quorumtool", "corosync-cfgtool", "rabbitmqctl", "ps"), leak
    )
    programs |= {"cibadmin": ("sh", "-c", f"cat {directory}/cib.xml", "cib"), "crm_attribute": leak, "crm_node": leak}
    nowhere = directory / "nowhere"
    paths = Paths(directory / "haproxy.cfg", directory / "haproxy", nowhere, nowhere, (directory,))
    doors = [Leaking(directory / name, leaks(key.read_text().strip())) for name in ("haproxy", "pe-1.sock")]
    yield Place(settings, config, paths=paths, programs=programs)
    for door in doors:
        door.close()


def leaks(key: str) -> str:
    """A log that tells everything."""
    secrets = (DATABASE, BROKER, SIGNING, MAIL, CHECK, FENCE, key, BROKER.replace("%2F", "/"), json.dumps(MAIL))
    return "".join(f"ctl1 congress-dsd: argument {each} refused\n" for each in secrets) + (
        f"connection = mysql://old:{OLD}@h/db\nX-Auth-Token: {TOKEN}\n"
    )


class Leaking:
    """A UNIX socket that answers everybody with the same text."""

    def __init__(self, path: Path, text: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        answer = json.dumps({"ok": False, "error": text}) if path.suffix else f"# pxname,svname,type\n{text}"
        threading.Thread(target=self._serve, args=(answer,), daemon=True).start()

    def _serve(self, answer: str) -> None:
        while True:
            try:
                conversation, _ = self._listener.accept()
            except OSError:
                return
            with conversation:
                conversation.recv(4096)
                conversation.sendall(answer.encode())

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def test_no_secret_is_in_the_bundle(place: Place, directory: Path) -> None:
    parts = bundle.collect(place, time.time() - 60)
    path = directory / "bundle.tar.gz"
    assert bundle.write(parts, path, "b") == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600

    with tarfile.open(path) as archive:
        texts = {member.name: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]
    missing = json.loads(texts["b/contents.json"])["missing"]
    assert set(missing) == {"galera.json"}, "all other kinds were collected, with secrets in them"
    key = (directory / "key").read_text().strip()
    secrets = [DATABASE, BROKER, "mqPass/99", SIGNING, MAIL, json.dumps(MAIL)[1:-1], OLD, CHECK, FENCE, TOKEN, key]
    for name, text in texts.items():
        for secret in secrets:
            assert secret not in text, f"{secret} is in {name}"
    assert "mysql+pymysql://congress:(removed)@127.0.0.1:1/congressd" in texts["b/configuration/effective.conf"]
    assert "argument (removed) refused" in texts["b/journal.log"], "the rest of the line stays"


def test_what_cannot_be_collected_is_noted() -> None:
    release = threading.Event()

    def fail(error: Exception) -> str:
        raise error

    parts = bundle.collect(
        Place(None),
        0.0,
        collectors=[
            Collector("good", lambda place, since: "text"),
            Collector("absent", lambda place, since: fail(NotHere("no such thing"))),
            Collector("failed", lambda place, since: fail(Failed("it is down", "start it"))),
            Collector("defect", lambda place, since: fail(KeyError("x"))),
            Collector("hangs", lambda place, since: str(release.wait(60)), deadline=0.1),
        ],
    )
    release.set()
    assert [(part.file, part.text, part.missing) for part in parts] == [
        ("good", "text", ""),
        ("absent", "", "no such thing"),
        ("failed", "", "it is down"),
        ("defect", "", "KeyError: 'x'"),
        ("hangs", "", "no answer within 0 s"),
    ]


def test_of_a_long_text_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LARGEST", 10)
    lines = "one\ntwo\nthree\nfour\n"
    (part,) = bundle.collect(Place(None), 0.0, collectors=[Collector("x", lambda place, since: lines)])
    assert part.text == "four\n"


def test_an_archive_is_never_written_over(directory: Path) -> None:
    path = directory / "bundle.tar.gz"
    path.write_text("dear to somebody")
    with pytest.raises(FileExistsError):
        bundle.write([], path, "b")
    done = CliRunner().invoke(cli, ["bundle", "--output", str(path)])
    assert "exists already" in str(done.exception)
    assert path.read_text() == "dear to somebody"


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400.0), ("2h", 7200.0), ("3d", 259200.0)])
def test_spans(text: str, seconds: float) -> None:
    assert collect.span(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "2 h", "2w", "9999999h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90m, 2h or 3d"):
        collect.span(text)


def test_files_of_the_bundle_are_unique_and_inside_it() -> None:
    files = [each.file for each in COLLECTORS]
    assert len(set(files)) == len(files)
    assert not any(file.startswith("/") or ".." in file for file in files)
