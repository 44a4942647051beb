"""Storage: the rows of one table with the hash indexes that compiled rules ask of it.

An index maps a key (the bare value for one column, a tuple for several) to rows. While no two rows share a key the
index is *unique* and maps to the row itself, which is smaller and saves a loop in compiled code; the first
duplicate turns it, for good, into a map to buckets. A bucket is a tuple while small (immutable, so that a fork can
share it), then a list, then a dict, so that removal never scans far.

A storage that readers may still hold is *shared* and is never changed: writers `fork` it first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final, TypeAlias

from congressd.model.values import Row, Value

Columns: TypeAlias = tuple[int, ...]
Key: TypeAlias = Value | tuple[Value, ...]
Bucket: TypeAlias = "tuple[Row, ...] | list[Row] | dict[Row, None]"

#: Largest bucket kept as a tuple, and as a list: above the first a copy at each change costs more than a list's
#: slack, above the second a scan at removal costs more than a dict's memory.
TUPLE_LIMIT: Final = 4
LIST_LIMIT: Final = 48


def key_of(columns: Columns) -> Callable[[Row], Any]:
    """The function that takes a row's key for an index over these columns."""
    if not columns:
        return lambda row: ()
    return itemgetter(*columns)


class Index:
    """One hash index. ``entries`` maps keys to rows while ``unique``, else to buckets."""

    __slots__ = ("columns", "entries", "key", "owned", "unique")

    def __init__(self, columns: Columns, rows: Iterable[Row]) -> None:
        self.columns = columns
        self.key = key_of(columns)
        self.unique = bool(columns)
        self.entries: dict[Any, Any] = {}
        #: keys whose mutable bucket this index made itself since it was forked; None: all of them
        self.owned: set[Any] | None = None
        self.load(rows)

    def load(self, rows: Iterable[Row]) -> None:
        """Fill an empty index."""
        key = self.key
        if self.unique:
            rows = list(rows)
            entries = dict(zip(map(key, rows), rows, strict=True))
            if len(entries) == len(rows):
                self.entries = entries
                return
            self.unique = False
        grouped: dict[Any, Any] = {}
        get = grouped.get
        for row in rows:
            k = key(row)
            bucket = get(k)
            if bucket is None:
                grouped[k] = (row,)
            elif type(bucket) is list:
                bucket.append(row)
            elif len(bucket) < TUPLE_LIMIT:
                grouped[k] = (*bucket, row)
            else:
                grouped[k] = [*bucket, row]
        for k, bucket in grouped.items():
            if len(bucket) > LIST_LIMIT:
                grouped[k] = dict.fromkeys(bucket)
        self.entries = grouped

    def fork(self) -> Index:
        """A copy that can change without touching this one; mutable buckets are copied when first changed."""
        other = Index.__new__(Index)
        other.columns, other.key, other.unique = self.columns, self.key, self.unique
        other.entries = self.entries.copy()
        other.owned = set()
        return other

    def add(self, row: Row) -> bool:
        """Enter a row that is not yet there. True if the index ceased to be unique by it."""
        k = self.key(row)
        entries = self.entries
        if self.unique:
            if entries.setdefault(k, row) is row:
                return False
            self.unique = False
            self.entries = {each: (held,) for each, held in entries.items()}
            self.owned = None
            self.entries[k] += (row,)
            return True
        bucket = entries.get(k)
        if bucket is None:
            entries[k] = (row,)
        elif type(bucket) is tuple:
            if len(bucket) < TUPLE_LIMIT:
                entries[k] = (*bucket, row)
            else:
                entries[k] = [*bucket, row]
                if self.owned is not None:
                    self.owned.add(k)
        else:
            bucket = self._own(k, bucket)
            if type(bucket) is list:
                bucket.append(row)
                if len(bucket) > LIST_LIMIT:
                    entries[k] = dict.fromkeys(bucket)
            else:
                bucket[row] = None
        return False

    def remove(self, row: Row) -> None:
        """Take out a row that is there."""
        k = self.key(row)
        entries = self.entries
        if self.unique:
            del entries[k]
            return
        bucket = entries[k]
        if type(bucket) is tuple:
            if len(bucket) == 1:
                del entries[k]
            else:
                entries[k] = tuple(other for other in bucket if other != row)
            return
        bucket = self._own(k, bucket)
        if type(bucket) is list:
            bucket.remove(row)
            if len(bucket) <= TUPLE_LIMIT:
                entries[k] = tuple(bucket)
        else:
            del bucket[row]
            if len(bucket) <= LIST_LIMIT:
                entries[k] = list(bucket)

    def _own(self, k: Any, bucket: Any) -> Any:
        if self.owned is None or k in self.owned:
            return bucket
        bucket = bucket.copy()
        self.entries[k] = bucket
        self.owned.add(k)
        return bucket

    def bucket(self, key: Any) -> Iterable[Row]:
        """The rows with this key."""
        found = self.entries.get(key)
        if found is None:
            return ()
        return (found,) if self.unique else found


class Storage:
    """The rows of one table, each with the number of ways in which it is derived (1 in tables of a source)."""

    __slots__ = ("indexes", "rows", "shared")

    def __init__(self, rows: dict[Row, int] | None = None) -> None:
        self.rows: dict[Row, int] = {} if rows is None else rows
        self.indexes: dict[Columns, Index] = {}
        self.shared = False

    def fork(self) -> Storage:
        """A copy to write to, while readers keep this one."""
        other = Storage(self.rows.copy())
        other.indexes = {columns: index.fork() for columns, index in self.indexes.copy().items()}
        return other

    def index(self, columns: Columns) -> Index:
        """The index over these columns, built at the first request."""
        found = self.indexes.get(columns)
        if found is None:
            # A reader and the writer may both build it; compiled rules must hold the one that is kept up.
            found = self.indexes.setdefault(columns, Index(columns, self.rows))
        return found

    def add(self, rows: dict[Row, int]) -> bool:
        """Add rows that are not there, with their counts. True if an index ceased to be unique."""
        turned = False
        self.rows.update(rows)
        for index in self.indexes.values():
            enter = index.add
            for row in rows:
                if enter(row):
                    turned = True
        return turned

    def remove(self, rows: Iterable[Row]) -> None:
        """Remove rows that are there."""
        held = self.rows
        for row in rows:
            del held[row]
        for index in self.indexes.values():
            leave = index.remove
            for row in rows:
                leave(row)
