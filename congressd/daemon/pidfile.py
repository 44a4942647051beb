"""The PID file: who runs as this instance, and the lock that lets only one do so.

The lock, not the number, is the proof: it ends with the last process of the daemon, however that ended.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Final

from congressd.daemon.start import StartError

WAIT: Final = 3.0  #: seconds for a predecessor that is about to end


class PidFile:
    """A PID file that is held. Its lock passes on to child processes, and ends when all of them have ended."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Remove the file and let the lock go."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def claim(path: Path, wait: float = WAIT) -> PidFile:
    """Take the PID file for this process. Waits up to ``wait`` seconds for another one to end. Raises StartError."""
    deadline = time.monotonic() + wait
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if _locked(descriptor):
                if _is_at(path, descriptor):
                    break
                os.close(descriptor)  # its owner removed it just now
                continue
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise StartError(
                    f"{path} is held by process {holder}, which runs as this instance already; stop that one, or give "
                    f"this one another --instance"
                )
            time.sleep(0.02)
    except OSError as error:
        raise StartError(
            f"the PID file {path} cannot be written: {error.strerror}; give the user that runs congressd the right to "
            f"write there, or name another directory with [DEFAULT]/run_dir"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return PidFile(path, descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN):
            raise
        return False
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
