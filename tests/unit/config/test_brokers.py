"""The transport URL of Congress, read."""

from __future__ import annotations

import pytest

from congressd.config.brokers import broker_urls
from congressd.model.tls import Tls, split_tls


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
        "rabbit://a:s3cret@one/v#ssl",
    ],
)
def test_what_cannot_be_read_is_refused_without_its_passwords(text: str) -> None:
    with pytest.raises(ValueError, match="must be like rabbit://user:password@host1") as refused:
        broker_urls(text)
    assert "s3cret" not in str(refused.value)


def test_encrypted_connections_are_asked_for_at_the_end() -> None:
    end = "?ssl_ca=/etc/ssl/ca.pem&ssl_cert=/etc/ssl/me.pem&ssl_key=/etc/ssl/me.key"
    assert broker_urls(f"rabbit://a:x@one,b:y@two:5673/v{end}") == (
        f"amqp://a:x@one:5671/v{end}",
        f"amqp://b:y@two:5673/v{end}",
    )
    assert split_tls(f"amqp://one{end}") == ("amqp://one", Tls("/etc/ssl/ca.pem", "/etc/ssl/me.pem", "/etc/ssl/me.key"))


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("ssl=1", "'ssl' after its .; allowed are ssl_ca, ssl_cert, ssl_key"),
        ("ssl_cert=a&ssl_key=b", "no ssl_ca"),
        ("ssl_ca=a&ssl_cert=b", "give both, or neither"),
    ],
)
def test_half_of_what_encryption_needs_is_refused(end: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        broker_urls(f"rabbit://a:s3cret@one/v?{end}")
    assert "s3cret" not in str(refused.value)
