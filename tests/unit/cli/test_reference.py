"""docs/cli.md and the help texts."""

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from congressd.cli import client, reference

CHECKOUT = Path(__file__).parents[3]


def _commands(group: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from _commands(command, (*path, name))
    else:
        yield " ".join(path), group


ALL = dict(_commands(client.cli, ("congress",)))


def _examples() -> Iterator[tuple[str, list[str]]]:
    for path, command in ALL.items():
        for line in inspect.cleandoc(command.help or "").partition("Example:")[2].splitlines():
            text = line.split("     (")[0].strip()
            if f"{path} " in f"{text} " and "$(" not in text:
                words = shlex.split(text[text.index(path) :].split(" < ")[0].split(" > ")[0])
                yield path, words[len(path.split()) :]


def test_the_page_is_current() -> None:
    current = (CHECKOUT / "docs/cli.md").read_text(encoding="utf-8")
    assert current == reference.page(), "run `python -m congressd.cli.reference > docs/cli.md`"


@pytest.mark.parametrize("path", ALL)
def test_every_command_shows_an_example(path: str) -> None:
    assert "Example: " in (ALL[path].help or "")


@pytest.mark.parametrize(
    ("path", "words"), list(_examples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_examples_are_understood(path: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in words:
        if name.endswith((".congress", ".yaml", ".csv")):
            Path(name.replace("*", "all")).touch()
    with ALL[path].make_context(path, words):
        pass


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (CHECKOUT / "docs").glob("*.md"))])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert ((CHECKOUT / page).parent / target).exists(), f"{page} links to {target}"
