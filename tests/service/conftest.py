"""The real servers, and the store's fixtures on MariaDB."""

from __future__ import annotations

import pytest

from tests.service.mariadb import mariadb, mariadb_url
from tests.service.rabbitmq import exchange, rabbitmq
from tests.unit.store.fixtures import connect, database

__all__ = ["connect", "database", "exchange", "mariadb", "mariadb_url", "rabbitmq", "url"]


@pytest.fixture
def url(mariadb_url: str) -> str:
    """What the store's tests connect to."""
    return mariadb_url
