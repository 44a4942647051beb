"""Packs a bundle for a bug report: what the collectors bring, without secrets, in one archive."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from congressd import __version__
from congressd.doctor.collect import COLLECTORS, Collector, key_text
from congressd.doctor.deadlines import Task, run_all
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Place
from congressd.doctor.scrub import Scrubber, known_secrets, learn

LONGEST: Final = 60.0  #: seconds for all collectors
LARGEST: Final = 20_000_000  #: characters of one file; of a longer one the end is kept
CONTENTS: Final = "contents.json"  #: what is in the bundle, and what could not be collected


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle: its text, or why there is none."""

    file: str
    text: str = ""
    missing: str = ""


def collect(
    place: Place,
    since: float,
    *,
    told: Callable[[int, int, Sequence[str]], object] = lambda done, of, waiting: None,
    collectors: Sequence[Collector] = COLLECTORS,
    longest: float = LONGEST,
) -> list[Part]:
    """What all collectors bring, without secrets. ``since`` is the time (since 1970) from which on logs are wanted.

    Never raises: a collector that fails or takes too long leaves a part that says so.
    """
    tasks = {each.file: Task(partial(_bring, each, place, since), each.deadline) for each in collectors}
    brought = run_all(tasks, longest, told)
    parts = [
        brought[each.file] or Part(each.file, missing=f"no answer within {min(each.deadline, longest):.0f} s")
        for each in collectors
    ]
    teachers = {each.file for each in collectors if each.teaches}
    known = known_secrets(place.settings, key_text(place)) if place.settings else set()
    for part in parts:
        if part.file in teachers:
            known |= learn(part.text)
    scrub = Scrubber(known)
    return [Part(part.file, _end(scrub(part.text)), scrub(part.missing)) for part in parts]


def _bring(collector: Collector, place: Place, since: float) -> Part:
    try:
        return Part(collector.file, collector.bring(place, since))
    except (NotHere, Failed) as error:
        return Part(collector.file, missing=str(error))
    except Exception as error:
        return Part(collector.file, missing=f"{type(error).__name__}: {error}")


def _end(text: str) -> str:
    """The end of a text, from the beginning of a line."""
    return text if len(text) <= LARGEST else text[-LARGEST:].partition("\n")[2]


def write(parts: Sequence[Part], path: Path, name: str) -> int:
    """Write the archive, readable by its owner only; ``name`` is the directory in it. Its size in bytes.

    Raises OSError; a file that exists is never overwritten.
    """
    contents = {
        "congressd": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": [{"file": part.file, "characters": len(part.text)} for part in parts if not part.missing],
        "missing": {part.file: part.missing for part in parts if part.missing},
    }
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
            _add(archive, f"{name}/{CONTENTS}", json.dumps(contents, indent=1) + "\n")
            for part in parts:
                if not part.missing:
                    _add(archive, f"{name}/{part.file}", part.text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path.stat().st_size


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode("utf-8", "surrogateescape")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
    archive.addfile(entry, io.BytesIO(content))
