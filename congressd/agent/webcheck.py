"""One plain HTTP GET with a deadline, for the deep monitor: urllib takes longer to import than this to run."""

from __future__ import annotations

import socket
import time

from congressd.agent.control import first_line


def problem(url: str, deadline: float) -> str:
    """What is wrong with the answer of ``url`` within ``deadline`` seconds; empty when its status is 200."""
    until = time.monotonic() + deadline
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
    if not host:
        host, port = address, "80"
    try:
        target = (host.strip("[]"), int(port or "80"))
        with socket.create_connection(target, timeout=deadline) as conversation:
            request = f"GET /{path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n"
            conversation.sendall(request.encode("ascii", "replace"))
            first = first_line(conversation, until).rstrip(b"\r")
    except TimeoutError:
        return f"{url} does not answer within {deadline:.1f} s"
    except (OSError, ValueError) as error:
        return f"{url} cannot be asked: {error}"
    words = first.split(b" ", 2)
    if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1] == b"200":
        return ""
    return f"{url} answers {first[:80].decode(errors='replace')!r}, not status 200"
