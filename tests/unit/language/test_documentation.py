"""docs/language.md tells the truth: every example runs, and the list of builtins is that of the code."""

from __future__ import annotations

from collections import defaultdict

import pytest

from congressd.engine.engine import Engine
from congressd.language import core
from congressd.language.builtins import BUILTINS
from congressd.language.builtins.reference import updated
from congressd.language.catalog import StaticCatalog
from congressd.language.check import check_query, check_rule
from congressd.language.dependencies import DependencyGraph
from congressd.language.formatter import format_text
from congressd.language.parser import parse_program
from congressd.model.errors import CongressError
from congressd.model.tables import Column, TableChange, TableSchema
from congressd.model.values import Row
from tests.unit.language.examples import PAGE, Example, examples, source_tables

POLICY = "example"


def catalog() -> StaticCatalog:
    schemas: dict[str, dict[str, tuple[str, ...] | int]] = defaultdict(dict)
    for table in source_tables():
        schemas[table.source][table.table] = table.columns
    return StaticCatalog({POLICY: "nonrecursive", **dict.fromkeys(schemas, "datasource")}, schemas)


def rules_of(example: Example) -> list[core.Rule]:
    """The rules of an example, in their core form."""
    rules = [check_rule(statement, POLICY, catalog()).rule for statement in parse_program(example.policy).statements]
    DependencyGraph().add(rules)
    return rules


def engine_with(rules: list[core.Rule]) -> Engine:
    engine = Engine()
    tables = source_tables()
    for source in {table.source for table in tables}:
        mine = [table for table in tables if table.source == source]
        engine.declare(source, [TableSchema(table.table, tuple(map(Column, table.columns))) for table in mine])
        engine.apply(source, {table.table: TableChange(added=table.rows) for table in mine})
    engine.change_rules(rules, [])
    return engine


def expected(example: Example) -> dict[core.Table, set[Row]]:
    """The rows of each table that the answer names."""
    rows: dict[core.Table, set[Row]] = defaultdict(set)
    for fact in parse_program(example.outcome).statements:
        atom = check_query(fact.heads[0], POLICY, catalog()).query
        assert isinstance(atom, core.Atom)
        values = [argument.value for argument in atom.args if isinstance(argument, core.Constant)]
        assert len(values) == len(atom.args)
        rows[atom.table].add(tuple(values))
    return rows


ACCEPTED = [pytest.param(example, id=f"line {example.line}") for example in examples() if not example.refused]
REFUSED = [pytest.param(example, id=f"line {example.line}") for example in examples() if example.refused]


def test_the_page_has_examples() -> None:
    assert len(ACCEPTED) > 10
    assert len(REFUSED) > 10


@pytest.mark.parametrize("example", ACCEPTED)
def test_an_example_has_its_answer(example: Example) -> None:
    engine = engine_with(rules_of(example))
    for table, rows in expected(example).items():
        atom = core.Atom(table, tuple(core.Variable(f"x{column}") for column in range(len(next(iter(rows))))))
        assert set(engine.query(atom)) == rows


@pytest.mark.parametrize("example", REFUSED)
def test_what_is_refused_gets_its_error(example: Example) -> None:
    with pytest.raises(CongressError) as caught:
        rules_of(example)
    assert example.outcome.strip() in caught.value.detail


@pytest.mark.parametrize("example", [*ACCEPTED, *REFUSED])
def test_an_example_can_be_formatted(example: Example) -> None:
    assert parse_program(format_text(example.policy)) == parse_program(example.policy)


def test_the_list_of_builtins_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert updated(text) == text, "run python -m congressd.language.builtins.reference docs/language.md"
    assert all(builtin.signature in text for builtin in BUILTINS.values())
