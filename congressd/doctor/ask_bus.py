"""Probes of RabbitMQ: each broker by its own address, and what `rabbitmqctl` says of cluster and queues."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import amqp

from congressd.bus.rabbit_streams import BROKEN, RabbitOptions, disconnect, open_connection
from congressd.config.brokers import broker_urls
from congressd.doctor.finding import Failed, NotHere
from congressd.doctor.place import ANSWER, Place

PATIENCE: Final = 15.0  #: seconds; rabbitmqctl needs two to start on an idle machine
QUEUE_COLUMNS: Final = ("name", "type", "messages", "consumers", "state", "leader", "members", "online", "arguments")


@dataclass(frozen=True, slots=True)
class Broker:
    """One node of RabbitMQ: ``refusal`` says why it cannot be used (empty: it can)."""

    address: str
    version: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as the broker lists it."""

    name: str
    kind: str
    messages: int
    consumers: int
    state: str
    leader: str
    members: tuple[str, ...]
    online: tuple[str, ...]
    expires: bool = False  #: whether the broker removes it some time after its last reader is gone


@dataclass(frozen=True, slots=True)
class Brokers:
    """RabbitMQ's own view of its cluster and of the queues of our virtual host."""

    running: tuple[str, ...]
    known: tuple[str, ...]
    partitioned: bool
    alarms: tuple[str, ...]
    queues: tuple[Queue, ...]


def ask_brokers(place: Place) -> list[Broker]:
    """Whether each broker takes our name and password. Raises NotHere."""
    return place.once("brokers", lambda: _ask_brokers(place))


def _ask_brokers(place: Place) -> list[Broker]:
    settings = place.need()
    urls = broker_urls(settings.bus.url)
    if not urls:
        raise NotHere("one process needs no RabbitMQ ([bus]/url is not set)")
    found: list[Broker | None] = [None] * len(urls)

    def ask(number: int, url: str) -> None:
        found[number] = _ask_broker(url)

    threads = [threading.Thread(target=ask, args=each, daemon=True) for each in enumerate(urls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * ANSWER)
    return [
        each or Broker(_address(url), refusal=f"no answer within {2 * ANSWER:g} s")
        for url, each in zip(urls, found, strict=True)
    ]


def _ask_broker(url: str) -> Broker:
    connection = None
    try:
        connection, _ = open_connection(RabbitOptions((url,), connect_timeout=ANSWER), 0, "congressd doctor")
        version = connection.server_properties.get("version", "")
        return Broker(_address(url), version=version.decode() if isinstance(version, bytes) else str(version))
    except amqp.exceptions.AccessRefused:
        return Broker(_address(url), refusal="it refuses the user name or password")
    except amqp.exceptions.NotAllowed:
        return Broker(_address(url), refusal=f"it has no virtual host {_virtual_host(url)!r} for this user")
    except BROKEN as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reply_text", None) or type(error).__name__
        return Broker(_address(url), refusal=str(reason))
    finally:
        if connection is not None:
            disconnect(connection)


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}"


def _virtual_host(url: str) -> str:
    return unquote(urlsplit(url).path[1:])


def ask_queues(place: Place) -> Brokers:
    """What the broker of this node says. Raises NotHere, Failed."""
    urls = broker_urls(place.need().bus.url)
    if not urls:
        raise NotHere("one process needs no RabbitMQ ([bus]/url is not set)")
    if not place.has("rabbitmqctl"):
        raise NotHere("there is no rabbitmqctl on this node")
    cluster = _control(place, "cluster_status")
    queues = _control(place, "list_queues", "--vhost", _virtual_host(urls[0]), *QUEUE_COLUMNS)
    return read_brokers(cluster, queues)


def _control(place: Place, *arguments: str) -> Any:
    said = place.run("rabbitmqctl", "--quiet", "--formatter", "json", *arguments, deadline=PATIENCE)
    if said.code == 0:
        try:
            return json.loads(said.text)
        except ValueError:
            pass
    raise Failed(
        f"`rabbitmqctl {arguments[0]}` failed: {said.complaint}",
        "run the doctor as root; `systemctl status rabbitmq-server`, `journalctl -u rabbitmq-server`",
    )


def read_brokers(cluster: Any, queues: Any) -> Brokers:
    """The JSON of `rabbitmqctl cluster_status` and `list_queues` in our words."""
    return Brokers(
        running=tuple(sorted(cluster.get("running_nodes") or ())),
        known=tuple(sorted({*(cluster.get("disk_nodes") or ()), *(cluster.get("ram_nodes") or ())})),
        partitioned=bool(cluster.get("partitions")),
        alarms=tuple(_alarm(each) for each in cluster.get("alarms") or ()),
        queues=tuple(
            Queue(
                name=str(each.get("name", "")),
                kind=str(each.get("type", "")).removeprefix("rabbit_").removesuffix("_queue"),
                messages=int(each.get("messages") or 0),
                consumers=int(each.get("consumers") or 0),
                state=str(each.get("state") or ""),
                leader=str(each.get("leader") or ""),
                members=tuple(each.get("members") or ()),
                online=tuple(each.get("online") or ()),
                expires="x-expires" in _names(each.get("arguments")),
            )
            for each in queues
        ),
    )


def _names(arguments: Any) -> list[str]:
    """The names of a queue's arguments: an object, or a list of name, type and value, as RabbitMQ 3.10 writes it."""
    return [str(each[0] if isinstance(each, list) and each else each) for each in arguments or ()]


def _alarm(alarm: Any) -> str:
    if isinstance(alarm, dict):
        return " ".join(str(value) for value in alarm.values())
    return str(alarm)
