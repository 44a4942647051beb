"""Probes of the machine: files' permissions, disks, units, versions, clocks."""

from __future__ import annotations

import os
import platform
import pwd
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from congressd import __version__
from congressd.daemon import wiring
from congressd.doctor.ask_bus import ask_brokers
from congressd.doctor.ask_daemons import ask_peers
from congressd.doctor.ask_database import FILE, ask_database, database_clock
from congressd.doctor.ask_haproxy import _bind
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Place

#: The units that matter here; those that are not installed are passed over.
UNITS: Final = (
    "congress-dsd.service",
    "congress-dsd-standby.service",
    "congress-pe@*.service",
    "congressd-galera-check.service",
    "congressd-firewall.service",
    "mariadb.service",
    "rabbitmq-server.service",
    "haproxy.service",
    "corosync.service",
    "pacemaker.service",
    "sbd.service",
    "pcsd.service",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that not everybody may read or write: ``mode`` as of chmod; ``secret`` if it holds secrets."""

    path: Path
    what: str
    mode: int
    owner: str
    secret: bool


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that directories are on, in bytes."""

    paths: tuple[str, ...]
    free: int
    total: int
    inodes_free: float  #: share


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of systemd."""

    name: str
    active: str
    result: str
    restarts: int
    enabled: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """How many seconds other clocks are ahead of ours, and how far that may be wrong."""

    ahead: dict[str, tuple[float, float]]
    synchronised: bool | None  #: None: nobody can say


def ask_permissions(place: Place) -> list[Kept]:
    """The files that matter and exist. Raises NotHere, Failed."""
    settings = place.need()
    default = settings.default
    key = default.encryption_key_path or default.data_dir
    named = [
        (place.config, "configuration, with passwords", True),
        (wiring.key_file(key) if key else None, "key of the secrets", True),
        (wiring.tokens_file(settings) if default.auth_strategy == "token" else None, "digests of the tokens", False),
        (Path(default.data_dir, FILE) if default.data_dir else None, "database", True),
        (_certificate(place), "key of the certificate", True),
    ]
    found = [_kept(path, what, secret) for path, what, secret in named if path is not None]
    kept = [each for each in found if each is not None]
    if not kept:
        raise NotHere("there is no file that must be kept from others")
    return kept


def _certificate(place: Place) -> Path | None:
    try:
        name = _bind(place).certificate
    except (NotHere, Failed):
        return None
    return Path(name) if name else None


def _kept(path: Path, what: str, secret: bool) -> Kept | None:
    try:
        about = path.stat()
    except OSError:
        return None  # the check that needs it says so
    try:
        owner = pwd.getpwuid(about.st_uid).pw_name
    except KeyError:
        owner = str(about.st_uid)
    return Kept(path, what, stat.S_IMODE(about.st_mode), owner, secret)


def ask_disks(place: Place) -> list[Disk]:
    """The disks of data and logs. Raises NotHere."""
    data = [Path(place.settings.default.data_dir)] if place.settings and place.settings.default.data_dir else []
    by_device: dict[int, list[Path]] = {}
    for path in [*data, *place.paths.disks]:
        try:
            by_device.setdefault(path.stat().st_dev, []).append(path)
        except OSError:
            continue
    found = []
    for paths in by_device.values():
        space, count = shutil.disk_usage(paths[0]), os.statvfs(paths[0])
        share = count.f_favail / count.f_files if count.f_files else 1.0
        found.append(Disk(tuple(str(path) for path in paths), space.free, space.total, share))
    if not found:
        raise NotHere("none of the directories of data and logs is here")
    return found


def ask_units(place: Place) -> list[Unit]:
    """What systemd says. Raises NotHere, Failed."""
    if not place.paths.systemd.is_dir():
        raise NotHere("systemd does not run this machine")
    names = "Id,LoadState,ActiveState,Result,NRestarts,UnitFileState"
    said = place.run("systemctl", "show", "--all", f"--property={names}", *UNITS)
    if said.code != 0:
        raise Failed(f"systemd does not answer: {said.complaint}", "`systemctl status`; run the doctor as root")
    found = read_units(said.text)
    if not found:
        raise NotHere("none of the units of a cluster is installed")
    return found


def read_units(text: str) -> list[Unit]:
    """The output of `systemctl show`, without the units that are not installed."""
    found = []
    for block in text.strip().split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if said.get("LoadState") == "loaded":
            restarts = said.get("NRestarts", "0")
            found.append(
                Unit(
                    name=said.get("Id", ""),
                    active=said.get("ActiveState", ""),
                    result=said.get("Result", ""),
                    restarts=int(restarts) if restarts.isdecimal() else 0,
                    enabled=said.get("UnitFileState", ""),
                )
            )
    return found


def ask_versions(place: Place) -> dict[str, str]:
    """The versions of everything that can be asked."""
    found = {"congressd": __version__, "Python": platform.python_version()}
    try:
        found["database"] = ask_database(place).version
    except (NotHere, Failed):
        pass
    try:
        found["RabbitMQ"] = next(each.version for each in ask_brokers(place) if each.version)
    except (NotHere, Failed, StopIteration):
        pass
    for name, program, argument in (("Pacemaker", "pacemakerd", "--version"), ("HAProxy", "haproxy", "-v")):
        try:
            said = place.run(program, argument)
        except (NotHere, Failed):
            continue
        if number := re.search(r"\d+\.\d+[.\d]*", said.text):
            found[name] = number[0]
    return found


def ask_clocks(place: Place) -> Clocks:
    """The database's clock, and those of all policy engines."""
    ahead: dict[str, tuple[float, float]] = {}
    try:
        ahead["the database"] = database_clock(place)
    except (NotHere, Failed):
        pass
    try:
        peers = ask_peers(place)
    except (NotHere, Failed):
        peers = []
    for each in peers:
        if each.ahead is not None and not each.address.startswith(("http://127.", "http://[::1]")):
            ahead[each.address] = (each.ahead, 1.0)  # HTTP tells whole seconds
    return Clocks(ahead, _synchronised(place))


def _synchronised(place: Place) -> bool | None:
    if not place.paths.systemd.is_dir():
        return None
    try:
        said = place.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    except (NotHere, Failed):
        return None
    return {"yes": True, "no": False}.get(said.text.strip())
