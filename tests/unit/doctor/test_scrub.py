"""Nothing that is packed or printed holds a secret: known ones wherever they stand, others where they look like one."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from congressd.api.tokenfile import new_token
from congressd.config.options import Actions, Bus, Database, Settings
from congressd.doctor.scrub import REMOVED, Scrubber, known_secrets, learn, passwords

#: A secret as generators of passwords make it, which no ordinary text contains by chance.
SECRETS = st.text("abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQRSTUVWXYZ23456789", min_size=12, max_size=40)
#: A password as people make it.
ANY_SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs")), min_size=8, max_size=30)


@given(ANY_SECRETS, st.text(max_size=50), st.text(max_size=50))
def test_a_known_secret_is_removed_however_it_is_written(secret: str, before: str, after: str) -> None:
    scrub = Scrubber([secret])
    for written in (secret, json.dumps(secret), quote(secret, safe=""), quoteattr(secret), repr(secret)):
        assert secret not in scrub(f"{before}{written}{after}").replace(REMOVED, "\x00")


#: Where secrets of other programs stand: ``{}`` is the secret.
KINDS = (
    "mysql+pymysql://congress:{}@127.0.0.1:3307/congressd",
    "rabbit://congressd:{}@a:5672,congressd:{}@b:5672/vhost",
    "amqp://u:{}@host",
    "password = {}",
    "PASSWORD: {}",
    'database_password: "{}"',
    '"mail_password": "{}",',
    "'auth_token': '{}'",
    '{{"secret": "{}", "name": "x"}}',
    "signing_key={}",
    "# old: signing_key = {}",
    "wsrep_sst_auth = backup:{}",
    "Authorization: Bearer {}",
    "X-Auth-Token: {}",
    'hdr Authorization "Bearer {}"',
    "curl -H 'Authorization: Basic {}'",
    "fence_ipmilan --password={} --ip=192.0.2.1",
    '<nvpair id="f-passwd" name="passwd" value="{}"/>',
    '<nvpair value="{}" id="f-password" name="password"/>',
    '<nvpair name="snmp_community" value="{}" id="x"/>',
    "CREATE USER congressd@'%' IDENTIFIED BY '{}'",
    "GRANT ALL ON *.* TO x IDENTIFIED BY PASSWORD '{}'",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE{}",
    "{}\nMIIE==\n-----END EC PRIVATE KEY-----",
    "erlang_cookie={}",
    "api_key = {}",
)


@pytest.mark.parametrize("kind", KINDS)
@given(secret=SECRETS)
def test_what_looks_like_a_secret_is_removed(kind: str, secret: str) -> None:
    assert secret not in Scrubber()(kind.format(secret, secret))


def test_our_own_tokens_and_keys_are_removed() -> None:
    for _ in range(100):  # each is random
        token, _ = new_token("ci", "admin", None)
        key = Fernet.generate_key()
        stored = Fernet(key).encrypt(b"secret").decode()
        shown = token.rpartition("_" + token.split("_", 2)[2])[0]
        text = f"token {token}, key\n{key.decode()}\nstored {stored} end"
        assert Scrubber()(text) == f"token {shown}_{REMOVED}, key\n{REMOVED}\nstored {REMOVED} end"


def test_a_name_in_a_random_token_changes_nothing() -> None:
    stored = f"gAAAAABn{'A' * 40}psk{'B' * 47}=="
    assert Scrubber()(f"stored {stored} end") == f"stored {REMOVED} end"
    assert Scrubber()(f"token=congress_abcdef12_{'z' * 30}, x") == f"token={REMOVED}, x"


ORDINARY = (
    "2026-11-22T15:08:11 ctl1 congress-dsd[812]: source=cloud epoch=1795361102976 sequence=12 rows=3",
    '<nvpair id="property-stonith-enabled" name="stonith-enabled" value="true"/>',
    '<resource id="dsd" resource_agent="ocf:congress:congress-dsd" role="Started" active="true"/>',
    "wsrep_cluster_address gcomm://192.0.2.1,192.0.2.2,192.0.2.3",
    "bind 192.0.2.20:1789 ssl crt /etc/haproxy/api.pem alpn h2,http/1.1",
    '{"name": "pe-1", "state": "ready", "work_age": 0.2, "bus": true}',
    "http://127.0.0.1:1789/readyz answered 503",
    "error(x) :- cloud:servers(x, status)",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert Scrubber(["s3cret-pass"])(text) == text


def test_all_secrets_of_a_configuration_are_known() -> None:
    key = Fernet.generate_key().decode()
    settings = replace(
        Settings(),
        database=Database("mysql+pymysql://congress:da%40ta@127.0.0.1/congressd?ssl_ca=/etc/ca.pem"),
        bus=Bus("rabbit://one:bus1pass@a:5672,two:bus2pass@b:5672/"),
        actions=Actions(signing_key="sign", mail_password="mailpass"),
    )
    known = known_secrets(settings, f"{key}\n")
    assert known == {"da%40ta", "da@ta", "bus1pass", "bus2pass", "sign", "mailpass", key}


def test_a_password_is_found_in_an_address_that_cannot_be_read() -> None:
    assert any("hidden-pass" in each for each in passwords("rabbit://u:hidden-pass@[::1:5672/"))


def test_what_a_configuration_teaches_is_removed_elsewhere() -> None:
    taught = learn(
        '<nvpair id="f-passwd" name="passwd" value="fence-me-now"/>\nhdr Authorization "Bearer checktoken99"'
    )
    assert {"fence-me-now", "checktoken99"} <= taught
    assert Scrubber(taught)("fence_virsh -p fence-me-now; asked with checktoken99") == (
        f"fence_virsh -p {REMOVED}; asked with {REMOVED}"
    )
