"""docs/cli.md, made from the commands themselves: ``python -m congressd.cli.reference > docs/cli.md``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from congressd.cli import client, daemon

_HEAD = """# The command line

<!-- Made from the commands with
`python -m congressd.cli.reference > docs/cli.md`; a test says when it is out of date. -->

`congress` asks and changes a running service; `congressd` is the service. Every command tells about itself with
`--help`. `eval "$(congress completion bash)"` makes the shell complete commands and options (also for `zsh`, `fish`).

**Which service.** `--endpoint URL` before the verb, or the variable `CONGRESS_ENDPOINT`; else
`http://127.0.0.1:1789`. A bearer token comes from `--token` or `CONGRESS_TOKEN`.

**What it prints.** `-o table` for people, `-o json`, `-o yaml` and `-o csv` for programs. JSON and YAML hold the
objects of the REST API as they are, so they are as stable as it is; a change prints the changed object. What is
printed for programs holds every value as it is; for people control characters are escaped, as in `\\u001b`, so that no
value can command a terminal. Problems and warnings go to standard error.

**Exit codes of `congress`.**

| code | meaning |
| --- | --- |
| 0 | it worked |
| 1 | it worked, and the answer is "no": `check` found errors, `fmt` would change a file, `--exit-code` found rows |
| 2 | wrong usage, or a local file or output, that cannot be used |
| 3 | the service knows no such policy, rule, table or source |
| 4 | no service answered |
| 5 | the service refused: bad input, a conflict, missing rights |
| 6 | the service failed, or is not ready |

`congressd` ends with 0 if it worked, 1 if not, 2 for wrong usage or configuration.

**Policy files.** YAML, one document for each policy, as Congress' `policy create-from-file` reads it:

```yaml
name: security
description: What must not be open
rules:
  - name: violation
    comment: why it matters
    rule: |
      error(server) :-
        cloud:servers(name=server, status="ERROR")
```

Or the rules alone, in a file whose name is the policy's and ends in `.congress` or `.dl`; the comment above a rule
becomes the rule's comment. In YAML, `enabled: false` keeps a rule without effect.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name, group in (("congress", client.cli), ("congressd", daemon.cli)):
        parts.append(f"## {name}\n")
        if isinstance(group, click.Group):
            parts += _commands(group, name)
    return "\n".join(parts)


def _commands(group: click.Group, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, path)
        else:
            yield _section(command, path)


def _section(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path)
    words = " ".join(command.collect_usage_pieces(context))
    text, _, example = inspect.cleandoc(command.help or "").partition("Example:")
    lines = [f"### `{path}`\n", f"`{path} {words}`\n", text.replace("\b", "").strip() + "\n"]
    options = [each for each in command.params if isinstance(each, click.Option)]
    rows = [_option(each, context) for each in options if each.name != "form" and "--output" not in each.opts]
    if rows:
        lines += ["| option | meaning |", "| --- | --- |", *rows, ""]
    if example.strip():
        lines += ["```text", inspect.cleandoc(example.strip()), "```", ""]
    return "\n".join(lines)


def _option(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None, "no option is hidden"
    spelled, meaning = (part.replace("|", "\\|") for part in record)
    return f"| `{spelled}` | {' '.join(meaning.split())} |"


if __name__ == "__main__":
    print(page(), end="")
