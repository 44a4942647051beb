"""``congressd doctor`` and ``congressd bundle``: is all well here, and what a bug report needs."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from congressd.cli.configuration import SYSTEM_FILE, config_option, data_dir_option
from congressd.cli.datadir import StartError
from congressd.config.load import ConfigError, load

if TYPE_CHECKING:  # what the doctor needs is not imported by the daemons, which must start soon
    from congressd.doctor.place import Place
    from congressd.doctor.run import Result

_COLOURS: Final = {"ok": "green", "warning": "yellow", "problem": "red", "not here": "bright_black"}
_WORST: Final = ("problem", "warning", "ok", "not here")


def _known(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names of checks that there are not."""
    if names:
        from congressd.doctor.table import NAMES

        for name in names:
            if name not in NAMES:
                raise click.BadParameter(f"there is no check {name!r}; the checks are {', '.join(NAMES)}")
    return names


@click.command()
@config_option
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print all findings as one JSON object.")
@click.option(
    "--only",
    multiple=True,
    callback=_known,
    metavar="NAME",
    help="Only this check, by its name in the second column; may be given again.",
)
def doctor(config: Path | None, data_dir: Path | None, as_json: bool, only: tuple[str, ...]) -> None:
    """Look at this node and its cluster, and say what to do about what is wrong.

    A line for each check: `ok`, `warning` (works, and will not for long or not with the next fault), `problem`, or
    `not here` for what does not apply, such as Pacemaker on a single machine. It changes nothing and takes half a
    minute at most. Run it as root: else files and programs refuse. Exit code 1 if there is a problem; warnings alone
    are 0.

    \b
    Example: congressd doctor
             congressd doctor --only galera --only queues
             congressd doctor --json | jq '.checks[] | select(.level == "problem")'
    """
    from congressd.doctor import run

    results = run.run(_place(config, data_dir), only, told=_progress)
    if as_json:
        click.echo(json.dumps(run.document(results), indent=2, ensure_ascii=False))
    else:
        _show(results)
    if any(each.level == "problem" for each in results):
        raise SystemExit(1)


@click.command()
@config_option
@data_dir_option
@click.option(
    "--output", "output", type=click.Path(dir_okay=False, path_type=Path),
    help="The archive to write. [default: congressd-bundle-HOST-TIME.tar.gz in this directory]",
)  # fmt: skip
@click.option(
    "--since", default="2h", show_default=True, help="How far logs go back: minutes, hours or days (90m, 2h, 3d)."
)
def bundle(config: Path | None, data_dir: Path | None, output: Path | None, since: str) -> None:
    """Pack what a bug report needs into one archive: findings, configuration, logs, states; without secrets.

    Passwords, tokens and keys are removed from everything that is packed; look through it all the same before you
    give it away. What cannot be collected is noted in `contents.json`.

    Example: congressd bundle --since 1d
    """
    from congressd.doctor import bundle as bundles
    from congressd.doctor import collect

    try:
        begin = collect.begin_of(since)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    name = f"congressd-bundle-{socket.gethostname()}-{time.strftime('%Y%m%dT%H%M%S')}"
    path = output or Path(f"{name}.tar.gz")
    if path.exists():
        raise StartError(f"{path} exists already; name another file with --output")
    parts = bundles.collect(_place(config, data_dir), begin, told=_progress)
    try:
        size = bundles.write(parts, path, name)
    except OSError as error:
        raise StartError(f"{path} cannot be written: {error.strerror or error}") from None
    packed = [part.file for part in parts if not part.missing]
    click.echo(f"{path}: {len(packed)} files, {max(1, size // 1024)} kB")
    for part in parts:
        if part.missing:
            click.echo(f"  without {part.file}: {part.missing}")
    click.echo("Secrets were removed; look through it all the same before you give it away.")


def _place(config: Path | None, data_dir: Path | None) -> Place:
    """This node, with what is wrong with its configuration instead of an exception.

    Raises StartError for a directory that was named and is not there: nothing of it could be looked at.
    """
    from congressd.doctor.place import Place

    if data_dir is not None and not data_dir.is_dir():
        raise StartError(f"there is no directory {data_dir}; --data-dir is the one that `congressd serve` was given")
    file = config or (SYSTEM_FILE if SYSTEM_FILE.exists() else None)
    try:
        given = {} if data_dir is None else {("DEFAULT", "data_dir"): data_dir}
        loaded = load([file] if file else [], os.environ, given)
    except ConfigError as error:
        return Place(None, file, error.problems)
    return Place(loaded.settings, file, loaded.warnings)


def _show(results: Sequence[Result]) -> None:
    width = max(13, *(len(each.name) for each in results))
    numbers = dict.fromkeys(_WORST, 0)
    for result in results:
        for finding in sorted(result.findings, key=lambda each: _WORST.index(each.level)):
            numbers[finding.level] += 1
            level = click.style(f"{finding.level.value:<8}", fg=_COLOURS[finding.level])
            click.echo(f"{level}  {result.name:<{width}}  {finding.fact}")
            if finding.advice:
                click.echo(f"{'':<{12 + width}}do: {finding.advice}")
    if numbers["problem"] or numbers["warning"]:
        click.echo(f"\n{_count(numbers['problem'], 'problem')}, {_count(numbers['warning'], 'warning')}")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _progress(done: int, of: int, waiting: Sequence[str]) -> None:
    """A line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        told = f"{done} of {of} done, waiting for {', '.join(waiting)}" if waiting else ""
        click.echo(f"\r\033[K{told[:110]}", nl=False, err=True)
