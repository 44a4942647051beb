"""docs/sources.md: every driver and option stands in it, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from congressd.datasources.driver import PollRequest
from congressd.datasources.registry import BUILT_IN

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")


def test_every_driver_and_option_is_documented() -> None:
    for driver in BUILT_IN:
        _, _, section = PAGE.partition(f"\n## `{driver.info.name}`")
        assert section, driver.info.name
        own, _, _ = section.partition("\n## ")
        for option in driver.info.own_options:
            assert f"| `{option.name}` |" in own, (driver.info.name, option.name)
        for option in driver.info.options:
            assert f"| `{option.name}` |" in PAGE


def test_the_example_of_a_driver_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    (tmp_path / "passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    driver = names["PasswdDriver"]
    made = driver(driver.check_config({"path": str(tmp_path / "passwd")}))
    fetch = made.poll(PollRequest(full=True, deadline=0.0))
    assert fetch.tables["users"].rows == [("root", "/bin/bash")]
