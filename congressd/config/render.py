"""The table of options as text: the sample file and the reference page."""

from __future__ import annotations

import textwrap

from congressd.config.load import Option, allowed, options

_PAGE = """# Configuration

<!-- Made from congressd/config/options.py with
`python -m congressd.config.render > docs/config.md`; a test says when it is out of date. -->

`congressd` runs without a configuration file. Where there is one, it is given with `--config FILE` or as
`/etc/congressd/congressd.conf`; `congressd config sample` prints a complete one with every option at its default,
and `congressd config check FILE` says everything that is wrong with one, by name and value.

A value on the command line wins over the environment, which wins over the file, which wins over the default. The
environment variable is `CONGRESSD_<OPTION>` for the group `[DEFAULT]` and `CONGRESSD_<GROUP>__<OPTION>` for the
others. Names of OpenStack Congress that mean the same are read too; those that mean nothing here are named in a
warning, and any other unknown name is an error.
"""


def sample() -> str:
    """A configuration file with every option at its default, commented out."""
    lines: list[str] = []
    group = None
    for row in options():
        if row.group != group:
            lines += ["", f"[{row.group}]"] if lines else [f"[{row.group}]"]
            group = row.group
        lines.append("")
        lines += textwrap.wrap(
            f"{row.about.help} {_allowed(row)}".strip(), 100, initial_indent="# ", subsequent_indent="# "
        )
        lines.append(f"#{row.name} = {shown(row)}".rstrip())
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/config.md."""
    parts = [_PAGE]
    group = None
    for row in options():
        if row.group != group:
            parts.append(f"## [{row.group}]\n\n| option | default | meaning |\n| --- | --- | --- |")
            group = row.group
        note = f" {_allowed(row)}" if _allowed(row) else ""
        old = row.about.congress
        old_name = f" In Congress: `{old}`." if old and old != row.label else ""
        default = f"`{shown(row)}`" if shown(row) else "empty"
        parts.append(f"| `{row.name}`<br>`{row.variable}` | {default} | {row.about.help}{note}{old_name} |")
    return _join(parts)


def _join(parts: list[str]) -> str:
    """Tables stay together, groups are set apart."""
    text = parts[0]
    for part in parts[1:]:
        text += ("\n" if part.startswith("##") else "") + part + "\n"
    return text


def _allowed(row: Option) -> str:
    return allowed(row) if row.about.choices or row.about.minimum is not None else ""


def shown(row: Option) -> str:
    """The default as it would stand in the file."""
    return str(row.default).lower() if row.type == "bool" else str(row.default)


if __name__ == "__main__":
    print(page(), end="")
