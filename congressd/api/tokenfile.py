"""Bearer tokens and the file that says who has which: a line for each token, with its name, role, end and digest.

A token is ``congress_<id>_<secret>``, with a secret of 256 random bits. The file holds only the SHA-256 of the whole
text, in which the id, unique for each token, is the salt. A slow hash (scrypt, bcrypt) makes passwords dear to guess,
which people choose from few; 2**256 secrets cannot be guessed at any speed, and every request is checked, so a fast
hash is the right one. For the same reason a token is only ever made here, and never chosen by a person.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from congressd.api.callers import ROLES
from congressd.model.clock import iso

#: The roles that a token can have, from least to most: each may do what those before it may.
TOKEN_ROLES: Final = ROLES[1:]
NEVER: Final = "never"
MOST_BYTES: Final = 4 * 1024 * 1024  #: of a file; tens of thousands of tokens

_TOKEN: Final = re.compile(r"congress_(?P<id>[0-9a-f]{12})_[A-Za-z0-9_\-]{43}\Z", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_.@\-]{1,64}\Z", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{12}\Z", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z", re.ASCII)
_HEAD: Final = f"""\
# Bearer tokens of congressd, one a line: name, role ({", ".join(TOKEN_ROLES)}), end, id, digest.
# Made by `congressd token create`. Nothing here is secret: no token can be found from its digest. Who may write this
# file may make tokens, so nobody but the administrator must.
"""


class TokenFileError(Exception):
    """A file of tokens, or what shall be done to it, is not right; the text says what to mend."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One token: ``name`` is the author of its changes, ``expires`` in seconds since 1970 or None for never."""

    name: str
    role: str
    expires: float | None
    id: str
    digest: str

    def over(self, now: float) -> bool:
        """Whether the token has ended."""
        return self.expires is not None and now >= self.expires

    def line(self) -> str:
        """The entry as it stands in the file."""
        end = NEVER if self.expires is None else iso(self.expires)
        return f"{self.name:<20} {self.role:<8} {end:<24} {self.id} {self.digest}"


class Tokens:
    """The entries of a file at one moment."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = tuple(entries)
        self._by_id: Mapping[str, Entry] = {entry.id: entry for entry in entries}

    def find(self, token: str) -> Entry | None:
        """The entry of a token, ended or not; None if there is none. Takes a few microseconds."""
        match = _TOKEN.match(token)
        entry = None if match is None else self._by_id.get(match["id"])
        # The id is no secret; of the rest the time must not tell how much of it was right.
        if entry is None or not hmac.compare_digest(entry.digest, digest_of(token)):
            return None
        return entry


def digest_of(token: str) -> str:
    """What the file holds of a token."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def new_token(name: str, role: str, expires: float | None) -> tuple[str, Entry]:
    """A fresh token and its entry. Raises TokenFileError for a name or role that cannot be."""
    identity = secrets.token_hex(6)
    token = f"congress_{identity}_{secrets.token_urlsafe(32)}"
    entry = Entry(name, role, expires, identity, digest_of(token))
    _check(entry)
    return token, entry


def parse(text: str) -> Tokens:
    """The tokens that a file's text says. Raises TokenFileError with the number of the line that is not right."""
    entries: list[Entry] = []
    names: set[str] = set()
    ids: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            entry = _entry(words)
            _check(entry)
        except TokenFileError as error:
            raise TokenFileError(f"line {number}: {error}") from None
        for what, value, seen in (("name", entry.name, names), ("id", entry.id, ids)):
            if value in seen:
                raise TokenFileError(f"line {number}: the {what} {value!r} stands in a line before; remove one of them")
            seen.add(value)
        entries.append(entry)
    return Tokens(entries)


