"""The tables that a pushed source declares in its configuration: from JSON to schemas, with limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.model.nearest import hint, listing
from congressd.model.tables import Column, TableSchema

MAX_TABLES: Final = 500
MAX_COLUMNS: Final = 500
MAX_NAME: Final = 255
TYPES: Final = ("any", "str", "int", "float", "bool")

#: What the policy language reads as a name; a table's name may have more such parts, joined by colons.
_COLUMN_NAME = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*\Z")
_TABLE_NAME = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*(:[A-Za-z_.][A-Za-z0-9_.]*)*\Z")
RESERVED: Final = frozenset(
    ["not", "NOT", "execute", "insert", "delete", "true", "false", "null", "True", "False", "None"]
)


def parse_tables(tables: object, key: object = None) -> tuple[TableSchema, ...]:
    """The schemas that the options ``tables`` and ``key`` declare, in the order in which they stand.

    ``tables``: an object (or its JSON text) from a table's name to a list of columns, each a name or an object with
    ``name`` and perhaps ``type`` and ``description``; or to an object with ``columns``, such a list, and ``key``.
    ``key``: an object (or its JSON text) from a table's name to its key column or a list of them.

    Raises CongressError "source_config" that names what is wrong and what is allowed.
    """
    declared = _decode("tables", tables)
    if not declared:
        raise _bad("tables", 'is empty; declare at least one table, such as {"servers": ["id", "name"]}')
    if len(declared) > MAX_TABLES:
        raise _bad("tables", f"declares {len(declared)} tables; at most {MAX_TABLES} are allowed")
    keys = _decode("key", key) if key not in (None, "") else {}
    for name in keys:
        if name not in declared:
            raise _bad("key", f'names the table "{name}", which is not declared in "tables".{hint(name, declared)}')
    return tuple(_table(name, columns, keys.get(name)) for name, columns in declared.items())


def check_name(option: str, what: str, name: object) -> str:
    """The name, if rules can use it for a ``what`` ("table" or "column"); else CongressError "source_config"."""
    pattern = _TABLE_NAME if what == "table" else _COLUMN_NAME
    if not isinstance(name, str) or not pattern.match(name) or len(name) > MAX_NAME:
        raise _bad(
            option,
            f"has the {what} name {str(name)[:80]!r}; a name is made of letters A-Z, digits, _ and ., does not begin "
            f"with a digit, and has at most {MAX_NAME} characters",
        )
    if name in RESERVED:
        raise _bad(option, f'has the {what} name "{name}", which is a word of the policy language')
    return name


def _table(name: str, declaration: object, outer_key: object) -> TableSchema:
    check_name("tables", "table", name)
    key = outer_key
    if isinstance(declaration, Mapping):
        for part in declaration:
            if part not in ("columns", "key"):
                raise _bad(
                    "tables",
                    f'table "{name}" has the unknown part "{part}"; allowed are "columns" and "key".'
                    + hint(part, ("columns", "key")),
                )
        if key is None:
            key = declaration.get("key")
        elif declaration.get("key") is not None:
            raise _bad("key", f'names the table "{name}", whose key already stands in "tables"; give it once')
        declaration = declaration.get("columns")
    if not isinstance(declaration, list) or not declaration:
        raise _bad("tables", f'table "{name}" must have a list of at least one column, such as ["id", "name"]')
    if len(declaration) > MAX_COLUMNS:
        raise _bad("tables", f'table "{name}" has {len(declaration)} columns; at most {MAX_COLUMNS} are allowed')
    columns = tuple(_column(name, item) for item in declaration)
    names = [column.name for column in columns]
    for column in names:
        if names.count(column) > 1:
            raise _bad("tables", f'table "{name}" has the column "{column}" more than once')
    return TableSchema(name, columns, _key(name, names, key))


def _column(table: str, item: object) -> Column:
    if isinstance(item, str):
        return Column(check_name("tables", "column", item))
    if not isinstance(item, Mapping):
        raise _bad(
            "tables",
            f'table "{table}" has the column {str(item)[:80]!r}; a column is a name, or an object with "name", "type" '
            'and "description"',
        )
    for part in item:
        if part not in ("name", "type", "description", "desc", "nullable"):
            allowed = ("name", "type", "description")
            raise _bad("tables", f'table "{table}": a column has the unknown part "{part}".{hint(part, allowed)}')
    kind = item.get("type") or "any"
    if kind not in TYPES:
        raise _bad("tables", f'table "{table}": {str(kind)[:60]!r} is not a type; allowed are {listing(TYPES)}')
    description = item.get("description") or item.get("desc") or ""
    if not isinstance(description, str):
        raise _bad("tables", f'table "{table}": the description of a column must be text')
    return Column(check_name("tables", "column", item.get("name")), str(kind), description)


def _key(table: str, columns: Sequence[str], key: object) -> tuple[str, ...]:
    if key is None or key == []:
        return ()
    names = [key] if isinstance(key, str) else key
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _bad("key", f'of table "{table}" must be the name of a column or a list of such names')
    for name in names:
        if name not in columns:
            raise _bad("key", f'of table "{table}" names "{name}", which is not a column of it.{hint(name, columns)}')
        if names.count(name) > 1:
            raise _bad("key", f'of table "{table}" names "{name}" twice')
    return tuple(names)


def _decode(option: str, item: object) -> Mapping[str, object]:
    """An option's object, which may come as JSON text."""
    if isinstance(item, str):
        try:
            item = jsontext.loads(item)
        except ValueError as error:
            raise _bad(option, f"is not JSON: {error}") from None
    if not isinstance(item, Mapping):
        raise _bad(option, f"is {str(item)[:80]!r}; it must be an object from the name of a table to its columns")
    return item


def _bad(option: str, problem: str) -> CongressError:
    return CongressError("source_config", f'Option "{option}" {problem}', {"option": option})
