"""What goes into a bundle for a bug report: one literal table of collectors, each a text with a deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from congressd.config.load import options
from congressd.daemon import wiring
from congressd.doctor import run
from congressd.doctor.ask_bus import PATIENCE as RABBIT_PATIENCE
from congressd.doctor.ask_bus import QUEUE_COLUMNS
from congressd.doctor.ask_daemons import ask_daemons, ask_nodes
from congressd.doctor.ask_database import ask_galera
from congressd.doctor.ask_haproxy import command
from congressd.doctor.ask_machine import UNITS
from congressd.doctor.ask_pacemaker import MONITOR
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import Place
from congressd.doctor.scrub import REMOVED, passwords

JOURNAL_LINES: Final = 50_000
LOG_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Collector:
    """``bring`` returns the text for a file of the bundle, or raises NotHere or Failed; it is given the place and the
    time since which logs are wanted. What ``teaches`` is a configuration: secrets found in it are removed everywhere.
    """

    file: str
    bring: Callable[[Place, float], str]
    teaches: bool = False
    deadline: float = 20.0


def _doctor(place: Place, since: float) -> str:
    return _json(run.document(run.run(place)))


def _effective(place: Place, since: float) -> str:
    """Every option with the value that holds, secrets removed."""
    settings = place.need()
    lines: list[str] = []
    for row in options():
        value = str(getattr(getattr(settings, row.group.lower()), row.name))
        if row.about.secret and value:
            hosts = value
            for each in passwords(value):
                hosts = hosts.replace(each, REMOVED)
            value = hosts if "://" in value else REMOVED
        if f"[{row.group}]" not in lines:
            lines += ["", f"[{row.group}]"]
        lines.append(f"{row.name} = {value}")
    return "\n".join(lines).lstrip() + "\n"


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise NotHere(f"there is no {path}") from None
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", "") from None


def _configuration(place: Place, since: float) -> str:
    if place.config is None:
        raise NotHere("there is no configuration file")
    return _file(place.config)


def _tail(path: Path) -> str:
    """The end of a log, from the beginning of a line."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - LOG_BYTES))
            text = stream.read(LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        raise NotHere(f"there is no {path}") from None
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}", "") from None
    return text if size <= LOG_BYTES else text.partition("\n")[2]


def _service_log(place: Place, since: float) -> str:
    default = place.need().default
    if not default.data_dir:
        raise NotHere("there is no data_dir, so no log of one process")
    return _tail(Path(default.data_dir, "congressd.log"))


def _versions(place: Place, since: float) -> str:
    packages = sorted({f"{each.name} {each.version}" for each in metadata.distributions()}, key=str.lower)
    told = [f"{name} {version}" for name, version in place_versions(place).items()]
    return "\n".join([*told, "", *packages]) + "\n"


def place_versions(place: Place) -> dict[str, str]:
    """The versions that the doctor looks at."""
    from congressd.doctor.ask_machine import ask_versions

    return ask_versions(place)


def _daemons(place: Place, since: float) -> str:
    told: dict[str, Any] = {
        "daemons": [{"name": e.name, **(e.said or {"silence": e.silence})} for e in ask_daemons(place)]
    }
    try:
        told["nodes"] = ask_nodes(place)
    except NotHere as error:
        told["nodes"] = str(error)
    return _json(told)


def _journal(place: Place, since: float) -> str:
    units = [f"--unit={each}" for each in UNITS]
    return _program("journalctl", *units, "--no-pager", "--output=short-iso-precise", f"--lines={JOURNAL_LINES}",
                    since="--since=@{:.0f}", deadline=30.0)(place, since)  # fmt: skip


def _program(program: str, *arguments: str, since: str = "", deadline: float = 15.0) -> Callable[[Place, float], str]:
    """A collector that runs a program; ``since`` is the option that takes the time."""

    def bring(place: Place, begin: float) -> str:
        more = [since.format(begin)] if since else []
        said = place.run(program, *arguments, *more, deadline=deadline)
        errors = f"\n(exit code {said.code}) {said.errors}" if said.code or (said.errors and not said.text) else ""
        return said.text + errors

    return bring


