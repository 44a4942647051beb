"""What every verb of the client has at hand: the service, the output format, and the exit codes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from functools import wraps
from typing import Any, TypeVar, cast

import click

from congressd.cli import output
from congressd.cli.http import DEFAULT_ENDPOINT, Service

F = TypeVar("F", bound=Callable[..., Any])


class Exit(IntEnum):
    """How a command ended, for scripts. docs/cli.md tells the same."""

    OK = 0
    NO = 1  #: it ran, and the answer is "no": problems found, not formatted, rows where none should be
    USAGE = 2  #: the command line or a local file cannot be used
    NOT_FOUND = 3  #: the service knows no such thing
    UNREACHABLE = 4  #: no service answered
    REFUSED = 5  #: the service refused: bad input, conflict, missing rights
    FAILED = 6  #: the service failed or is not ready (HTTP 5xx)


class Failure(click.ClickException):
    """Ends a command with one sentence on standard error and an exit code."""

    def __init__(self, sentence: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(sentence)
        self.code = code

    def show(self, file: Any = None) -> None:
        output.say(f"congress: {self.message}", err=True)


class Client:
    """The options that stand before the verb, and ways to print that obey them."""

    def __init__(self, endpoint: str | None, token: str | None, form: str, timeout: float) -> None:
        self._endpoint = endpoint or os.environ.get("CONGRESS_ENDPOINT") or DEFAULT_ENDPOINT
        self._token = token or ""
        self._timeout = timeout
        self._service: Service | None = None
        self.form = form

    @property
    def service(self) -> Service:
        """The service; nothing is sent before the first request. Raises Failure for a bad endpoint."""
        if self._service is None:
            try:
                self._service = Service(self._endpoint, self._token, self._timeout)
            except ValueError as error:
                raise Failure(str(error)) from None
        return self._service

    @property
    def for_people(self) -> bool:
        """Whether columns are wanted: tables and CSV have them, JSON and YAML hold the service's objects."""
        return self.form in ("table", "csv")

    def listing(self, items: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        output.put(output.listing(items, columns, self.form), self.form)

    def record(self, item: Mapping[str, Any]) -> None:
        output.put(output.record(item, self.form), self.form)

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], items: Sequence[Mapping[str, Any]]) -> None:
        """Rows of a table: ``items`` are the same rows as the service's objects, for JSON and YAML."""
        if self.form in ("json", "yaml"):
            output.put(output.listing(items, (), self.form), self.form)
        else:
            output.put(output.grid(columns, rows, self.form), self.form)

    def done(self, sentence: str, item: Mapping[str, Any] | None = None) -> None:
        """What a change did: a sentence for people, the changed object in JSON and YAML."""
        if self.form in ("json", "yaml") and item is not None:
            self.record(item)
        else:
            output.say(sentence)


pass_client = click.make_pass_decorator(Client)


def verb(function: F) -> F:
    """The option ``-o`` behind the verb too, where one thinks of it, and the client as first argument."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(output.FORMATS),
        expose_value=False,
        callback=_choose,
        help="How to print the answer. JSON and YAML hold the objects of the REST API.",
    )

    @wraps(function)
    def with_names(*args: Any, **given: Any) -> Any:
        _need_names(click.get_current_context())
        return function(*args, **given)

    return cast(F, option(pass_client(with_names)))


def _need_names(context: click.Context) -> None:
    """Refuse an empty argument where a name or a file is wanted; a value may be empty. Raises Failure."""
    for parameter in context.command.params:
        metavar = parameter.metavar or (parameter.name or "").upper()
        if isinstance(parameter, click.Argument) and "VALUE" not in metavar:
            given = context.params.get(parameter.name or "")
            if given == "" or (isinstance(given, tuple) and "" in given):
                raise Failure(f"{metavar.strip('[].')} is empty; see --help for what stands there")


def _choose(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Client)
        context.obj.form = value
