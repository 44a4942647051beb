"""The daemons' log: lines on standard error, for the journal or the file that the agent gives them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from congressd.config.options import Settings

LOG = logging.getLogger(__name__)

_NOISY: Final = ("alembic", "amqp", "kombu", "oslo", "oslo_messaging", "stevedore", "urllib3")


def begin(level: str) -> None:
    """Log from ``level`` on."""
    # The journal has the time of every line itself.
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format=f"{stamp}%(levelname)s %(name)s: %(message)s",
        force=True,
    )
    set_level(level)


def set_level(level: str) -> None:
    """Log from another level on; libraries that chatter only from WARNING, unless everything is wanted."""
    logging.getLogger().setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)


def reread(configuration: Callable[[], Settings]) -> Settings | None:
    """The configuration as it is now, as which is logged from now on; None, and no change, if it cannot be read."""
    try:
        settings = configuration()
    except Exception as error:  # whatever is wrong with the file, the daemon goes on as it is
        LOG.error("the configuration cannot be read again, nothing changes: %s", error)
        return None
    set_level(settings.default.log_level)
    LOG.warning("the configuration was read again, log_level=%s", settings.default.log_level)
    return settings
