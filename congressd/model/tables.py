"""What a data source says about its tables, and what one batch changes in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from congressd.model.values import Row


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; ``type`` is advice to readers (``str int float bool any``), not a check."""

    name: str
    type: str = "any"
    description: str = ""


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The name, columns and key of one table. An empty key means that the whole row is the key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def key_positions(self) -> tuple[int, ...]:
        """Where in a row the columns of the key stand, counted from 0."""
        names = self.column_names
        return tuple(names.index(name) for name in self.key)


@dataclass(frozen=True, slots=True)
class TableChange:
    """Rows that one batch adds to and removes from a table; in a snapshot ``added`` is the whole table."""

    added: Sequence[Row] = ()
    removed: Sequence[Row] = ()


class BatchKind(StrEnum):
    """SNAPSHOT replaces all tables of its source, DELTA changes them."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"


@dataclass(frozen=True, slots=True)
class Batch:
    """The unit of change of a source: all tables of one poll, push or webhook, applied atomically.

    ``epoch`` names the reign of one active datasource node, ``sequence`` counts this source's batches within it by
    one (a snapshot carries the sequence of the last batch that it contains), ``schema`` describes every table that
    the source has, and ``push`` is the number of the last push that the batch contains (pushed sources only).
    """

    source: str
    epoch: int
    sequence: int
    kind: BatchKind
    schema: tuple[TableSchema, ...]
    tables: Mapping[str, TableChange] = field(default_factory=dict)
    push: int | None = None
    fetched_at: float = 0.0  #: when the data were read at the source, seconds since 1970 (UTC)
