"""Names as RabbitMQ and oslo.messaging take them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from congressd.bus.oslo_control import oslo_url
from congressd.bus.rabbit_streams import source_key


@given(st.text(st.characters(codec=None), max_size=300), st.text(st.characters(codec=None), max_size=300))
def test_keys_are_plain_short_and_different_for_different_sources(one: str, two: str) -> None:
    key = source_key(one)
    assert len(key) <= 255
    assert key.isascii()
    assert not set("*#") & set(key)
    assert (key == source_key(two)) == (one == two)


def test_all_hosts_go_into_one_transport_url() -> None:
    urls = ("amqp://me:secret@rabbit1:5672//", "amqp://me:secret@rabbit2:5672//")
    assert oslo_url(urls) == "rabbit://me:secret@rabbit1:5672,me:secret@rabbit2:5672//"
