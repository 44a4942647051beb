"""The `file` driver: a folder of CSV, JSON, JSON Lines and YAML files, one table a file, watched.

A file is taken only when it has come to rest, so half of one is never read; a file that cannot be read leaves the
table's old rows in place, and the status says why. The folder is looked at by stat, which also works over networks.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from congressd.datasources.driver import Driver, DriverInfo, Fetch, FetchedTable, FetchError, PollRequest
from congressd.datasources.names import usable_name
from congressd.datasources.options import Option, OptionType
from congressd.datasources.rest import REST, RestWatch, Signature
from congressd.datasources.tablefiles import FORMATS, ReadError, ReadOptions, read_table
from congressd.model.errors import CongressError
from congressd.model.nearest import listing
from congressd.model.tables import TableSchema

#: A file that does not come to rest for so long is reported (seconds).
RESTLESS: Final = 5.0
MAX_FILES: Final = 1000
MAX_SIZE: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class _Taken:
    """A file's content as it was last read: ``error`` if it was no table; ``schema`` of the last time that it was."""

    signature: Signature
    schema: TableSchema | None
    error: str | None


class FileDriver(Driver):
    """Reads, in each poll, the files that have changed since the last one."""

    info = DriverInfo(
        name="file",
        description="A folder of CSV, JSON, JSON Lines and YAML files, one table a file, watched for changes",
        own_options=(
            Option("path", required=True, description="the folder, an absolute path on the datasource node"),
            Option(
                "csv_types",
                default="infer",
                choices=("infer", "text"),
                description='"infer": cells of CSV that look like numbers, true, false or nothing become such values; '
                '"text": every cell is text',
            ),
            Option(
                "text_columns",
                OptionType.JSON,
                default=[],
                description='columns of CSV that stay text all the same: a list of "column" or "table.column"',
            ),
            Option(
                "delimiter",
                default="",
                description="what stands between the cells of CSV; if empty a comma, in .tsv files a tab",
            ),
            Option(
                "key",
                OptionType.JSON,
                default={},
                description='an object from tables to the columns of their key, such as {"servers": ["id"]}',
            ),
        ),
        poll_time=1.0,
    )

    def __init__(
        self,
        config: Mapping[str, Any],
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(config)
        self._folder: str = config["path"]
        self._options = ReadOptions(
            infer=config["csv_types"] == "infer",
            text_columns=frozenset(config["text_columns"]),
            delimiter=config["delimiter"],
            keys={table: tuple(key) for table, key in config["key"].items()},
        )
        self._wall = wall
        self._monotonic = monotonic
        self._watch = RestWatch()
        self._taken: dict[str, _Taken] = {}

    @classmethod
    def check_config(cls, config: Mapping[str, object] | None) -> dict[str, Any]:
        """As every driver's; besides, the path must be absolute, and lists must hold names."""
        parsed = super().check_config(config)
        if not os.path.isabs(parsed["path"]) or "\0" in parsed["path"]:
            raise _bad("path", f'is {json.dumps(parsed["path"])}; it must be an absolute path, such as "/srv/tables"')
        if len(parsed["delimiter"]) > 1 or parsed["delimiter"] in ('"', "\n", "\r"):
            raise _bad("delimiter", f"is {parsed['delimiter']!r}; it must be one character, and no quote or newline")
        if not _names(parsed["text_columns"]):
            raise _bad("text_columns", 'must be a list of names, such as ["version", "servers.id"]')
        if not isinstance(parsed["key"], Mapping):
            raise _bad("key", 'must be an object from tables to columns, such as {"servers": ["id"]}')
        keys = {table: [key] if isinstance(key, str) else key for table, key in parsed["key"].items()}
        for table, key in keys.items():
            if not key or not _names(key):
                raise _bad("key", f'of table "{table}" must be the name of a column or a list of such names')
        return parsed | {"key": keys}

    def poll(self, request: PollRequest) -> Fetch:
        files, errors = self._list()
        seen = self._watch.observe(
            {table: file.signature for table, file in files.items()}, self._wall(), self._monotonic()
        )
        tables: dict[str, FetchedTable] = {}
        unchanged = set()
        pending = set()
        for table, seconds in seen.moving.items():
            if seconds > RESTLESS:
                errors[table] = f"{table}: its file has kept changing for more than {RESTLESS:g} s; it is not taken"
            else:
                pending.add(table)
        for table, signature in seen.at_rest.items():
            if table in errors:
                continue
            if signature is None:
                self._taken.pop(table, None)
                continue
            known = self._taken.get(table)
            if known is not None and known.signature == signature and not request.full:
                if known.error is None:
                    unchanged.add(table)
                else:
                    errors[table] = known.error
                continue
            match self._read(table, files[table]):
                case None:
                    pending.add(table)
                case str(error):
                    errors[table] = error
                case fetched:
                    tables[table] = fetched
        warnings = tuple(
            f'The option "key" names the table "{table}", but no file gives it.'
            for table in sorted(self.config["key"])
            if table not in files and table not in errors
        )
        again_in = REST if pending else None
        return Fetch(tables, frozenset(unchanged), errors, frozenset(pending), warnings, again_in)

    def _list(self) -> tuple[dict[str, _File], dict[str, str]]:
        """The files by table; and tables that cannot be told apart, with what is wrong. Raises FetchError."""
        found: dict[str, list[_File]] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    stem, extension = os.path.splitext(entry.name)
                    if extension.lower() not in FORMATS or stem.startswith("."):
                        continue
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        continue  # it went between the listing and the look
                    if stat.S_ISREG(status.st_mode):
                        found.setdefault(usable_name(stem), []).append(_File(entry.path, _signature(status)))
        except OSError as error:
            raise FetchError(f"The folder {self._folder} cannot be read: {error.strerror}.") from None
        if len(found) > MAX_FILES:
            raise FetchError(f"The folder {self._folder} has {len(found)} tables; at most {MAX_FILES} are allowed.")
        clashes = {
            table: f'"{table}" would be the table of several files, {_listed(files)}; rename all but one'
            for table, files in found.items()
            if len(files) > 1
        }
        return {table: files[0] for table, files in found.items() if table not in clashes}, clashes

    def _read(self, table: str, file: _File) -> FetchedTable | str | None:
        """The table in a file, or a sentence why there is none; None if the file changed while it was read."""
        known = self._taken.get(table)
        schema = known.schema if known else None
        name = os.path.basename(file.path)
        error = None
        try:
            if file.signature.size > MAX_SIZE:
                raise ReadError(f"it has {file.signature.size} bytes; at most {MAX_SIZE} are read")
            with open(file.path, "rb") as stream:
                data = stream.read(MAX_SIZE + 1)
                if _signature(os.fstat(stream.fileno())) != file.signature:
                    return None
            fetched = read_table(table, os.path.splitext(name)[1].lower(), data, self._options)
        except ReadError as problem:
            error = f"{name}: {problem}"
        except OSError as problem:
            error = f"{name} cannot be read: {problem.strerror}"
        else:
            if not fetched.schema.columns and schema is not None:
                fetched = FetchedTable(schema, (), checked=True)  # an empty file says nothing about columns: they stay
            schema = fetched.schema
        self._taken[table] = _Taken(file.signature, schema, error)
        return error or fetched


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _listed(files: list[_File]) -> str:
    return listing(os.path.basename(file.path) for file in files)


def _names(items: object) -> bool:
    return isinstance(items, list | tuple) and all(isinstance(item, str) and item for item in items)


def _bad(option: str, problem: str) -> CongressError:
    return CongressError("source_config", f'Option "{option}" {problem}', {"option": option})
