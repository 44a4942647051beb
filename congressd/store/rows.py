"""Between records and rows of the database: the columns of a record, the record of a row, the rows that matched."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, Executable
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.store import changes, models
from congressd.store.changes import LoggedChange
from congressd.store.records import PolicyRecord, RuleRecord, SourceRecord, json_text


def matched(session: Session, statement: Executable, parameters: Any = None) -> int:
    """Run an UPDATE or DELETE; how many rows its condition matched.

    Rows that an UPDATE leaves as they were count too: SQLAlchemy connects to MariaDB with client flag FOUND_ROWS, and
    SQLite knows nothing else.
    """
    result = session.execute(statement, parameters, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount


def policy_columns(record: PolicyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "abbreviation": record.abbreviation,
        "description": record.description,
        "owner_id": record.owner_id,
        "kind": record.kind,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def rule_columns(record: RuleRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "policy_id": record.policy_id,
        "rule": record.rule,
        "name": record.name,
        "comment": record.comment,
        "enabled": record.enabled,
        "options": json_text(dict(record.options), "the options"),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def source_columns(record: SourceRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "driver": record.driver,
        "config": json_text(dict(record.config), "the configuration"),
        "secrets": json_text(dict(record.secrets), "the secrets"),
        "description": record.description,
        "enabled": record.enabled,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def policy(row: models.Policy) -> PolicyRecord:
    return PolicyRecord(
        row.id,
        row.name,
        row.abbreviation,
        row.description,
        row.owner_id,
        row.kind,
        row.created_at,
        row.updated_at,
    )


def rule(row: models.Rule) -> RuleRecord:
    return RuleRecord(
        row.id,
        row.policy_id,
        row.rule,
        row.name,
        row.comment,
        row.enabled,
        jsontext.loads(row.options),
        row.created_at,
        row.updated_at,
    )


def source(row: models.Source) -> SourceRecord:
    return SourceRecord(
        row.id,
        row.name,
        row.driver,
        jsontext.loads(row.config),
        jsontext.loads(row.secrets),
        row.description,
        row.enabled,
        row.created_at,
        row.updated_at,
    )


def logged(row: models.Revision) -> LoggedChange:
    """The change that a row of the log tells of."""
    return LoggedChange(row.revision, row.position, changes.decode(row.kind, row.record), row.author, row.at)
