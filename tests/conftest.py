"""Where everything has to run, nothing is left out for want of a Debian package."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a test that is skipped because a program is not installed has failed.

    On a developer's machine it is left out, and pytest's summary names the package.
    """
    report = yield
    reason: Any = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    if report.skipped and os.environ.get("CI") == "true" and "not installed" in reason:
        report.outcome = "failed"
        report.longrepr = (
            f"{reason.removeprefix('Skipped: ')}; with CI=true that is a failure: run tools/system-packages as root"
        )
    return report
