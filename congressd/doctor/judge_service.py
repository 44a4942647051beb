"""What follows from what congressd's own processes say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from congressd.doctor.ask_daemons import Daemon, Release
from congressd.doctor.ask_haproxy import Server
from congressd.doctor.ask_http import Api
from congressd.doctor.finding import Finding, not_here, ok, or_fine, problem, warning

WORK_AGE: Final = 30.0  #: seconds in which the work loop of a daemon turns, by far
LAG: Final = 50  #: revisions that a node may be behind for a moment

_LOG: Final = "`journalctl -u 'congress-*' --since '10 min ago'`"


def judge_daemons(daemons: Sequence[Daemon]) -> list[Finding]:
    """Whether each works."""
    return or_fine(
        (finding for each in daemons for finding in _daemon(each)), "; ".join(_line(each) for each in daemons)
    )


def _line(daemon: Daemon) -> str:
    said = daemon.said
    parts = [f"{daemon.name} {said.get('state')}"]
    parts += [f"epoch {said['epoch']}"] if said.get("epoch") else []
    parts += [f"last batch {said['last_batch_age']:.0f} s ago"] if said.get("last_batch_age") is not None else []
    return ", ".join(parts)


def _daemon(daemon: Daemon) -> Iterator[Finding]:
    name, said = daemon.name, daemon.said
    if daemon.silence:
        yield problem(
            f"{name} does not answer: {daemon.silence}",
            f"{_LOG} says how it ended; Pacemaker starts it again, without Pacemaker `systemctl restart {unit(name)}`",
        )
        return
    if float(said.get("work_age") or 0) > WORK_AGE:
        yield problem(
            f"{name} hangs: its work loop has not turned for {said['work_age']:.0f} s",
            f"`congressd bundle` keeps the traces, then {_again(name)}",
        )
    if said.get("database") is False:
        yield problem(f"{name} has no database", "`congressd doctor --only database --only galera` says why")
    if said.get("bus") is False:
        yield problem(f"{name} has no bus", "`congressd doctor --only rabbitmq --only queues` says why")
    if said.get("state") == "starting" and said.get("database") is not False and said.get("bus") is not False:
        yield warning(
            f"{name} is not ready: {said.get('reason') or 'it says no reason'}", f"wait a moment, or read {_LOG}"
        )
    if said.get("state") == "draining":
        yield warning(f"{name} takes no more calls: it was told to drain", f"{_again(name)} ends that")
    failing = list(said.get("failing") or ())
    if failing:
        yield warning(
            f"{name}: {len(failing)} of {said.get('sources')} sources cannot be read: {', '.join(failing[:5])}",
            f"`congress source show {failing[0]}` has the error",
        )


def judge_releases(releases: Sequence[Release]) -> list[Finding]:
    """Whether what runs is what is installed."""
    return or_fine(
        (
            warning(
                f"{each.daemon} runs the release {each.runs}, and {each.installed} is installed",
                "finish the upgrade: run rolling-upgrade.yml",
            )
            for each in releases
            if each.runs != each.installed
        ),
        f"{len(releases)} daemons run {releases[0].installed}, which is installed",
    )


def unit(name: str) -> str:
    """The unit of a daemon without Pacemaker, such as ``congress-pe@1`` of ``pe-1``."""
    role, _, instance = name.partition("-")
    return "congress-dsd" if role == "dsd" else f"congress-pe@{instance}"


def _again(name: str) -> str:
    """How to restart a daemon that runs: a DSD has a unit for each layout, and the other must not be started."""
    running = "'congress-dsd*'" if name.startswith("dsd") else unit(name)
    return f"`systemctl try-restart {running}`"


def judge_apis(apis: Sequence[Api]) -> list[Finding]:
    """Whether the API of this node takes calls."""
    return or_fine((finding for each in apis for finding in _api(each)), f"{', '.join(a.address for a in apis)} ready")


def _api(api: Api) -> Iterator[Finding]:
    if api.silence:
        yield problem(
            f"{api.address}: {api.silence}",
            "start the service: `congressd serve --data-dir DIR` on one machine; in a cluster `pcs status` says why it "
            "does not run here",
        )
        return
    if not api.ready:
        yield warning(
            f"{api.address} is not ready: {'; '.join(api.missing) or 'it does not say why'}",
            "it takes no calls until what it names has come; `congress source list` shows sources that cannot be read",
        )
    if api.access != "fine":
        yield problem(f"{api.address}: {api.access}", "mend the file of tokens: `congressd token list`")


def judge_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Whether all nodes of congressd are heard, one publishes, and all have the same version."""
    return or_fine(_nodes(nodes), f"{len(nodes)} heard: {', '.join(str(each.get('node')) for each in nodes)}")


