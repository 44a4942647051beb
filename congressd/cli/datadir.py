"""The directory of the all-in-one service: made, private, writable, and used by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from congressd.daemon.start import StartError

__all__ = ["DATABASE", "LOG_FILE", "StartError", "announce", "claim"]

DATABASE = "congressd.db"
LOG_FILE = "congressd.log"
_LOCK = "lock"


def claim(path: Path, wait: float = 3.0) -> int:
    """Make the directory if it is missing and take it for this process and its children, until all of them ended.

    Waits up to ``wait`` seconds for a process that is about to end. Returns the descriptor that holds the claim.
    Raises StartError.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except NotADirectoryError:
        raise StartError(f"{path} is not a directory; give another one with --data-dir") from None
    except FileExistsError:
        raise StartError(f"{path} is a file, not a directory; give another one with --data-dir") from None
    except OSError as error:
        raise StartError(
            f"the data directory {path} cannot be written: {error.strerror}. Give another one with --data-dir, "
            f"or the rights on it to the user that runs congressd"
        ) from None
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
                raise StartError(f"the data directory {path} cannot be locked: {error.strerror}") from None
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").partition("\n")[0].strip() or "unknown"
            os.close(descriptor)
            raise StartError(
                f"the data directory {path} is in use by another congressd (process {holder}). Stop that one, or give "
                f"this one a directory of its own with --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return descriptor


def announce(descriptor: int, host: str, port: int) -> None:
    """Write behind the process where it listens, for `congressd doctor`. ``descriptor`` holds the claim."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n{host}\n{port}\n".encode(), 0)
