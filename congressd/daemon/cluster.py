"""The bus between the processes of a cluster: kombu for the streams, oslo.messaging for control, both over RabbitMQ.

Apart from `wiring`, since who has no cluster shall not import oslo.messaging.
"""

from __future__ import annotations

from congressd.bus.oslo_control import OsloControl
from congressd.bus.rabbit_publisher import RabbitPublisher
from congressd.bus.rabbit_streams import RabbitOptions
from congressd.bus.rabbit_subscriber import RabbitSubscriber
from congressd.config.brokers import broker_urls
from congressd.config.options import Settings
from congressd.daemon.start import Identity, StartError


def brokers(settings: Settings) -> tuple[str, ...]:
    """The URLs of the RabbitMQ nodes. Raises StartError."""
    urls = broker_urls(settings.bus.url)
    if not urls:
        raise StartError(
            "[bus]/url is not set; nodes are joined by RabbitMQ, such as rabbit://user:password@mq.example.org:5672/"
        )
    return urls


def control(settings: Settings, identity: Identity) -> OsloControl:
    """This process' end of the control plane."""
    return OsloControl(brokers(settings), identity.name, identity.run_dir / "locks")


def publisher(settings: Settings) -> RabbitPublisher:
    """The sending end of the data plane."""
    return RabbitPublisher(RabbitOptions(brokers(settings)))


def subscriber(settings: Settings, identity: Identity) -> RabbitSubscriber:
    """The receiving end of the data plane."""
    return RabbitSubscriber(RabbitOptions(brokers(settings)), identity.name)