def _nodes(nodes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    heard = [each for each in nodes if each.get("state") != "silent"]
    for each in nodes:
        if each.get("state") == "silent":
            yield warning(
                f"{each.get('node')} has not been heard for {float(each.get('silent_seconds') or 0):.0f} s",
                "if it was taken away for good, it is forgotten after an hour; else `pcs status` says why it is down",
            )
    active = [str(each.get("node")) for each in heard if each.get("state") == "active"]
    if not active:
        yield problem(
            "no datasource node is active: rows stay as they are, pushes wait",
            "`pcs status` says why the DSD does not run",
        )
    elif len(active) > 1:
        yield warning(
            f"{' and '.join(active)} say that they are active",
            "the one with the lower epoch is refused by all, and ends within its lease; if both stay, stop one",
        )
    top = max((int(each.get("revision") or 0) for each in heard), default=0)
    for each in heard:
        if each.get("role") == "pe" and top - int(each.get("revision") or 0) > LAG:
            yield warning(
                f"{each.get('node')} is {top - int(each.get('revision') or 0)} revisions of policies behind",
                f"look there with {_LOG}",
            )
    yield from different({str(each.get("node")): str(each.get("version")) for each in heard if each.get("version")})


def different(versions: Mapping[str, str]) -> Iterator[Finding]:
    """Whether all nodes have the same version of congressd."""
    if len(set(versions.values())) > 1:
        by_version: dict[str, list[str]] = {}
        for node, version in sorted(versions.items()):
            by_version.setdefault(version, []).append(node)
        told = "; ".join(f"{version} on {', '.join(nodes)}" for version, nodes in sorted(by_version.items()))
        yield warning(
            f"nodes have different versions of congressd: {told}", "finish the upgrade: run rolling-upgrade.yml again"
        )


def judge_peers(apis: Sequence[Api], mine: str) -> list[Finding]:
    """Whether the policy engines of all nodes answer this one, with this version."""
    return or_fine(_peers(apis, mine), f"{len(apis)} policy engines, all with congressd {mine}")


def _peers(apis: Sequence[Api], mine: str) -> Iterator[Finding]:
    for each in apis:
        if each.silence:
            yield warning(
                f"{each.address}: {each.silence}", "`pcs status` says why it does not run, or look at the link to it"
            )
    yield from different({"this program": mine} | {each.address: each.version for each in apis if each.version})


def judge_servers(servers: Sequence[Server]) -> list[Finding]:
    """What HAProxy may send calls to."""
    if not servers:
        return [not_here("HAProxy has no servers of congressd")]
    return or_fine(_servers(servers), f"{len(servers)} servers, all up")


def _servers(servers: Sequence[Server]) -> Iterator[Finding]:
    for backend, noun in (("pe", "policy engine"), ("db", "database")):
        ours = [each for each in servers if each.backend == backend]
        down = [each for each in ours if not each.status.startswith(("UP", "no check"))]
        if ours and len(down) == len(ours):
            yield problem(
                f"HAProxy has no {noun} to send to: {_seen(down)}",
                "`congressd doctor --only api --only galera` on each node says why",
            )
        elif down:
            yield warning(
                f"HAProxy sends nothing to {_seen(down)}",
                "`curl http://NODE:1790/readyz` says what is missing there"
                if backend == "pe"
                else "`congressd doctor --only galera` there says why",
            )


def _seen(servers: Sequence[Server]) -> str:
    return ", ".join(f"{each.name} ({each.status}{', ' + each.check if each.check else ''})" for each in servers)


def judge_clocks(ahead: Mapping[str, tuple[float, float]], synchronised: bool | None) -> list[Finding]:
    """``ahead`` is for each other clock how many seconds it is before ours, and how far that may be wrong."""
    findings = list(_clocks(ahead))
    if synchronised is False:
        findings.append(
            warning("this node's clock is not synchronised", "`apt install chrony`, `timedatectl set-ntp true`")
        )
    worst = max((max(abs(by) - wrong, 0.0) for by, wrong in ahead.values()), default=0.0)
    told = f"{len(ahead)} other clocks differ by less than {max(worst, 0.5) + 0.5:.0f} s" if ahead else "synchronised"
    if not ahead and synchronised is None:
        return [not_here("no other clock to compare with")]
    return findings or [ok(told)]


def _clocks(ahead: Mapping[str, tuple[float, float]]) -> Iterator[Finding]:
    for name, (by, wrong) in ahead.items():
        least = abs(by) - wrong
        if least > 0.5:
            say = problem if least > 10 else warning
            yield say(
                f"the clock of {name} is {abs(by):.1f} s {'ahead of' if by > 0 else 'behind'} this node's",
                "synchronise both (`timedatectl status`): ages, the end of tokens and the order of logs rest on it",
            )
