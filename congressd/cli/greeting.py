"""What the all-in-one service says when it has started: where it is, and what to try."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from pathlib import Path

import click

from congressd.cli import example
from congressd.cli.http import DEFAULT_ENDPOINT, RefusedError, Service, UnreachableError
from congressd.config.options import Settings

PATIENCE = 60.0  #: seconds for the service to become ready


def start(settings: Settings, directory: Path, folder: Path | None) -> None:
    """Begin to greet, on a thread of its own: the service must answer meanwhile. ``folder``: the example's files."""
    threading.Thread(target=_greet, args=(settings, directory, folder), name="greeting", daemon=True).start()


def _greet(settings: Settings, directory: Path, folder: Path | None) -> None:
    host, port = settings.default.bind_host, settings.default.bind_port
    address = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)
    endpoint = f"http://{address}:{port}"
    service = Service(endpoint, timeout=10.0)
    try:
        _wait(service)
        if folder is not None:
            example.install(service, folder)
            _wait(service)
        found = _found(service) if folder is not None else 0
    except (RefusedError, UnreachableError) as error:
        click.echo(f"congressd: {'the example cannot be set up' if folder else 'not ready'}: {error}", err=True)
        return
    lines = [f"congressd serves {endpoint}; all that it keeps is in {directory}. Ctrl-C stops it."]
    lines += ["", *_example(endpoint, folder, found)] if folder is not None else ["", *_empty(endpoint)]
    click.echo("\n" + "\n".join(lines) + "\n")
    sys.stdout.flush()


def _wait(service: Service) -> None:
    """Until the service may take calls. Raises RefusedError with its own reason when the patience is over."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            service.get("readyz")
            return
        except (RefusedError, UnreachableError):
            if time.monotonic() >= end:
                raise
            time.sleep(0.05)


def _found(service: Service) -> int:
    """The number of violations, once the files have been read."""
    total = 0
    for policy in service.get("v1", "policies")["results"]:
        tables = {each["id"] for each in service.get("v1", "policies", policy["name"], "tables")["results"]}
        if "error" in tables:
            total += len(service.get("v1", "policies", policy["name"], "tables", "error", "rows")["results"])
    return total


def _commands(endpoint: str) -> list[str]:
    """What makes `congress` work in another terminal."""
    lines = [f"    export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"]
    if endpoint != DEFAULT_ENDPOINT:
        lines.append(f"    export CONGRESS_ENDPOINT={endpoint}")
    return lines


def _example(endpoint: str, folder: Path, found: int) -> list[str]:
    volumes = folder / "data" / "volumes.jsonl"
    return [
        f"The example is a small cloud in files. Five policies watch it and find {found} violations now.",
        "In another terminal:",
        "",
        *_commands(endpoint),
        "    congress violations                                what is wrong now",
        "    congress explain volume_encryption error vol-003   why",
        "    congress violations --watch                        what changes, while you edit a file:",
        f"    sed -i '/vol-003/s/false/true/' {shlex.quote(str(volumes))}",
        "",
        "    congress policy export volume_encryption           the policy as a file, to change and `policy apply`",
        "    congress --help                                    everything else; docs/start.md goes on from here",
    ]


def _empty(endpoint: str) -> list[str]:
    return [
        "In another terminal:",
        "",
        *_commands(endpoint),
        "    congress source create file mine --config path=/a/folder/with/csv/files",
        "    congress policy apply my_policy.congress",
        "    congress violations",
        "",
        "docs/start.md shows how, step by step; `congressd serve --example` brings a small cloud to try it on.",
    ]
