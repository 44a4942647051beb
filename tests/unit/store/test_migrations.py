"""Migrations: they make what the models say, and undo it. Runs on every database."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from congressd.model.errors import CongressError
from congressd.store import check, migrate, models, policies, schema
from congressd.store.changes import PolicyCreated
from congressd.store.database import Database
from tests.unit.store.fixtures import Connect, commit, policy


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def _columns(database: Database, table: str) -> set[str]:
    return {column["name"] for column in inspect(database.engine).get_columns(table)}


def test_the_migrated_schema_is_that_of_the_models(database: Database) -> None:
    with database.connection() as connection:
        options: dict[str, Any] = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, models.Base.metadata) == []
    assert tables(database) == {*models.Base.metadata.tables, "alembic_version"}


def test_down_to_nothing_and_up_again(database: Database) -> None:
    assert schema.current(database) == schema.newest()
    migrate.downgrade(database, "base")
    assert schema.current(database) is None
    assert tables(database) == {"alembic_version"}
    migrate.upgrade(database)
    commit(database, PolicyCreated(policy("one")))
    migrate.upgrade(database)
    assert database.read(policies.current_revision) == 1


def test_a_step_that_was_cut_off_is_run_again_over_what_it_made(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        for name in ("library_policies", "activations"):
            connection.execute(text(f"DROP TABLE {name}"))
    migrate.upgrade(database)
    assert database.read(policies.current_revision) == 0
    assert "activations" in tables(database)


def test_what_people_said_can_be_kept_by_an_older_database(connect: Connect) -> None:
    migrate.upgrade(connect(), "0001")
    assert "settled" not in _columns(connect(), "activations")
    migrate.upgrade(connect())
    assert "settled" in _columns(connect(), "activations")
    migrate.downgrade(connect(), "0001")
    assert "settled" not in _columns(connect(), "activations")


def test_every_table_has_a_primary_key_that_nothing_counts_up(database: Database) -> None:
    inspector = inspect(database.engine)
    for name in tables(database):
        assert inspector.get_pk_constraint(name)["constrained_columns"], name
    for table in models.Base.metadata.tables.values():
        assert table.autoincrement_column is None, table.name


@pytest.mark.parametrize("target", ["9999", "nonsense"])
def test_a_schema_that_nobody_knows_is_refused(connect: Connect, target: str) -> None:
    with pytest.raises(CongressError, match=schema.newest()) as caught:
        migrate.upgrade(connect(), target)
    assert caught.value.code.name == "bad_request"


def test_a_database_from_the_future_is_refused(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    wanted = f"has the schema 9999 of a newer congressd, this version needs {schema.newest()}; use the newer version"
    with pytest.raises(CongressError, match=wanted):
        migrate.upgrade(database)
    with pytest.raises(CongressError, match=wanted):
        migrate.downgrade(database, "base")
    assert [wanted in finding.detail for finding in check.check(database, None)] == [True]
    assert schema.current(database) == "9999"


def test_a_database_without_tables_says_what_to_run(connect: Connect) -> None:
    with pytest.raises(CongressError, match="congressd db upgrade") as caught:
        connect().read(policies.load)
    assert caught.value.code.name == "unavailable"


def test_processes_that_upgrade_at_once_do_not_disturb_each_other(url: str, connect: Connect) -> None:
    script = (
        "import sys; from congressd.store import migrate; from congressd.store.database import Database;"
        " input(); migrate.upgrade(Database(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, url]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=120)[1] for process in running] == ["", "", ""]
    assert connect().read(policies.current_revision) == 0


def test_threads_that_upgrade_at_once_do_not_disturb_each_other(connect: Connect) -> None:
    failures: list[BaseException] = []

    def run(node: Database) -> None:
        try:
            migrate.upgrade(node)
        except BaseException as error:
            failures.append(error)

    nodes = [connect(), connect(), connect()]
    threads = [Thread(target=run, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert failures == []
    assert nodes[0].read(policies.current_revision) == 0


def test_the_newest_schema_is_where_the_steps_end() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.newest()]
