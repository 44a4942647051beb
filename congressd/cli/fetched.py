"""Rows of a table as the service answered them, and what the verbs that ask for rows have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from congressd.cli.columns import names_of
from congressd.cli.context import Client, Exit

watch_option = click.option(
    "--watch",
    is_flag=True,
    help="Look again every second and print what changes, until Ctrl-C ends it; with -o json an object in each line.",
)
exit_code_option = click.option(
    "--exit-code", is_flag=True, help=f"End with exit code {int(Exit.NO)} if there are rows."
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """``items`` are the same rows as the service's objects; ``warnings`` say why rows may be missing."""

    names: list[str]
    rows: list[list[Any]]
    items: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()


def rows_of(client: Client, name: str, table: str) -> Fetched:
    """The rows of a table of a policy or source."""
    return fetched(client.service.get("v1", "policies", name, "tables", table, "rows"))


def fetched(answer: Mapping[str, Any]) -> Fetched:
    """The rows of an answer."""
    rows = [item["data"] for item in answer["results"]]
    return Fetched(names_of(answer), rows, answer["results"], tuple(answer.get("warnings", ())))


def end(no: bool) -> None:
    """End with exit code 1 if the answer is "no"."""
    if no:
        raise SystemExit(int(Exit.NO))


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
