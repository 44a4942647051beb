"""The key for secrets: its file, and the check value in the database that tells a node with a wrong key at once.

The file holds one Fernet key a line. The first encrypts, all decrypt, so a key is changed by putting the new one on
top on every node. All nodes of a cluster need the same file: only a single machine may make its own.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import exc, insert, select
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.store import models
from congressd.store.retry import LostRace

CHECK_SETTING: Final = "key_check"
CHECK_TEXT: Final = "congressd"


class Keys:
    """Encrypts JSON values to tokens and back. Never prints itself."""

    def __init__(self, keys: list[bytes], origin: str) -> None:
        """``origin`` says in messages where the keys come from. Raises ValueError for what is no Fernet key."""
        self.origin = origin
        self._box = MultiFernet([Fernet(key) for key in keys])

    def __repr__(self) -> str:
        return f"Keys({self.origin})"

    def encrypt(self, item: object) -> str:
        """A token for a JSON value."""
        return self._box.encrypt(jsontext.dumps(item)).decode("ascii")

    def decrypt(self, token: str) -> Any:
        """The JSON value of a token. Raises CongressError("secrets_key") if no key of ours made it."""
        try:
            return jsontext.loads(self._box.decrypt(token.encode("ascii", "replace")))
        except InvalidToken:
            raise CongressError(
                "secrets_key",
                f"no key of {self.origin} opens a secret of the database; put the key file there that all other"
                " nodes have",
            ) from None


def load(path: str | os.PathLike[str], *, create: bool) -> Keys:
    """The keys of a file. With ``create`` a missing file is made with a new key, readable by its owner only.

    Raises CongressError("secrets_key") for a missing file (without ``create``), one that cannot be read, and one
    that holds anything but keys.
    """
    file = Path(path)
    if create and not file.exists():
        _create(file)
    try:
        lines = file.read_bytes().split()
    except FileNotFoundError:
        raise CongressError(
            "secrets_key",
            f"the key file {file} does not exist; copy it from another node, or make the first one with"
            " `congressd db key`",
        ) from None
    except OSError as error:
        raise CongressError("secrets_key", f"the key file {file} cannot be read: {error.strerror}") from None
    try:
        if not lines:
            raise ValueError
        return Keys(lines, str(file))
    except ValueError:
        raise CongressError(
            "secrets_key",
            f"the key file {file} holds something else than keys; each line must be a Fernet key: 32 bytes in"
            " URL-safe base64",
        ) from None


def verify(session: Session, keys: Keys) -> None:
    """Compare the keys with the database's check value, which the first node writes. For `Database.run`.

    Raises CongressError("secrets_key") if the database belongs to another key: this node must not serve.
    """
    token = session.scalar(select(models.Setting.value).where(models.Setting.name == CHECK_SETTING))
    if token is None:
        try:
            session.execute(insert(models.Setting), {"name": CHECK_SETTING, "value": keys.encrypt(CHECK_TEXT)})
        except exc.IntegrityError as error:
            raise LostRace("another node wrote the check value") from error
    else:
        keys.decrypt(token)


def _create(file: Path) -> None:
    """Make the file whole or not at all; if another process is first, its file stands."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(Fernet.generate_key() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.link(name, file)
        except FileExistsError:
            pass  # the other process' key is as good as ours
        finally:
            os.unlink(name)
    except OSError as error:
        raise CongressError("secrets_key", f"the key file {file} cannot be made: {error.strerror}") from None
