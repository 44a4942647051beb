"""The daemons' log: in the journal where systemd runs, else lines on standard error, for the file of the agent."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from congressd.config.options import Settings
from congressd.daemon.journal import JournalHandler, is_listening

LOG = logging.getLogger(__name__)

_NOISY: Final = ("alembic", "amqp", "kombu", "oslo", "oslo_messaging", "stevedore", "urllib3")


def begin(level: str, role: str) -> None:
    """Log from ``level`` on, as ``congress-ROLE``; whoever dies of a fault, or the watchdog, says where it was."""
    faulthandler.enable()
    if is_listening(os.environ):
        handler: logging.Handler = JournalHandler(f"congress-{role}")
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
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
