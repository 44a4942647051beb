"""``congress``: the client of a congressd service, and the tools for policy files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click
from click.shell_completion import get_completion_class

from congressd.cli.actions import actions
from congressd.cli.context import Client, Exit, Failure
from congressd.cli.http import DEFAULT_ENDPOINT, RefusedError, Service, UnreachableError
from congressd.cli.output import FORMATS
from congressd.cli.policies import policy
from congressd.cli.questions import explain, query, simulate
from congressd.cli.rules import rule
from congressd.cli.service import history, status
from congressd.cli.sources import driver, source
from congressd.cli.tables import row, table
from congressd.cli.texts import check, fmt
from congressd.cli.violations import violations

LONGEST: Final = 86400.0  #: seconds that anybody may want to wait for an answer
_EPILOG = """\b
Exit codes: 0 it worked, 1 it worked and the answer is "no" (errors found, rows where none should be),
2 wrong usage or an unusable file, 3 no such thing, 4 no service answered, 5 refused, 6 the service failed.

\b
Example: congress violations
"""


def _endpoint(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        Service(value)
    except ValueError as error:
        raise Failure(str(error)) from None
    return value


def _token(_: click.Context, __: click.Parameter, value: str) -> str:
    """The token without the white space that a file leaves at its end. Its text is told to nobody, even if wrong."""
    value = value.strip()
    if not re.fullmatch("[!-~]*", value):
        raise Failure(
            "the token (--token or CONGRESS_TOKEN) has a character that no token has: white space, a control "
            "character, or one outside ASCII; copy it again"
        )
    return value


def _timeout(_: click.Context, __: click.Parameter, value: float) -> float:
    if not 0 < value <= LONGEST:  # not true of nan either
        raise Failure(f"--timeout is {value:g}; it must be a number of seconds above 0, {LONGEST:g} at most")
    return value


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--endpoint",
    envvar="CONGRESS_ENDPOINT",
    default=DEFAULT_ENDPOINT,
    show_default=True,
    show_envvar=True,
    callback=_endpoint,
)
@click.option(
    "--token",
    envvar="CONGRESS_TOKEN",
    default="",
    show_envvar=True,
    callback=_token,
    help="A bearer token, where needed.",
)
@click.option("--timeout", default=60.0, show_default=True, callback=_timeout, help="Seconds to wait for each answer.")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.version_option(package_name="congressd")
@click.pass_context
def cli(context: click.Context, endpoint: str, token: str, timeout: float, form: str) -> None:
    """Ask and change a congressd service: policies, their violations, and the sources that they watch."""
    context.obj = Client(endpoint, token, form, timeout)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete words.

    Example: eval "$(congress completion bash)"
    """
    kind = get_completion_class(shell)
    assert kind is not None, f"click completes for {shell}"
    click.echo(kind(cli, {}, "congress", "_CONGRESS_COMPLETE").source())


for _verb in (
    violations,
    policy,
    rule,
    table,
    row,
    query,
    explain,
    simulate,
    source,
    driver,
    actions,
    status,
    history,
    check,
    fmt,
):
    cli.add_command(_verb)
cli.add_command(completion)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the client; ends with one of the exit codes of `Exit`."""
    if "_CONGRESS_COMPLETE" in os.environ:
        cli.main(prog_name="congress")  # ends the process with the words that fit
    try:
        code = cli.main(args=arguments, prog_name="congress", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else Exit.OK)
    except RefusedError as refusal:
        _end(Failure(str(refusal), _exit_code(refusal.status)))
    except UnreachableError as problem:
        _end(Failure(str(problem), Exit.UNREACHABLE))
    except Failure as failure:
        _end(failure)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `congress ... | head` is no failure
        _drop_output()
        sys.exit(Exit.OK)
    except OSError as error:
        if error.filename is not None:
            raise
        _drop_output()
        _end(Failure(f"the output cannot be written: {error.strerror or error}", Exit.USAGE))


def _drop_output() -> None:
    """What is still to be written goes nowhere, so that the end of the process does not try it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(failure: Failure) -> NoReturn:
    failure.show()
    sys.exit(failure.code)


def _exit_code(status: int) -> Exit:
    if status == 404:
        return Exit.NOT_FOUND
    return Exit.FAILED if status >= 500 else Exit.REFUSED


if __name__ == "__main__":
    main()
