"""The checks: one literal table. Each line is one thing that is looked at, by one probe and one judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from congressd import __version__
from congressd.doctor import (
    ask_bus,
    ask_daemons,
    ask_database,
    ask_haproxy,
    ask_machine,
    ask_network,
    ask_pacemaker,
    judge_bus,
    judge_database,
    judge_machine,
    judge_network,
    judge_pacemaker,
    judge_service,
)
from congressd.doctor.finding import Finding
from congressd.doctor.place import Place

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check(Generic[T]):
    """``probe`` brings the facts about a place, or raises NotHere or Failed; ``judge`` says what they mean.

    ``deadline`` is the number of seconds after which the probe is given up.
    """

    name: str
    about: str
    probe: Callable[[Place], T]
    judge: Callable[[T], Sequence[Finding]]
    deadline: float = 12.0


def _configuration(place: Place) -> list[Finding]:
    return judge_machine.judge_configuration(
        place.settings is not None, place.complaints, str(place.config or "the configuration")
    )


def _itself(findings: list[Finding]) -> list[Finding]:
    return findings


# fmt: off
CHECKS: Final = (
    Check("configuration", "file, environment and options", _configuration, _itself),
    Check("versions", "of all parts, against what congressd is tried with", ask_machine.ask_versions,
          judge_machine.judge_versions, 20.0),
    Check("permissions", "of key, configuration, tokens, certificate", ask_machine.ask_permissions,
          judge_machine.judge_permissions),
    Check("disk", "space for data and logs", ask_machine.ask_disks, judge_machine.judge_disks),
    Check("clocks", "against the database's and the other nodes'", ask_machine.ask_clocks,
          lambda clocks: judge_service.judge_clocks(clocks.ahead, clocks.synchronised), 20.0),
    Check("units", "of systemd", ask_machine.ask_units, judge_machine.judge_units),
    Check("firewall", "keeps others from the cluster's ports", ask_network.ask_firewall,
          judge_network.judge_firewall),
    Check("names", "of the nodes, and what they mean here", ask_network.ask_names, judge_network.judge_names),
    Check("database", "answers, and takes writes", ask_database.ask_database, judge_database.judge_database),
    Check("schema", "is the one of this version", ask_database.ask_schema, judge_database.judge_schema),
    Check("key", "opens the secrets in the database", ask_database.ask_key, judge_database.judge_key),
    Check("galera", "members, state, flow control", ask_database.ask_galera, judge_database.judge_galera),
    Check("rabbitmq", "each broker takes us", ask_bus.ask_brokers, judge_bus.judge_brokers),
    Check("queues", "quorum, members, backlog, alarms", ask_bus.ask_queues, judge_bus.judge_queues, 24.0),
    Check("quorum", "votes of corosync", ask_pacemaker.ask_quorum, judge_pacemaker.judge_quorum),
    Check("pacemaker", "nodes and modes", ask_pacemaker.ask_cluster, judge_pacemaker.judge_cluster),
    Check("fencing", "is on, and its devices work", ask_pacemaker.ask_fencing, judge_pacemaker.judge_fencing),
    Check("resources", "of ours run where they should", ask_pacemaker.cluster_for_more,
          judge_pacemaker.judge_resources),
    Check("failures", "that Pacemaker remembers", ask_pacemaker.cluster_for_more, judge_pacemaker.judge_failures),
    Check("haproxy", "servers that calls may go to", ask_haproxy.ask_servers, judge_service.judge_servers),
    Check("address", "of the API: on one node, and ready", ask_haproxy.ask_address,
          judge_pacemaker.judge_address, 20.0),
    Check("certificate", "of the API: end and names, and that it is served", ask_haproxy.ask_certificate,
          lambda certificate: judge_machine.judge_certificate(certificate, datetime.now(UTC))),
    Check("daemons", "of this node, by their control sockets", ask_daemons.ask_daemons, judge_service.judge_daemons),
    Check("releases", "that daemons of this node run", ask_daemons.ask_releases, judge_service.judge_releases),
    Check("api", "of this node takes calls", ask_daemons.ask_apis, judge_service.judge_apis),
    Check("nodes", "of congressd that are heard", ask_daemons.ask_nodes, judge_service.judge_nodes),
    Check("peers", "policy engines of all nodes, their version", ask_daemons.ask_peers,
          lambda apis: judge_service.judge_peers(apis, __version__)),
    Check("lease", "a datasource node is active", ask_database.ask_lease, judge_database.judge_lease),
)
# fmt: on
NAMES: Final = tuple(each.name for each in CHECKS)
