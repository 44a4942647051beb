"""What a driver is: how it describes itself, what it is given, and what it gives back.

A driver knows how to read one kind of system. It holds no rows, keeps no time and never publishes: the node that runs
it compares what it fetched with what is held.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from congressd.datasources.action import ActionError, ActionRequest
from congressd.datasources.options import Option, common_options, parse_config
from congressd.model.actions import ActionInfo
from congressd.model.tables import TableSchema
from congressd.model.values import Row


class DriverKind(StrEnum):
    """POLLING drivers fetch rows every now and then; the rows of PUSHED ones come through the API."""

    POLLING = "polling"
    PUSHED = "pushed"


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """What a driver says about itself.

    ``own_options`` are those that it does not share with all others, ``poll_time`` and ``values`` the defaults of the
    common ones; ``tables`` are the schemas that no configuration changes, ``actions`` what it can be told to do.
    """

    name: str
    description: str
    own_options: tuple[Option, ...] = ()
    kind: DriverKind = DriverKind.POLLING
    poll_time: float = 10.0
    values: str = "json"
    tables: tuple[TableSchema, ...] = ()
    actions: tuple[ActionInfo, ...] = ()

    @property
    def options(self) -> tuple[Option, ...]:
        """All options: the driver's own, then the common ones."""
        poll_time = self.poll_time if self.kind is DriverKind.POLLING else None
        return self.own_options + common_options(poll_time, self.values)


@dataclass(frozen=True, slots=True)
class PollRequest:
    """What one poll is asked for.

    ``full``: the caller holds nothing, so no table may be reported as unchanged. ``deadline``: monotonic seconds at
    which the poll should have ended; drivers hand what is left of it to whatever they wait for.
    """

    full: bool
    deadline: float


@dataclass(frozen=True, slots=True)
class FetchedTable:
    """A table read anew: its schema and all of its rows (equal rows count once).

    ``checked``: the driver vouches that each row is a tuple of values, one for each column. Otherwise that is looked
    at, which for large tables takes as long as the comparison with the old rows, and what JSON has becomes values.
    """

    schema: TableSchema
    rows: Sequence[Row]
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Fetch:
    """The outcome of one poll; a table that stands nowhere in it does not exist any more.

    ``tables`` were read, ``unchanged`` are known to be as they were, ``errors`` says in a sentence why a table could
    not be read, ``pending`` are tables about to change that cannot be read yet: these three keep their old rows.
    ``again_in``: seconds after which a poll is worth while, sooner than the poll time (None: no such wish).
    """

    tables: Mapping[str, FetchedTable] = field(default_factory=dict)
    unchanged: frozenset[str] = frozenset()
    errors: Mapping[str, str] = field(default_factory=dict)
    pending: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    again_in: float | None = None


class FetchError(Exception):
    """Nothing could be fetched; the text is a sentence for the source's status."""


class Driver(ABC):
    """One source's driver. Instances are cheap to make and connect only when polled."""

    info: ClassVar[DriverInfo]

    def __init__(self, config: Mapping[str, Any]) -> None:
        """``config`` is what `check_config` gave."""
        self.config = config

    @classmethod
    def check_config(cls, config: Mapping[str, object] | None) -> dict[str, Any]:
        """A configuration with every option typed and checked. Raises CongressError "source_config"."""
        return parse_config(cls.info.name, cls.info.options, config)

    def schema(self) -> tuple[TableSchema, ...]:
        """The tables that are known before anything was fetched."""
        return self.info.tables

    @abstractmethod
    def poll(self, request: PollRequest) -> Fetch:
        """Fetch all tables. Never called by two threads at once. Raises FetchError."""

    def actions(self) -> tuple[ActionInfo, ...]:
        """What the driver can be told to do."""
        return self.info.actions

    def act(self, request: ActionRequest) -> Any:
        """Do one of `actions`; what came of it, as JSON. Called by many threads at once. Raises ActionError."""
        raise ActionError(f"the driver {self.info.name} cannot {request.action}")

    def close(self) -> None:  # noqa: B027 - most drivers hold nothing open
        """Let go of connections, and end a poll that is under way."""
