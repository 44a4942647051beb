"""What follows from the state of Pacemaker and corosync. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from congressd.doctor.ask_pacemaker import Address, Cluster, Quorum, Resource, Watchdog
from congressd.doctor.finding import Finding, ok, or_fine, problem, warning

#: What the resources of ours are, by agent: they run once or once a node.
OURS: Final = ("ocf:congress:", "systemd:haproxy", "ocf:heartbeat:IPaddr2", "stonith:")


def judge_quorum(quorum: Quorum) -> list[Finding]:
    """Votes."""
    votes = f"{quorum.total} of {quorum.expected} votes"
    if not quorum.quorate:
        return [
            problem(
                f"no quorum: {votes}",
                "nothing runs here until more nodes are back: start them, and look at the links between them with "
                "`corosync-cfgtool -n`",
            )
        ]
    if quorum.total < quorum.expected:
        return [
            warning(
                f"quorum, but only {votes}",
                "bring the missing nodes back: `pcs status nodes` names them, `pcs cluster start NODE` starts one",
            )
        ]
    if quorum.expected < 3:
        return [
            warning(f"quorum, with {votes}", "have three nodes, so that any one may fail: add one to the inventory")
        ]
    return [ok(f"quorum, {votes}")]


def judge_cluster(cluster: Cluster) -> list[Finding]:
    """The nodes, and whether Pacemaker may do its work."""
    return or_fine(_cluster(cluster), f"{len(cluster.members)} nodes online, the coordinator is {cluster.dc}")


def _cluster(cluster: Cluster) -> Iterator[Finding]:
    if not cluster.dc:
        yield problem(
            "no node coordinates the cluster", "wait for the election; if it lasts, `journalctl -u pacemaker` says why"
        )
    for each in cluster.members:
        if each.unclean:
            yield problem(
                f"node {each.name} is unclean: nobody knows what runs on it, and it could not be powered off",
                f"see that it is off, then say so: `pcs stonith confirm {each.name}`; look at its fence device",
            )
        elif not each.online:
            yield problem(f"node {each.name} is offline", f"start it: `pcs cluster start {each.name}`")
        elif each.pending:
            yield warning(f"node {each.name} is joining", "look again in a minute; `journalctl -u pacemaker` there")
        elif each.maintenance:
            yield warning(
                f"node {each.name} is in maintenance: nothing is watched there",
                f"when you are done: `pcs node unmaintenance {each.name}`",
            )
        elif each.standby:
            yield warning(f"node {each.name} is in standby", f"when you are done: `pcs node unstandby {each.name}`")
    if cluster.options.get("maintenance-mode") == "true":
        yield warning(
            "the cluster is in maintenance mode: what fails stays down",
            "when you are done: `pcs property set maintenance-mode=false`",
        )
    if cluster.options.get("stop-all-resources") == "true":
        yield problem("all resources are told to stop", "`pcs property set stop-all-resources=false`")
    if cluster.options.get("no-quorum-policy") == "ignore":
        yield problem(
            "a node without quorum goes on as if it had it (no-quorum-policy=ignore)",
            "`pcs property set no-quorum-policy=stop`",
        )


def judge_fencing(told: Watchdog) -> list[Finding]:
    """Whether a node that hangs can be powered off."""
    cluster = told.cluster
    devices = [each for each in cluster.resources if each.agent.startswith("stonith:")]
    running = [each.id for each in devices if each.runs]
    how = f"{len(running)} fence devices run" if devices else f"watchdog, {told.timeout}"
    return or_fine(_fencing(told, devices), f"on: {how}")


def _fencing(told: Watchdog, devices: list[Resource]) -> Iterator[Finding]:
    cluster = told.cluster
    if told.used and told.sbd not in ("", "active"):
        yield problem(
            f"sbd is {told.sbd} on this node, and the others count on its watchdog (stonith-watchdog-timeout "
            f"{told.timeout}): it is not powered off when it hangs, and Pacemaker will not start here again",
            "`systemctl enable sbd`, then `pcs cluster stop` and `pcs cluster start` here; `journalctl -u sbd -e`",
        )
    if cluster.options.get("stonith-enabled") != "true":
        yield problem(
            "fencing is off: a node that hangs may go on as if nothing had happened while another does its work",
            "give `fence_devices` (or `fence_watchdog`) in the inventory and run site.yml; it sets stonith-enabled",
        )
        return
    if not devices and not told.used:
        yield problem(
            "fencing is on, and there is no fence device: nothing is recovered from a node that dies",
            "give `fence_devices` in the inventory and run site.yml",
        )
    for each in devices:
        if each.failed or not each.runs:
            yield problem(
                f"the fence device {each.id} does not run{' and has failed' if each.failed else ''}",
                f"mend what `pcs stonith status --full` says of it, then `pcs stonith cleanup {each.id}`",
            )
    latest: dict[str, tuple[str, str, str]] = {}
    for event in cluster.fencing:  # the newest first
        latest.setdefault(event.target, (event.status, event.reason, event.when))
    for target, (status, reason, when) in latest.items():
        if status == "failed":
            yield problem(
                f"the last try to power off {target} failed ({when}){': ' + reason if reason else ''}",
                f"try the device: `pcs stonith fence {target}` powers it off; when it is mended, "
                f"`pcs stonith history cleanup {target}`",
            )


def judge_resources(cluster: Cluster) -> list[Finding]:
    """Whether what is ours runs where it should."""
    ours = [each for each in cluster.resources if each.agent.startswith(OURS)]
    active = [each for each in ours if each.id == "dsd" and each.runs and each.role in ("Started", "Promoted")]
    where = f", the DSD on {', '.join(active[0].nodes)}" if active else ""
    return or_fine(_resources(cluster, ours), f"{sum(each.runs for each in ours)} run{where}")


def _resources(cluster: Cluster, ours: list[Resource]) -> Iterator[Finding]:
    if not any(each.agent.startswith("ocf:congress:") for each in ours):
        yield problem("Pacemaker has no resource of congressd", "run site.yml, or docs/operate.md has the commands")
        return
    yield from _copies(cluster, ours)
    singles = {each.id: each for each in ours if not _is_clone(each, cluster) and not each.agent.startswith("stonith:")}
    for each in singles.values():
        if not each.runs:
            yield problem(f"{each.id} runs nowhere", _why(each.id))
        elif len(each.nodes) > 1:
            yield problem(
                f"{each.id} runs on {' and '.join(each.nodes)}, and may on one node only",
                f"`pcs resource restart {each.id}`, and look why in `journalctl -u pacemaker`",
            )
    for each in ours:
        at = f" on {', '.join(each.nodes)}" if each.nodes else ""
        if each.blocked:
            yield problem(
                f"{each.id} is blocked{at}: it could not be stopped",
                f"stop it by hand there, then `pcs resource cleanup {each.id}`",
            )
        elif each.failed and not each.agent.startswith("stonith:"):
            yield problem(f"{each.id} has failed{at}", _why(each.id))
        if not each.managed:
            yield warning(
                f"{each.id} is not managed{at}: what fails stays down",
                f"when you are done: `pcs resource manage {each.parent or each.id}`",
            )
        if each.orphaned:
            yield warning(
                f"{each.id} runs{at} although it is no longer configured", f"`pcs resource cleanup {each.id}`"
            )
    for constraint, resource, node in cluster.bans:
        if constraint.startswith("cli-"):  # by somebody's command, not by the configuration
            yield warning(f"{resource} is banned from {node}", f"when you are done: `pcs resource clear {resource}`")


def _copies(cluster: Cluster, ours: list[Resource]) -> Iterator[Finding]:
    """Clones: one on each node that may run anything; of a promotable one, one promoted."""
    able = {each.name for each in cluster.members if each.online and not each.standby and not each.pending}
    clones = {each.id for each in ours if _is_clone(each, cluster)}
    for name in sorted(clones):
        parts = [each for each in ours if each.id == name]
        running = {node for each in parts if each.runs for node in each.nodes}
        banned = {node for _, resource, node in cluster.bans if resource in (name, parts[0].parent)}
        for node in sorted(able - running - banned):
            yield problem(f"{name} does not run on {node}", _why(name))
        if any(each.role in ("Promoted", "Unpromoted", "Master", "Slave") for each in parts):
            promoted = [node for each in parts if each.role in ("Promoted", "Master") for node in each.nodes]
            if len(promoted) != 1:
                told = f"is promoted on {' and '.join(promoted)}" if promoted else "is promoted nowhere"
                yield problem(f"{name} {told}; it must be on one node", _why(name))


def _is_clone(resource: Resource, cluster: Cluster) -> bool:
    return resource.parent in cluster.clones


def _why(name: str) -> str:
    return f"`pcs status --full` has the reason; when it is mended, `pcs resource cleanup {name}`"


def judge_failures(cluster: Cluster) -> list[Finding]:
    """Failed actions that Pacemaker remembers."""
    return or_fine(_failures(cluster), "no failed actions")


def _failures(cluster: Cluster) -> Iterator[Finding]:
    for each in cluster.failures:
        name = each.what.rsplit("_", 2)[0]
        reason = each.reason or each.text
        if each.degraded:
            yield warning(
                f"{each.what} on {each.node}: it works, but {reason} ({each.when})",
                f"mend what it names; `pcs resource cleanup {name}` removes the line when it is over",
            )
        else:
            yield warning(
                f"{each.what} on {each.node} failed: {reason} ({each.when})",
                f"`journalctl --since '10 min ago' -u 'congress-*'` there; when it is mended, "
                f"`pcs resource cleanup {name}`",
            )
    told = {(each.what.rsplit("_", 2)[0], each.node) for each in cluster.failures}
    for name, node, count in cluster.fail_counts:
        if (name, node) not in told:
            yield warning(
                f"{name} failed {'too often' if count == 'INFINITY' else count + ' times'} on {node}",
                f"when it is mended, `pcs resource cleanup {name}`",
            )


def judge_address(address: Address) -> list[Finding]:
    """One node has the API's address, and what answers there is ready."""
    return or_fine(_address(address), f"{address.ip} is on {', '.join(address.holders)}, and {address.url} is ready")


def _address(address: Address) -> Iterator[Finding]:
    name, ip = address.resource, address.ip
    if len(address.holders) != 1:
        where = f"on {' and '.join(address.holders)}" if address.holders else "on no node"
        yield problem(f"the API's address {ip} ({name}) is {where}; it must be on one", _why(name))
    if address.held and address.here not in address.holders:
        yield problem(
            f"this node has the address {ip}, and Pacemaker does not know it: two nodes may have it",
            f"see who should have it with `pcs status`; else remove it here: `ip address del {ip} dev LINK`",
        )
    elif not address.held and address.here in address.holders:
        yield problem(
            f"Pacemaker says that this node has the address {ip}, and it has not", f"`pcs resource cleanup {name}`"
        )
    if address.answer:
        yield problem(
            f"the API's address does not serve: {address.answer}",
            "`curl http://127.0.0.1:8404/metrics` on the node that has it shows which policy engines HAProxy sees; "
            "`systemctl status haproxy 'congress-pe@*'`",
        )
