"""The store's tests of activations on a real MariaDB: this folder's `url` leads there."""

import pytest

from tests.unit.store.test_activations import *  # noqa: F403  # the same tests

pytestmark = pytest.mark.mariadb
