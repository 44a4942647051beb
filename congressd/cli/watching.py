"""Following tables: prints rows as they come and go, through restarts of the service, until somebody interrupts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from congressd.cli.context import Client, Failure
from congressd.cli.fetched import Fetched
from congressd.cli.http import RefusedError, UnreachableError
from congressd.cli.output import cell, put_exactly, say, visible

#: By the name of the policy or source and of the table.
Tables = Mapping[tuple[str, str], Fetched]
_Row = tuple[str, str, str]  # policy, table, the row as JSON: text tells 1 from "1" and from true

PERIOD: Final = 1.0  #: seconds between two looks


def follow(
    client: Client, look: Callable[[], Tables], *, with_place: bool, sleep: Callable[[float], None] = time.sleep
) -> NoReturn:
    """Print rows as they come (+) and go (-), one line each, until interrupted.

    ``with_place`` puts the policy and the table before each row. The first look must succeed; after that a service
    that is away is waited for. Raises Failure for a format that has no lines.
    """
    if client.form not in ("table", "json"):
        raise Failure(f"--watch prints lines or, with -o json, an object in each line; it does not print {client.form}")
    seen: set[_Row] = set()
    doubts: set[str] = set()
    now = look()
    while True:
        rows = {(*where, json.dumps(row)) for where, each in now.items() for row in each.rows}
        for change, changed in (("-", seen - rows), ("+", rows - seen)):
            for line in _lines(client.form, change, changed, with_place):
                put_exactly(f"{line}\n")
        sys.stdout.flush()
        told = {f"{':'.join(where)}: {text}" for where, each in now.items() for text in each.warnings}
        for text in sorted(told - doubts):
            say(f"warning: {text}", err=True)
        seen, doubts = rows, told
        sleep(PERIOD)
        now = _patiently(look, sleep)


def _patiently(look: Callable[[], Tables], sleep: Callable[[float], None]) -> Tables:
    """What ``look`` returns, once the service answers."""
    lost = False
    while True:
        try:
            found = look()
        except (UnreachableError, RefusedError) as error:
            if isinstance(error, RefusedError) and error.status < 500 and error.status != 404:
                raise
            if not lost:
                say(f"congress: {error}\ncongress: waiting for an answer; Ctrl-C ends it", err=True)
            lost = True
            sleep(PERIOD)
            continue
        if lost:
            say("congress: the service answers again", err=True)
        return found


def _lines(form: str, change: str, rows: set[_Row], with_place: bool) -> Iterator[str]:
    at = datetime.now(UTC)
    for policy, table, text in sorted(rows):
        data: list[Any] = json.loads(text)
        if form == "json":
            stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
            yield json.dumps({"at": stamp, "change": change, "policy": policy, "table": table, "data": data})
        else:
            place = [f"{policy}:{table}"] if with_place else []
            yield f"{at.astimezone():%H:%M:%S} {change} {'  '.join([*place, *(visible(cell(each)) for each in data)])}"
