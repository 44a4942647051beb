"""The daemons' log: lines on standard error, for the journal or the file that the agent gives them."""

from __future__ import annotations

import logging
import os
import sys
from typing import Final

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
