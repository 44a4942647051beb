"""Probes over HTTP: what the API of one process says of itself, without any token."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from congressd.doctor.place import ANSWER, now


@dataclass(frozen=True, slots=True)
class Api:
    """What one API answers to /readyz and /healthz; ``ahead`` is how many seconds its clock is ahead of ours, known
    to the second only."""

    address: str
    ready: bool = False
    missing: tuple[str, ...] = ()
    access: str = "fine"
    version: str = ""
    ahead: float | None = None
    silence: str = ""


def ask_all(addresses: Sequence[tuple[str, int]]) -> list[Api]:
    """What several APIs say, asked at the same time."""
    found: list[Api | None] = [None] * len(addresses)

    def ask(number: int, host: str, port: int) -> None:
        found[number] = ask_api(host, port)

    threads = [threading.Thread(target=ask, args=(number, *each), daemon=True) for number, each in enumerate(addresses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * ANSWER)
    return [
        each or Api(f"http://{host}:{port}", silence=f"no answer within {2 * ANSWER:g} s")
        for (host, port), each in zip(addresses, found, strict=True)
    ]


def ask_api(host: str, port: int, connection: http.client.HTTPConnection | None = None) -> Api:
    """What the API there says of itself; ``connection`` for another way than plain HTTP."""
    told = f"[{host}]" if ":" in host else host
    scheme = "https" if isinstance(connection, http.client.HTTPSConnection) else "http"
    address = f"{scheme}://{told}:{port}"
    made = connection or http.client.HTTPConnection(host, port, timeout=ANSWER)
    try:
        health, _ = _get(made, "/healthz")
        sent = time.monotonic()
        ready, date = _get(made, "/readyz")
        took = time.monotonic() - sent
        at = now() - took / 2
        clock = parsedate_to_datetime(date).timestamp() + 0.5 if date else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Api(address, silence=f"it gives no answer: {why}")
    finally:
        made.close()
    return Api(
        address,
        ready=ready.get("ready") is True,
        missing=tuple(str(each) for each in ready.get("missing") or ()),
        access=str(ready.get("access", "fine")),
        version=str(health.get("version", "")),
        ahead=None if clock is None else clock - at,
    )


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[dict[str, Any], str]:
    """The JSON object at ``path``, whatever the status, and the Date header. Raises ValueError for anything else."""
    connection.request("GET", path, headers={"Accept": "application/json"})
    response = connection.getresponse()
    try:
        body = json.loads(response.read(1_000_000))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ValueError(f"what answers {path} with status {response.status} is not congressd")
    return body, response.headers.get("Date", "")
