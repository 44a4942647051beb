"""The store's tests of transactions on a real MariaDB: this folder's `url` leads there."""

import pytest

from tests.unit.store.test_database import *  # noqa: F403  # the same tests

pytestmark = pytest.mark.mariadb