def parse_time(text: str) -> float:
    """Seconds since 1970 for a date or a time in ISO 8601; without a zone it is UTC. Raises TokenFileError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise TokenFileError(
            f"{text[:40]!r} is not a time; write one such as 2027-01-31 or 2027-01-31T12:00:00Z (UTC)"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


#: What tells whether a file is still the one that was read.
Signature = tuple[int, int, int, int, int]


def signature(path: Path) -> Signature | None:
    """The signature of a file; None if there is none or it cannot be looked at."""
    try:
        return _signature(os.stat(path))
    except OSError:
        return None


def read(path: Path) -> tuple[Tokens, Signature]:
    """The tokens of a file, and its signature. Raises TokenFileError."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TokenFileError(f"{path}: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise TokenFileError(f"{path} has more than {MOST_BYTES} bytes; it cannot be a file of tokens")
    if state.st_mode & stat.S_IWOTH:
        raise TokenFileError(f"{path} can be written by everybody, who could make tokens: run `chmod o-w {path}`")
    try:
        return parse(content.decode()), _signature(state)
    except UnicodeDecodeError as error:
        raise TokenFileError(f"{path}: byte {error.start} is not UTF-8") from None
    except TokenFileError as error:
        raise TokenFileError(f"{path}: {error}") from None


def add(path: Path, entry: Entry) -> None:
    """Append an entry to a file, which is made if it is missing. Raises TokenFileError."""
    with _alone(path):
        text = _text(path)
        known = next((each for each in parse(text).entries if each.name == entry.name), None)
        if known is not None:
            raise TokenFileError(
                f"{path} has a token {entry.name!r} already; revoke it with `congressd token revoke {entry.name}`, or "
                f"take another name"
            )
        if text and not text.endswith("\n"):
            text += "\n"
        _write(path, (text or _HEAD) + entry.line() + "\n")


def remove(path: Path, name_or_id: str) -> Entry:
    """Take the entry with this name, or else this id, out of a file; what it was. Raises TokenFileError."""
    with _alone(path):
        text = _text(path)
        entries = parse(text).entries
        found = [each for each in entries if each.name == name_or_id] or [
            each for each in entries if each.id == name_or_id
        ]
        if not found:
            names = ", ".join(each.name for each in entries) or "none"
            raise TokenFileError(f"{path} has no token {name_or_id[:80]!r}; it has {names}")
        kept = [line for line in text.splitlines(keepends=True) if found[0].id not in line.split("#", 1)[0].split()]
        _write(path, "".join(kept))
        return found[0]


def _entry(words: Sequence[str]) -> Entry:
    if len(words) != 5:
        raise TokenFileError(
            f"there are {len(words)} words; write name, role, end (a time or {NEVER}), id and digest, or let "
            f"`congressd token create` do it"
        )
    name, role, end, identity, digest = words
    return Entry(name, role, None if end == NEVER else parse_time(end), identity, digest)


def _check(entry: Entry) -> None:
    if not _NAME.match(entry.name):
        raise TokenFileError(
            f"{entry.name[:80]!r} cannot be the name of a token: 1 to 64 letters, digits and _ . @ - are allowed"
        )
    if entry.role not in TOKEN_ROLES:
        raise TokenFileError(f"there is no role {entry.role[:40]!r}; allowed: {', '.join(TOKEN_ROLES)}")
    if not _ID.match(entry.id):
        raise TokenFileError(f"{entry.id[:40]!r} is not the id of a token: 12 digits 0-9 a-f")
    if not _DIGEST.match(entry.digest):
        raise TokenFileError(f"{entry.digest[:40]!r} is not a digest: sha256: and 64 digits 0-9 a-f")


def _signature(state: os.stat_result) -> Signature:
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _text(path: Path) -> str:
    """What a file holds; nothing if there is none. Raises TokenFileError if it is no file of tokens."""
    if not path.exists():
        return ""
    read(path)
    return path.read_text(encoding="utf-8")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others from changing the file meanwhile: two who append at once must both be found in it."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TokenFileError(f"the directory {path.parent} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """Put another file in the place of this one, at once, with the same rights: a reader sees the old or the new."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if path.exists():
                    state = path.stat()
                    os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
                    os.fchown(file.fileno(), state.st_uid, state.st_gid)
                else:
                    os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise TokenFileError(f"{path} cannot be written: {error.strerror or error}") from None
