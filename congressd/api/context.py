"""The id of the request that a thread is busy with, for logs."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("congressd_request_id", default="-")


class RequestIdFilter(logging.Filter):
    """Gives every record ``request_id``, for formats such as ``%(request_id)s %(message)s``."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = REQUEST_ID.get()
        return True
