"""P1, P2, P3: the `join` workload on congressd, and on SQLite and DuckDB in the same run.

python -m benchmarks.join [SIZE ...]
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import duckdb

from benchmarks.measure import Times, human, machine, many, once, table
from benchmarks.workloads import JOIN_RULES, SCHEMAS, Join, join
from congressd.engine.engine import Engine
from congressd.language.catalog import StaticCatalog
from congressd.language.check import check_rule
from congressd.language.core import Atom, Rule, Table
from congressd.language.reader import QueryReader
from congressd.model.tables import Column, TableChange, TableSchema

SIZES = (1_000, 10_000, 100_000)
UPDATES = 3_000
SQL_UPDATES = 15
POINTS = 10_000

CATALOG = StaticCatalog(
    {"p": "nonrecursive", **dict.fromkeys(SCHEMAS, "datasource")},
    {**SCHEMAS, "p": {"same_group": 2, "error": 1}},
)

SQL_VIEW = """
create view error as select distinct s.id from servers s join ports p on p.server = s.id
join networks n on n.id = p.network where n.shared = 'False' and not exists
(select 1 from members a join members b on a.grp = b.grp where a.tenant = s.tenant and b.tenant = n.owner)
"""
SQL_TABLES = (
    "create table servers(id text primary key, name text, host text, status text, tenant text, usr text, "
    "image text, flavor text)",
    "create table ports(id text primary key, name text, network text, server text, mac text, status text)",
    "create table networks(id text primary key, name text, owner text, shared text)",
    "create table members(tenant text, grp text)",
)
SQL_INDEXES = (
    "create index ports_server on ports(server)",
    "create index ports_network on ports(network)",
    "create index members_tenant on members(tenant)",
    "create index members_grp on members(grp)",
)


def rules() -> list[Rule]:
    """The workload's rules, parsed and checked."""
    return [check_rule(text, "p", CATALOG).rule for text in JOIN_RULES]


def loaded(data: Join) -> Engine:
    """An engine that holds the workload's tables and no rule."""
    engine = Engine()
    for source, tables in SCHEMAS.items():
        schema = [TableSchema(name, tuple(map(Column, columns))) for name, columns in tables.items()]
        engine.declare(source, schema)
    engine.replace("nova", {"servers": data.servers})
    engine.replace("neutron", {"ports": data.ports, "networks": data.networks})
    engine.replace("keystone", {"members": data.members})
    return engine


def congressd(size: int) -> dict[str, Times]:
    """From scratch (rules given as text), updates, and point queries given as text."""
    data = join(size)
    cold = []
    for _ in range(5):
        engine = loaded(data)

        def evaluate(engine: Engine = engine) -> None:
            engine.change_rules(rules())
            engine.watch(Table("p", "error"), lambda added, removed: None)

        cold.append(once(evaluate))
    moves = list(data.moves(UPDATES))
    updates = many([_move(engine, old, new) for old, new in moves])
    reader = QueryReader(CATALOG)
    held = {str(row[0]) for row in engine.query(_atom(reader, "error(x)"))}
    if held != data.violations():
        raise AssertionError("the violations are wrong after the updates")
    texts = [f'error("vm-{at * 7919 % size}")' for at in range(POINTS)]
    points = many([_point(engine, reader, text) for text in texts])
    return {"cold": Times(tuple(cold)), "update": updates, "point": points}


def _move(engine: Engine, old: Any, new: Any) -> Callable[[], object]:
    return lambda: engine.apply("neutron", {"ports": TableChange((new,), (old,))})


def _point(engine: Engine, reader: QueryReader, text: str) -> Callable[[], object]:
    return lambda: engine.query(_atom(reader, text))


def _atom(reader: QueryReader, text: str) -> Atom:
    query = reader.read("p", text).query
    assert isinstance(query, Atom)
    return query


def sql(connection: Any, size: int, *, indexes: bool) -> dict[str, Times]:
    """The same on a database with the rules as a view: recomputed after each update."""
    data = join(size)
    for statement in SQL_TABLES:
        connection.execute(statement)
    if hasattr(connection, "commit"):
        connection.execute("begin")
    for name, rows in (
        ("servers", data.servers),
        ("ports", data.ports),
        ("networks", data.networks),
        ("members", data.members),
    ):
        marks = ", ".join("?" * len(rows[0]))
        if isinstance(connection, sqlite3.Connection):
            connection.executemany(f"insert into {name} values ({marks})", rows)
        else:
            _copy(connection, name, rows)
    connection.execute("commit")

    def evaluate() -> object:
        if indexes:
            for statement in SQL_INDEXES:
                connection.execute(statement)
        connection.execute(SQL_VIEW)
        return connection.execute("select * from error").fetchall()

    cold = [once(evaluate)]

    def update(old: Any, new: Any) -> object:
        connection.execute("update ports set network = ? where id = ?", (new[2], new[0]))
        return connection.execute("select * from error").fetchall()

    moves = list(data.moves(SQL_UPDATES))
    updates = many([lambda old=old, new=new: update(old, new) for old, new in moves])  # type: ignore[misc]
    if {row[0] for row in connection.execute("select * from error").fetchall()} != data.violations():
        raise AssertionError("the peer's violations are wrong")
    number = 2_000 if isinstance(connection, sqlite3.Connection) else 50
    points = many(
        [
            lambda at=at: connection.execute(  # type: ignore[misc]
                "select * from error where id = ?", (f"vm-{at * 7919 % size}",)
            ).fetchall()
            for at in range(number)
        ]
    )
    return {"cold": Times(tuple(cold)), "update": updates, "point": points}


def _copy(connection: Any, name: str, rows: list[Any]) -> None:
    """DuckDB inserts row by row very slowly; a CSV file is its own way of loading."""
    import csv
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        csv.writer(file).writerows(rows)
        file.flush()
        connection.execute(f"copy {name} from '{file.name}' (header false)")


def main(sizes: tuple[int, ...] = SIZES) -> None:
    print(f"join: {machine()}\n")
    rows = []
    for size in sizes:
        figures = {
            "congressd": congressd(size),
            "SQLite": sql(sqlite3.connect(":memory:", isolation_level=None), size, indexes=True),
            "DuckDB": sql(duckdb.connect(), size, indexes=False),
        }
        base = figures["congressd"]
        for name, times in figures.items():
            rows.append(
                [f"{size:,}", name]
                + [
                    text
                    for what in ("cold", "update", "point")
                    for text in (human(times[what].median), f"{times[what].median / base[what].median:,.3g}x")
                ]
                + [human(times["update"].quantile(0.99))]
            )
    heads = ["N", "engine", "from scratch", "", "one row -> all right", "", "point query as text", "", "p99 of updates"]
    print(table(heads, rows))


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