def _rabbit(*arguments: str) -> Callable[[Place, float], str]:
    return _program("rabbitmqctl", "--quiet", *arguments, deadline=RABBIT_PATIENCE)


def _haproxy(what: str) -> Callable[[Place, float], str]:
    return lambda place, since: command(place, what)


def _galera(place: Place, since: float) -> str:
    return _json(
        [{"node": each.where, "status": each.status, "variables": each.variables} for each in ask_galera(place)]
    )


def _machine(place: Place, since: float) -> str:
    parts = []
    for program, *arguments in (
        ("uname", "-a"), ("uptime",), ("free", "-m"), ("df", "-hT"), ("df", "-i"), ("ip", "-brief", "address"),
        ("ps", "-eo", "pid,ppid,user,stat,pcpu,rss,etime,comm", "--sort=-rss"), ("timedatectl",),
        ("cat", "/etc/os-release"),
    ):  # fmt: skip
        try:
            said = place.run(program, *arguments, deadline=5.0).text
        except (NotHere, Failed) as error:
            said = f"({error})\n"
        parts.append(f"$ {program} {' '.join(arguments)}\n{said}")
    return "\n".join(parts)


def _permissions(place: Place, since: float) -> str:
    from congressd.doctor.ask_machine import ask_permissions

    return _json([[str(e.path), e.what, f"{e.mode:04o}", e.owner] for e in ask_permissions(place)])


def _json(item: object) -> str:
    return json.dumps(item, indent=1, ensure_ascii=False, default=str) + "\n"


def key_text(place: Place) -> str:
    """The keys for secrets, so that they can be removed; empty if they cannot be read."""
    default = place.settings.default if place.settings else None
    given = (default.encryption_key_path or default.data_dir) if default else ""
    try:
        return wiring.key_file(given).read_text(encoding="ascii", errors="replace") if given else ""
    except OSError:
        return ""


def span(text: str) -> float:
    """Seconds of a time such as 90m, 2h or 3d. Raises ValueError."""
    units = {"m": 60.0, "h": 3600.0, "d": 86400.0}
    if text[:-1].isdecimal() and text[-1:] in units and len(text) <= 6:
        return int(text[:-1]) * units[text[-1]]
    raise ValueError(f"{text!r} is no time; write minutes, hours or days, such as 90m, 2h or 3d")


def begin_of(text: str) -> float:
    """The moment so long ago. Raises ValueError."""
    return time.time() - span(text)


# fmt: off
COLLECTORS: Final = (
    Collector("doctor.json", _doctor, deadline=35.0),
    Collector("versions.txt", _versions, deadline=25.0),
    Collector("machine.txt", _machine, deadline=30.0),
    Collector("permissions.json", _permissions),
    Collector("configuration/effective.conf", _effective),
    Collector("configuration/congressd.conf", _configuration, teaches=True),
    Collector("configuration/haproxy.cfg", lambda place, since: _file(place.paths.haproxy_config), teaches=True),
    Collector("daemons.json", _daemons),
    Collector("journal.log", _journal, deadline=35.0),
    Collector("congressd.log", _service_log),
    Collector("pacemaker/crm_mon.xml", _program("crm_mon", *MONITOR)),
    Collector("pacemaker/cib.xml", _program("cibadmin", "--query"), teaches=True),
    Collector("pacemaker/fencing.txt", _program("stonith_admin", "--history", "*", "--verbose")),
    Collector("pacemaker/quorum.txt", _program("corosync-quorumtool", "-s")),
    Collector("pacemaker/links.txt", _program("corosync-cfgtool", "-n")),
    Collector("haproxy/servers.csv", _haproxy("show stat")),
    Collector("haproxy/info.txt", _haproxy("show info")),
    Collector("rabbitmq/cluster.json", _rabbit("--formatter", "json", "cluster_status"), deadline=30.0),
    Collector("rabbitmq/queues.json", _rabbit("--formatter", "json", "list_queues", *QUEUE_COLUMNS), deadline=30.0),
    Collector("galera.json", _galera),
)
# fmt: on
