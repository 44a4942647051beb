"""Errors on the wire: the shape that Congress' clients know, ``{"error": {message, error_code, error_data}}``."""

from __future__ import annotations

from congressd.model import jsontext
from congressd.model.errors import CongressError


def error_body(error: CongressError) -> bytes:
    """The JSON body for an error."""
    # A message may quote what a client sent, and that may hold what UTF-8 cannot write.
    message = str(error).encode("utf-8", "backslashreplace").decode()
    return jsontext.dumps({"error": {"message": message, "error_code": error.code.number, "error_data": error.data}})
