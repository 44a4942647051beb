"""The store's tests of epochs on a real MariaDB: this folder's `url` leads there."""

import pytest

from tests.unit.store.test_epochs import *  # noqa: F403  # the same tests

pytestmark = pytest.mark.mariadb
