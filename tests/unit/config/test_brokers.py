"""The transport URL of Congress, read."""

from __future__ import annotations

import pytest

from congressd.config.brokers import broker_urls


def test_every_host_gets_a_url_of_its_own() -> None:
    assert broker_urls("rabbit://a:x@one:5673,b:y@two/vhost") == (
        "amqp://a:x@one:5673/vhost",
        "amqp://b:y@two:5672/vhost",
    )


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_the_virtual_host_is_rabbitmqs_default_unless_named(end: str) -> None:
    assert broker_urls(f"amqp://a:x@one:5672{end}") == ("amqp://a:x@one:5672//",)


def test_an_address_of_ip_version_6_is_taken() -> None:
    assert broker_urls("rabbit://a:x@[::1]/v") == ("amqp://a:x@[::1]:5672/v",)


def test_no_text_is_no_broker() -> None:
    assert broker_urls("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "kafka://a:s3cret@one",
        "rabbit://one:5672/v",
        "rabbit://a:s3cret@one,@two/v",
        "rabbit://a:s3cret@one:port/v",
        "rabbit://a:s3cret@/v",
        "rabbit://a:s3cret@one/v?ssl=1",
    ],
)
def test_what_cannot_be_read_is_refused_without_its_passwords(text: str) -> None:
    with pytest.raises(ValueError, match="must be like rabbit://user:password@host1") as refused:
        broker_urls(text)
    assert "s3cret" not in str(refused.value)
