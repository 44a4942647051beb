"""The store's tests of check on a real MariaDB: this folder's `url` leads there."""

import pytest

from tests.unit.store.test_check import *  # noqa: F403  # the same tests

pytestmark = pytest.mark.mariadb
