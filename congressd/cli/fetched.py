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

limit_option = click.option("--limit", type=click.IntRange(min=1), help="The first so many rows at most.")


@dataclass(frozen=True, slots=True)
class Fetched:
    """``items`` are the same rows as the service's objects; ``warnings`` say why rows may be missing, or are."""

    names: list[str]
    rows: list[list[Any]]
    items: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()


def rows_of(client: Client, name: str, table: str, limit: int | None = None) -> Fetched:
    """The rows of a table of a policy or source, the first ``limit`` of them."""
    return fetched(client.service.get("v1", "policies", name, "tables", table, "rows", query=limited(limit)))


def limited(limit: int | None) -> dict[str, str]:
    """The query parameter that asks for so many rows at most."""
    return {} if limit is None else {"limit": str(limit)}


def fetched(answer: Mapping[str, Any]) -> Fetched:
    """The rows of an answer."""
    rows = [item["data"] for item in answer["results"]]
    cut = [f"There are more than these {counted(len(rows), 'row')}."] if answer.get("truncated") else []
    return Fetched(names_of(answer), rows, answer["results"], (*answer.get("warnings", ()), *cut))


def end(no: bool) -> None:
    """End with exit code 1 if the answer is "no"."""
    if no:
        raise SystemExit(int(Exit.NO))


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
