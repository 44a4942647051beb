"""Reads a configuration: defaults, then files, then environment, then the command line; then checks it as a whole."""

from __future__ import annotations

import dataclasses
import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from oslo_config import cfg

from congressd.config.checks import problems_across
from congressd.config.options import CONGRESS_ONLY, FOREIGN_GROUPS, About, Settings

PREFIX = "CONGRESSD_"

#: Values of Congress that are written differently here, by option.
_SYNONYMS = {("DEFAULT", "auth_strategy"): {"noauth": "none"}}


class ConfigError(Exception):
    """A configuration that cannot be used; ``problems`` has one sentence for each thing to mend."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that holds together, and what should be said about it all the same."""

    settings: Settings
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table, with its names."""

    group: str
    name: str
    type: str
    default: str | int | float | bool
    about: About

    @property
    def label(self) -> str:
        return f"[{self.group}]/{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        group = "" if self.group == "DEFAULT" else f"{self.group}__"
        return f"{PREFIX}{group}{self.name}".upper()


def options() -> Iterator[Option]:
    """All rows of the table, in its order."""
    for group in dataclasses.fields(Settings):
        for row in dataclasses.fields(cast(Any, group.default)):
            about = cast(About, row.metadata["about"])
            name = "DEFAULT" if group.name == "default" else group.name
            yield Option(name, row.name, str(row.type), cast(Any, row.default), about)


def load(
    files: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    arguments: Mapping[tuple[str, str], object] | None = None,
) -> Loaded:
    """The configuration that ``files``, ``environment`` and ``arguments`` ((group, name) -> value) make, later over
    earlier. Raises ConfigError with everything that is wrong, not only the first thing."""
    rows = list(options())
    problems: list[str] = []
    warnings: list[str] = []
    written: dict[str, str] = {}
    readable = []
    for path in files:
        texts = _check_names(path, rows, problems, warnings)
        if texts is not None:
            readable.append(path)
            written |= texts
    conf = _read_files(readable, rows, problems)
    given = _from_environment(environment or {}, rows, problems)
    given.update(arguments or {})
    values: dict[str, dict[str, Any]] = {}
    wrong = set()
    for row in rows:
        value, problem = _value(conf, row, given, written)
        values.setdefault(row.group.lower(), {})[row.name] = value
        if problem:
            problems.append(problem)
            wrong.add(row.label)
    settings = Settings(
        **{group.name: type(cast(Any, group.default))(**values[group.name]) for group in dataclasses.fields(Settings)}
    )
    problems.extend(problems_across(settings, wrong))
    if problems:
        raise ConfigError(problems)
    return Loaded(settings, tuple(warnings))


def _read_files(files: Sequence[Path], rows: Sequence[Option], problems: Sequence[str]) -> cfg.ConfigOpts:
    logging.getLogger("oslo_config").setLevel(logging.ERROR)  # it calls Congress' names deprecated; they are welcome
    conf = cfg.ConfigOpts()
    for row in rows:
        conf.register_opt(_oslo_option(row), group=None if row.group == "DEFAULT" else row.group)
    try:
        conf([], project="congressd", default_config_files=[str(path) for path in files], use_env=False)
    except cfg.Error as error:
        raise ConfigError([*problems, str(error)]) from None
    return conf


def _value(
    conf: cfg.ConfigOpts,
    row: Option,
    given: Mapping[tuple[str, str], object],
    written: Mapping[str, str],
) -> tuple[str | int | float | bool, str]:
    """The value of an option, or its default and what is wrong with the value that was given."""
    group = None if row.group == "DEFAULT" else row.group
    key = (row.group, row.name)
    try:
        if key in given:
            conf.set_override(row.name, str(given[key]), group=group)
        return _spelling(row, conf[row.name] if group is None else conf[group][row.name]), ""
    except (ValueError, cfg.ConfigFileValueError):
        text = given.get(key, written.get(row.label, written.get(row.about.congress)))
        return row.default, f"{row.label} is {str(text)!r}. {allowed(row)}"


def _spelling(row: Option, value: Any) -> str | int | float | bool:
    """The table's own spelling of a choice."""
    if row.about.choices:
        value = _SYNONYMS.get((row.group, row.name), {}).get(value.lower(), value)
        return next(choice for choice in row.about.choices if choice.lower() == value.lower())
    return cast("str | int | float | bool", value)


def allowed(row: Option) -> str:
    """A sentence that says which values an option takes."""
    about = row.about
    if about.choices:
        return f"Allowed: {', '.join(about.choices)}."
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
    kind = kinds[row.type]
    if about.minimum is not None and about.maximum is not None:
        return f"Allowed: {kind} from {about.minimum:g} to {about.maximum:g}."
    if about.minimum is not None:
        return f"Allowed: {kind}, at least {about.minimum:g}."
    return f"Allowed: {kind}."


def _oslo_option(row: Option) -> cfg.Opt:
    about = row.about
    old = []
    if about.congress:
        group, name = re.fullmatch(r"\[(.+)\]/(.+)", about.congress).groups()  # type: ignore[union-attr]
        if (group, name) != (row.group, row.name):
            old = [cfg.DeprecatedOpt(name, group=group)]
    common: dict[str, Any] = {"default": row.default, "help": about.help, "deprecated_opts": old}
    if row.type == "bool":
        return cfg.BoolOpt(row.name, **common)
    if row.type == "int":
        return cfg.IntOpt(
            row.name, min=cast("int | None", about.minimum), max=cast("int | None", about.maximum), **common
        )
    if row.type == "float":
        return cfg.FloatOpt(row.name, min=about.minimum, max=about.maximum, **common)
    choices = [*about.choices, *_SYNONYMS.get((row.group, row.name), {})] or None
    return cfg.StrOpt(row.name, choices=choices, ignore_case=bool(choices), secret=about.secret, **common)


def _check_names(path: Path, rows: Sequence[Option], problems: list[str], warnings: list[str]) -> dict[str, str] | None:
    """What the file says, by ``[group]/name``, or None if it cannot be read.

    oslo.config is silent about a name that it does not know.
    """
    sections: dict[str, dict[str, Any]] = {}
    try:
        if b"\0" in path.read_bytes():
            problems.append(f"{path}: not a configuration file, since it is no text")
            return None
        cfg.ConfigParser(str(path), sections).parse()
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return None
    except UnicodeDecodeError as error:
        problems.append(f"{path}: not UTF-8 text (byte {error.start})")
        return None
    except cfg.ParseError as error:
        problems.append(f"{path}: {error}")
        return None
    known = {row.label for row in rows} | {row.about.congress for row in rows}
    for group, entries in sections.items():
        for name in entries:
            label = f"[{group}]/{name}"
            if label in known:
                continue
            if label in CONGRESS_ONLY or group.startswith(FOREIGN_GROUPS):
                warnings.append(f"{path}: {label} has no meaning in congressd and is ignored")
            else:
                problems.append(f"{path}: there is no option {label}.{_nearest(label, known)}")
    return {f"[{group}]/{name}": texts[-1] for group, entries in sections.items() for name, texts in entries.items()}


def _from_environment(
    environment: Mapping[str, str], rows: Sequence[Option], problems: list[str]
) -> dict[tuple[str, str], object]:
    by_variable = {row.variable: row for row in rows}
    given: dict[tuple[str, str], object] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX):
            continue
        if row := by_variable.get(variable):
            given[row.group, row.name] = text
        else:
            problems.append(f"environment: {variable} is no option.{_nearest(variable, by_variable)}")
    return given


def _nearest(name: str, known: Mapping[str, Option] | set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else " `congressd config sample` lists all options."
