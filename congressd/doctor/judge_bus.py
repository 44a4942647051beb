"""What follows from the state of RabbitMQ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from congressd.doctor.ask_bus import Broker, Brokers, Queue
from congressd.doctor.finding import Finding, or_fine, problem, warning

BACKLOG: Final = 1000  #: messages that wait in one queue
SHOWN: Final = 5  #: queues that are named


def judge_brokers(brokers: Sequence[Broker]) -> list[Finding]:
    """Whether each takes us."""
    return or_fine(
        _brokers(brokers), f"{len(brokers)} of {len(brokers)} answer: {', '.join(b.address for b in brokers)}"
    )


def _brokers(brokers: Sequence[Broker]) -> Iterator[Finding]:
    away = [each for each in brokers if each.refusal]
    for each in away:
        say = problem if len(away) == len(brokers) else warning
        refused = "refuses" in each.refusal or "virtual host" in each.refusal
        yield say(
            f"RabbitMQ at {each.address} cannot be used: {each.refusal}",
            "[bus]/url must have the user, password and virtual host that `rabbitmqctl list_users` and "
            "`rabbitmqctl list_vhosts` show; site.yml sets both"
            if refused
            else "`systemctl start rabbitmq-server` there; `journalctl -u rabbitmq-server` says why not",
        )


def judge_queues(brokers: Brokers) -> list[Finding]:
    """Whether RabbitMQ is whole, and nobody lags."""
    waiting = sum(each.messages for each in brokers.queues)
    return or_fine(
        _cluster(brokers), f"{len(brokers.running)} brokers, {len(brokers.queues)} queues, {waiting} messages wait"
    )


def _cluster(brokers: Brokers) -> Iterator[Finding]:
    for name in sorted(set(brokers.known) - set(brokers.running)):
        yield warning(
            f"the broker {name} is not running",
            f"`systemctl start rabbitmq-server` there; if its disk is lost: `rabbitmqctl forget_cluster_node {name}`, "
            f"then site.yml",
        )
    if brokers.partitioned:
        yield problem(
            "RabbitMQ is split: its nodes do not see each other",
            "mend the link, then `systemctl restart rabbitmq-server` on the smaller side",
        )
    for alarm in brokers.alarms:
        yield problem(
            f"RabbitMQ takes no messages: {alarm}",
            "free disk or memory on that node; `rabbitmqctl status` shows the limits",
        )
    yield from _named(
        [each for each in brokers.queues if _lost(each)],
        problem,
        "has no leader: nothing gets through it",
        "daemons delete such a queue and make it anew within a minute; if not: `rabbitmqctl delete_queue NAME`",
    )
    yield from _named(
        [each for each in brokers.queues if not _lost(each) and 0 < len(each.online) < len(each.members)],
        warning,
        "is not on all of its brokers",
        "start the missing broker; `rabbitmq-queues check_if_node_is_quorum_critical` says whether another may stop",
    )
    for name in brokers.running:
        missing = [each.name for each in brokers.queues if each.kind == "quorum" and name not in each.members]
        if missing:
            named = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
            yield warning(
                f"the broker {name} runs, and has no copy of {len(missing)} queues, which others may lose: {named}",
                f"`rabbitmq-queues grow {name} all` on any node gives it one",
            )
    yield from _named(
        [each for each in brokers.queues if each.messages > BACKLOG and each.consumers],
        warning,
        f"has more than {BACKLOG} messages waiting: its reader lags",
        "`congress status` shows which node is behind; look at its load with `top`",
    )
    yield from _named(
        [each for each in brokers.queues if each.messages > BACKLOG and not each.consumers and not each.expires],
        warning,
        f"has more than {BACKLOG} messages and no reader",
        "if that node is gone for good, `rabbitmqctl delete_queue NAME`; else start it",
    )


def _lost(queue: Queue) -> bool:
    """A quorum queue without a leader, or without a majority of its members."""
    if queue.kind != "quorum":
        return queue.state in ("down", "stopped", "crashed")
    return not queue.leader or 2 * len(queue.online) <= len(queue.members)


def _named(queues: Sequence[Queue], say: object, what: str, advice: str) -> Iterator[Finding]:
    make = problem if say is problem else warning
    for each in queues[:SHOWN]:
        yield make(f"the queue {each.name} {what}", advice.replace("NAME", each.name))
    if len(queues) > SHOWN:
        yield make(f"and so do {len(queues) - SHOWN} more queues", "`rabbitmqctl list_queues` lists them all")
