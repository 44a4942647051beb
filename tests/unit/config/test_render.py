"""What is made from the table of options."""

from pathlib import Path

from congressd.config import render
from congressd.config.load import load
from congressd.config.options import Settings

CHECKOUT = Path(__file__).parents[3]


def test_the_sample_changes_nothing_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "sample.conf"
    path.write_text(render.sample(), encoding="utf-8")
    assert load([path]).settings == Settings()


def test_the_sample_is_the_defaults_when_its_lines_are_switched_on(tmp_path: Path) -> None:
    path = tmp_path / "sample.conf"
    lines = render.sample().splitlines()
    path.write_text("\n".join(line.removeprefix("#") for line in lines if not line.startswith("# ")), encoding="utf-8")
    assert load([path]).settings == Settings()


def test_the_reference_page_is_current() -> None:
    current = (CHECKOUT / "docs/config.md").read_text(encoding="utf-8")
    assert current == render.page(), "run `python -m congressd.config.render > docs/config.md`"
