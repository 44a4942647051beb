"""The `fake` driver: rows from nowhere, for tests, demonstrations and load, with changes and failures as planned."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from congressd.datasources.action import ActionError, ActionRequest
from congressd.datasources.driver import Driver, DriverInfo, Fetch, FetchedTable, FetchError, PollRequest
from congressd.datasources.options import Option, OptionType
from congressd.model.actions import ActionInfo, Argument
from congressd.model.errors import CongressError
from congressd.model.nearest import hint, listing
from congressd.model.tables import Column, TableSchema
from congressd.model.values import Row, to_rows

TABLE: Final = TableSchema("fake_table", (Column("id", "any", "the row's id"), Column("name", "any", "its name")))
STEP_PARTS: Final = ("rows", "error", "table_error", "delay")


class FakeDriver(Driver):
    """One table, ``fake_table(id, name)``, as Congress' driver for tests has.

    Without a ``plan`` it holds ``rows`` rows (0, "name-0"), ..., of which each poll renames the next ``churn``.
    With one, each poll does the next step of it, and the last step for ever.
    """

    info = DriverInfo(
        name="fake",
        description="Made-up rows for tests and demonstrations: fake_table(id, name)",
        own_options=(
            Option(
                "rows",
                OptionType.INTEGER,
                default=3,
                minimum=0,
                maximum=10_000_000,
                description="how many rows there are",
            ),
            Option("churn", OptionType.INTEGER, default=0, minimum=0, description="how many rows each poll changes"),
            Option(
                "plan",
                OptionType.JSON,
                default=[],
                description='a list of steps, one a poll: {"rows": [[1, "a"], ...]}, {"error": "sentence"}, '
                '{"table_error": "sentence"}, each perhaps with {"delay": seconds}',
            ),
        ),
        tables=(TABLE,),
        values="congress",
        actions=(
            ActionInfo("note", "Do nothing, and succeed", rest=True),
            ActionInfo("fail", "Do nothing, and fail", (Argument("sentence", "str"),), rest=True),
            ActionInfo(
                "wait",
                "Take a while",
                (Argument("seconds", "number", description="how long"),),
                time_limit=5.0,
                rest=True,
            ),
            ActionInfo("repeat", "Do nothing, which may be repeated", idempotent=True, rest=True),
        ),
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._plan: Sequence[Mapping[str, Any]] = config["plan"]
        self._names = [0] * config["rows"]
        self._polls = 0
        self._next = 0
        self._closed = threading.Event()

    @classmethod
    def check_config(cls, config: Mapping[str, object] | None) -> dict[str, Any]:
        """As every driver's; besides, each step of the plan must be one."""
        parsed = super().check_config(config)
        if not isinstance(parsed["plan"], list):
            raise _bad("must be a list of steps")
        for number, step in enumerate(parsed["plan"], 1):
            if not isinstance(step, Mapping):
                raise _bad(f"step {number} is {str(step)[:60]!r}; a step is an object")
            for part in step:
                if part not in STEP_PARTS:
                    raise _bad(
                        f'step {number} has "{part}"; its parts may be {listing(STEP_PARTS)}.{hint(part, STEP_PARTS)}'
                    )
            delay = step.get("delay", 0)
            if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= 3600:
                raise _bad(f"step {number} has the delay {delay!r}; it must be a number of seconds from 0 to 3600")
            try:
                _rows(step.get("rows", []))
            except (TypeError, ValueError) as error:
                raise _bad(f"step {number} has rows that are not a list of [id, name]: {error}") from None
        return parsed

    def poll(self, request: PollRequest) -> Fetch:
        step: Mapping[str, Any] = {}
        if self._plan:
            step = self._plan[min(self._polls, len(self._plan) - 1)]
        self._polls += 1
        if self._closed.wait(min(step.get("delay", 0), max(0.0, request.deadline - time.monotonic()))):
            raise FetchError("The source was stopped.")
        if "error" in step:
            raise FetchError(str(step["error"]))
        if "table_error" in step:
            return Fetch(errors={TABLE.name: str(step["table_error"])})
        if self._plan:
            rows = _rows(step.get("rows", []))
        else:
            for _ in range(min(self.config["churn"], len(self._names)) if self._polls > 1 else 0):
                self._names[self._next] += 1
                self._next = (self._next + 1) % len(self._names)
            rows = [(number, f"name-{name}") for number, name in enumerate(self._names)]
        return Fetch(tables={TABLE.name: FetchedTable(TABLE, rows, checked=True)})

    def act(self, request: ActionRequest) -> Any:
        if request.action == "fail":
            raise ActionError(str(request.args[0]))
        if request.action == "wait":
            wanted = float(str(request.args[0]))
            self._closed.wait(min(wanted, request.seconds))
            if wanted > request.seconds:
                raise ActionError("it took too long", acted=True)
        return {"args": list(request.args)}

    def close(self) -> None:
        self._closed.set()


def _rows(items: Sequence[Sequence[object]]) -> list[Row]:
    rows = to_rows(items)
    if any(len(row) != len(TABLE.columns) for row in rows):
        raise ValueError("each row needs 2 values")
    return rows


def _bad(problem: str) -> CongressError:
    return CongressError("source_config", f'Option "plan": {problem}', {"option": "plan"})
