"""The `push` driver: tables that a client fills through the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from congressd.datasources.driver import Driver, DriverInfo, DriverKind, Fetch, FetchError, PollRequest
from congressd.datasources.options import Option, OptionType
from congressd.model.pushtables import parse_tables
from congressd.model.tables import TableSchema


class PushDriver(Driver):
    """Declares its tables; the node that runs it takes their rows from the log of pushes."""

    info = DriverInfo(
        name="push",
        description="Tables that you declare, and fill by PUT (whole table) and PATCH (single rows)",
        own_options=(
            Option(
                "tables",
                OptionType.JSON,
                required=True,
                description='an object from tables to lists of columns, such as {"servers": ["id", "owner"]}; a column '
                'may be an object with "name", "type", "description", a list an object with "columns" and "key"',
            ),
            Option(
                "key",
                OptionType.JSON,
                default={},
                description='an object from tables to the columns of their key, such as {"servers": ["id"]}',
            ),
        ),
        kind=DriverKind.PUSHED,
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._schema = parse_tables(config["tables"], config["key"])

    @classmethod
    def check_config(cls, config: Mapping[str, object] | None) -> dict[str, Any]:
        """As every driver's; besides, the declared tables must make sense."""
        parsed = super().check_config(config)
        parse_tables(parsed["tables"], parsed["key"])
        return parsed

    def schema(self) -> tuple[TableSchema, ...]:
        return self._schema

    def poll(self, request: PollRequest) -> Fetch:
        raise FetchError("Rows are pushed to this source; there is nothing to fetch.")
