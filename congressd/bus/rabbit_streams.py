"""The data plane over RabbitMQ: what its two ends share, which is options, names and how to connect.

One durable topic exchange takes everything. A batch goes to the key of its source, a snapshot that was asked for to
the key of its asker, heartbeats to a key of their own. Each subscriber has an exclusive queue of bounded length, so
nothing is left behind when it dies, and only exclusive queues are used, which every RabbitMQ from 3.10 on supports.
Messages are not written to disk: after a restart of the broker everyone is resynchronised from the publisher.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote, urlsplit

import amqp
from kombu.connection import Connection
from kombu.exceptions import KombuError

from congressd.bus.codec import PART_BYTES
from congressd.model.tls import Tls, split_tls

_LOG = logging.getLogger(__name__)
#: What a connection may fail with.
BROKEN: Final = (amqp.exceptions.AMQPError, KombuError, OSError)
HEARTBEAT_KEY: Final = "heartbeat"
_LONGEST_KEY: Final = 200  # characters; AMQP allows 255 bytes


@dataclass(frozen=True, slots=True)
class RabbitOptions:
    """How to reach RabbitMQ and how much to ask of it.

    ``urls`` names every node of the RabbitMQ cluster (never a virtual address); they are tried in turn, encrypted if
    they end with parameters of `congressd.model.tls`. ``heartbeat``
    is that of AMQP: a peer silent for about twice as long is dead. ``publish_timeout`` bounds every publish, including
    the wait for a connection. A subscriber's queue holds at most ``queue_bytes`` and ``queue_messages``; of these at
    most ``prefetch`` messages are in the process at once. Times are in seconds.
    """

    urls: tuple[str, ...]
    exchange: str = "congressd.streams"
    heartbeat: int = 15
    connect_timeout: float = 3.0
    publish_timeout: float = 3.0
    part_bytes: int = PART_BYTES
    queue_bytes: int = 256 * 1024 * 1024
    queue_messages: int = 200_000
    prefetch: int = 50


def source_key(source: str) -> str:
    """The routing key of batches of ``source``: no character in it has a meaning to a topic exchange."""
    name = quote(source.encode("utf-8", "surrogatepass"), safe="")
    return "source." + (name if len(name) <= _LONGEST_KEY else blake2b(name.encode(), digest_size=32).hexdigest())


def address_key(address: str) -> str:
    """The routing key of what is for one subscriber only."""
    return f"to.{address}"


def connect(options: RabbitOptions, number: int) -> tuple[Any, Any]:
    """A connection to the ``number``-th host, counted round, and a channel with the exchange declared.

    Raises one of `BROKEN` within a few times ``connect_timeout`` seconds.
    """
    connection, name = open_connection(options, number, "congressd streams")
    try:
        channel = connection.channel()
        channel.exchange_declare(options.exchange, "topic", durable=True, auto_delete=False)
    except BaseException:
        disconnect(connection)
        raise
    _LOG.info("connected to RabbitMQ host=%s", name)
    return connection, channel


def open_connection(options: RabbitOptions, number: int, purpose: str) -> tuple[Any, str]:
    """A connection as in `connect`, without a channel, and the name of its broker without the password.

    ``purpose`` is what the broker shows of it. Raises as `connect` does.
    """
    url, tls = split_tls(options.urls[number % len(options.urls)])
    client: Any = Connection(  # type: ignore[no-untyped-call]  # kombu's own hints are incomplete
        url,
        ssl=_encryption(url, tls),
        connect_timeout=options.connect_timeout,
        heartbeat=options.heartbeat,
        transport_options={
            "read_timeout": options.connect_timeout,
            "write_timeout": options.connect_timeout,
            "client_properties": {"connection_name": purpose},
        },
    )
    connection = client.transport.establish_connection()  # kombu's own connect() would sleep and try again
    connection.sock.settimeout(options.connect_timeout)  # else a broker that hangs holds us for ever
    return connection, client.as_uri()


def _encryption(url: str, tls: Tls | None) -> dict[str, Any] | bool:
    """What py-amqp takes."""
    if tls is None:
        return False
    own = {"certfile": tls.certificate, "keyfile": tls.key} if tls.certificate else {}
    name = urlsplit(url).hostname
    return {"ca_certs": tls.ca, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": name, **own}


def disconnect(connection: Any) -> None:
    """Close without ever failing or waiting: the broker sees that the socket is closed."""
    try:
        connection.collect()
    except BROKEN:
        pass


def pauses() -> Iterator[float]:
    """Seconds to wait between attempts to connect: from at once to 5, never the same for all nodes."""
    yield 0.0
    pause = 0.1
    while True:
        yield pause * random.uniform(0.5, 1.5)
        pause = min(2 * pause, 5.0)


def left(deadline: float) -> float:
    """Seconds until the monotonic ``deadline``, but not nothing, so that what is ready is still taken."""
    return max(deadline - time.monotonic(), 0.001)
