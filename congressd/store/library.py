"""The policy library: templates that can be made into policies. They are no policies, and have no revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exc, insert, select, update
from sqlalchemy.orm import Session

from congressd.model import jsontext
from congressd.model.errors import CongressError
from congressd.store import models
from congressd.store.records import MAX_ABBREVIATION, MAX_NAME, json_text
from congressd.store.rows import matched


@dataclass(frozen=True, slots=True)
class LibraryRecord:
    """A policy of the library; each rule is an object with ``rule`` and perhaps ``name`` and ``comment``."""

    id: str
    name: str
    abbreviation: str = ""
    description: str = ""
    kind: str = "nonrecursive"
    rules: tuple[Mapping[str, Any], ...] = ()


def everything(session: Session) -> tuple[LibraryRecord, ...]:
    """All of them, by name."""
    rows = session.scalars(select(models.LibraryPolicy).order_by(models.LibraryPolicy.name))
    return tuple(map(_record, rows))


def get(session: Session, library_id: str) -> LibraryRecord:
    """One of them. Raises CongressError("not_found")."""
    row = session.scalar(select(models.LibraryPolicy).where(models.LibraryPolicy.id == library_id))
    if row is None:
        raise _missing(library_id)
    return _record(row)


def add(session: Session, record: LibraryRecord) -> None:
    """Keep a new one. Raises CongressError: "name_taken", or for texts that are too long."""
    try:
        session.execute(insert(models.LibraryPolicy), _columns(record))
    except exc.IntegrityError as error:
        raise _name_taken(record.name) from error


def replace(session: Session, record: LibraryRecord) -> None:
    """Put another one in the place of the one with this id. Raises as `add`, and CongressError("not_found")."""
    table = models.LibraryPolicy
    try:
        found = matched(session, update(table).where(table.id == record.id).values(_columns(record)))
    except exc.IntegrityError as error:
        raise _name_taken(record.name) from error
    if not found:
        raise _missing(record.id)


def remove(session: Session, library_id: str) -> None:
    """Forget one. Raises CongressError("not_found")."""
    if not matched(session, delete(models.LibraryPolicy).where(models.LibraryPolicy.id == library_id)):
        raise _missing(library_id)


def _columns(record: LibraryRecord) -> dict[str, Any]:
    for title, text, limit in (
        ("name", record.name, MAX_NAME),
        ("kind", record.kind, MAX_NAME),
        ("abbreviation", record.abbreviation, MAX_ABBREVIATION),
    ):
        if len(text) > limit:
            code = "policy_abbreviation_error" if title == "abbreviation" else "name_invalid"
            raise CongressError(
                code, f"the {title} {text[:40]!r} has {len(text)} characters; at most {limit} are allowed"
            )
    json_text([record.name, record.abbreviation, record.description, record.kind], "the library policy")
    return {
        "id": record.id,
        "name": record.name,
        "abbreviation": record.abbreviation,
        "description": record.description,
        "kind": record.kind,
        "rules": json_text([dict(rule) for rule in record.rules], "the rules"),
    }


def _record(row: models.LibraryPolicy) -> LibraryRecord:
    rules = tuple(jsontext.loads(row.rules))
    return LibraryRecord(row.id, row.name, row.abbreviation, row.description, row.kind, rules)


def _missing(library_id: str) -> CongressError:
    return CongressError("not_found", f"there is no library policy with the id {library_id!r}")


def _name_taken(name: str) -> CongressError:
    return CongressError("name_taken", f"the library has a policy called {name!r} already; take another name")
