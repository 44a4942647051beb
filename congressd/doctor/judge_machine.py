"""What follows from the state of the machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from congressd.doctor.ask_haproxy import Certificate
from congressd.doctor.ask_machine import Disk, Kept, Unit
from congressd.doctor.finding import Finding, or_fine, problem, warning
from congressd.doctor.judge_network import is_address

#: The oldest version that congressd was tried with.
OLDEST: Final[Mapping[str, tuple[int, ...]]] = {
    "Python": (3, 11),
    "database": (10, 11),
    "RabbitMQ": (3, 10),
    "Pacemaker": (2, 1),
    "HAProxy": (2, 6),
}
GIGABYTE: Final = 1024**3
RENEW_DAYS: Final = 21

#: What Pacemaker starts: systemd must not.
PACEMAKERS: Final = ("congress-dsd", "congress-pe@", "haproxy")


def judge_configuration(readable: bool, complaints: Sequence[str], name: str) -> list[Finding]:
    """``complaints`` are what is wrong with a configuration, or only to be noted if it is ``readable``."""
    if not readable:
        return [problem(each, f"mend it; `congressd config check {name}` looks again") for each in complaints]
    return or_fine((warning(each, f"remove it from {name}") for each in complaints), f"{name} is fine")


def judge_versions(versions: Mapping[str, str]) -> list[Finding]:
    """Whether congressd was tried with these."""
    return or_fine(_versions(versions), ", ".join(f"{name} {version}" for name, version in versions.items()))


def _versions(versions: Mapping[str, str]) -> Iterator[Finding]:
    for name, oldest in OLDEST.items():
        version = versions.get(name, "")
        number = re.match(r"(\d+)\.(\d+)", version)
        if number and (int(number[1]), int(number[2])) < oldest[:2]:
            wanted = ".".join(map(str, oldest))
            noun = "MariaDB" if name == "database" else name
            yield warning(
                f"{noun} {version} is older than what congressd is tried with ({wanted})", f"upgrade {noun} to {wanted}"
            )


def judge_permissions(files: Sequence[Kept]) -> list[Finding]:
    """Who may read and write what."""
    return or_fine(
        (finding for each in files for finding in _permissions(each)), f"{len(files)} files, kept from others"
    )


def _permissions(file: Kept) -> Iterator[Finding]:
    mode = f"{file.mode:04o}, of {file.owner}"
    if file.mode & 0o022:
        yield problem(
            f"{file.path} ({file.what}) can be changed by others than its owner ({mode})", f"`chmod go-w {file.path}`"
        )
    if file.secret and file.mode & 0o007:
        yield problem(f"{file.path} ({file.what}) can be read by everybody ({mode})", f"`chmod o= {file.path}`")


def judge_disks(disks: Sequence[Disk]) -> list[Finding]:
    """Whether there is room."""
    least = min(disks, key=lambda disk: disk.free / max(disk.total, 1))
    return or_fine(
        (finding for each in disks for finding in _disk(each)),
        f"{_size(least.free)} of {_size(least.total)} free where {least.paths[0]} is",
    )


def _disk(disk: Disk) -> Iterator[Finding]:
    share = disk.free / disk.total if disk.total else 1.0
    told = f"{_size(disk.free)} of {_size(disk.total)} free ({100 * share:.0f} %) for {', '.join(disk.paths)}"
    advice = (
        f"see what takes it: `du -xh --max-depth=2 {disk.paths[0]} | sort -h | tail`; `journalctl --vacuum-size=500M`"
    )
    if disk.free < GIGABYTE / 4 or (share < 0.02 and disk.free < 20 * GIGABYTE):
        yield problem(f"{told}: database and broker stop when it is full", advice)
    elif disk.free < GIGABYTE or (share < 0.1 and disk.free < 20 * GIGABYTE):
        yield warning(told, advice)
    if disk.inodes_free < 0.05:
        yield warning(
            f"{100 * disk.inodes_free:.0f} % of the inodes are free for {', '.join(disk.paths)}",
            "look for a directory with very many files: `du --inodes -x / | sort -n | tail`",
        )


def _size(number: int) -> str:
    return f"{number / GIGABYTE:.1f} GB"


def judge_units(units: Sequence[Unit]) -> list[Finding]:
    """Whether what should run runs, and systemd does not start what Pacemaker starts."""
    active = [each.name.removesuffix(".service") for each in units if each.active == "active"]
    return or_fine(_units(units), f"{', '.join(active) or 'none'} active")


def _units(units: Sequence[Unit]) -> Iterator[Finding]:
    cluster = any(each.name == "pacemaker.service" and each.active == "active" for each in units)
    for each in units:
        name = each.name.removesuffix(".service")
        ours = name.startswith(PACEMAKERS)
        if each.active == "failed":
            again = "`pcs resource cleanup` starts it" if cluster and ours else f"`systemctl restart {name}`"
            yield problem(
                f"the unit {name} has failed ({each.result})",
                f"`journalctl -u {name} -e` says why; when it is mended, {again}",
            )
        elif each.enabled == "enabled" and each.active not in ("active", "activating") and not (cluster and ours):
            yield problem(f"the unit {name} does not run", f"`systemctl start {name}`; `journalctl -u {name} -e`")
        if cluster and ours and each.enabled == "enabled":
            yield warning(
                f"systemd starts {name} at boot, beside Pacemaker", f"`systemctl disable {name}`: Pacemaker starts it"
            )
        if each.restarts >= 3:
            yield warning(
                f"systemd has started {name} again {each.restarts} times", f"`journalctl -u {name} -e` says why"
            )


def judge_certificate(certificate: Certificate, now: datetime) -> list[Finding]:
    """Whether clients will take it."""
    until = f"{certificate.ends:%Y-%m-%d}"
    names = ", ".join(certificate.names) or "no name"
    return or_fine(_certificate(certificate, now), f"for {names}, until {until}")


def _certificate(certificate: Certificate, now: datetime) -> Iterator[Finding]:
    file = certificate.file
    advice = "put a new one, with its key, where `api_certificate` of the inventory says, and run site.yml"
    days = (certificate.ends - now).total_seconds() / 86400
    if days < 0:
        yield problem(f"{file} ended on {certificate.ends:%Y-%m-%d}: clients refuse it", advice)
    elif days < RENEW_DAYS:
        yield warning(f"{file} ends in {days:.0f} days", advice)
    if certificate.served is False:
        yield problem(
            f"the certificate that the API at {certificate.address} shows is not the one of {file}",
            "`systemctl reload haproxy` on the node that has the address; site.yml puts the same file on all nodes",
        )
    if certificate.begins > now:
        yield problem(
            f"{file} begins on {certificate.begins:%Y-%m-%d} only", "look at this node's clock; else " + advice
        )
    if not certificate.names:
        yield warning(f"{file} names no host (subjectAltName): clients refuse it", advice)
    elif not any(not is_address(each) for each in certificate.names) and certificate.address not in certificate.names:
        yield warning(
            f"{file} is for {', '.join(certificate.names)}, and the API's address is {certificate.address}", advice
        )
