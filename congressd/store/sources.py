"""A source's configuration and its secrets: in the clear for its driver, encrypted in records and database. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from congressd.store.keys import Keys
from congressd.store.records import SourceRecord


def seal(
    config: Mapping[str, Any], secret_options: Collection[str], keys: Keys
) -> tuple[dict[str, Any], dict[str, str]]:
    """Split a configuration into what anybody may read and the encrypted secrets: `SourceRecord`'s two fields.

    A secret that is null is not set, and stays null in the clear.
    """
    secret = {name for name in secret_options if config.get(name) is not None}
    return (
        {name: value for name, value in config.items() if name not in secret},
        {name: keys.encrypt(config[name]) for name in sorted(secret)},
    )


def unseal(record: SourceRecord, keys: Keys) -> dict[str, Any]:
    """The whole configuration in the clear, for the driver only. Raises CongressError("secrets_key")."""
    return {**record.config, **{name: keys.decrypt(token) for name, token in record.secrets.items()}}
