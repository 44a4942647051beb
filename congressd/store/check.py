"""Whether a database is whole: what ``congressd db check`` shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from congressd.model.errors import CongressError
from congressd.store import changes, keys, models, policies, schema
from congressd.store.database import Database

#: finding, sentence, rows that should not be. A literal table: each line is one property of a whole database.
_ORPHANS: Final[tuple[tuple[str, str, Any, ColumnElement[bool]], ...]] = (
    (
        "orphan_rules",
        "rules of policies that do not exist",
        models.Rule,
        models.Rule.policy_id.not_in(select(models.Policy.id)),
    ),
    (
        "orphan_names",
        "names of policies and sources that do not exist",
        models.Name,
        models.Name.owner.not_in(select(models.Policy.id)) & models.Name.owner.not_in(select(models.Source.id)),
    ),
    (
        "nameless_policies",
        "policies whose name is not in the set of names",
        models.Policy,
        ~select(models.Name.name)
        .where(models.Name.owner == models.Policy.id, models.Name.name == models.Policy.name)
        .exists(),
    ),
    (
        "nameless_sources",
        "sources whose name is not in the set of names",
        models.Source,
        ~select(models.Name.name)
        .where(models.Name.owner == models.Source.id, models.Name.name == models.Source.name)
        .exists(),
    ),
    (
        "streamless_sources",
        "sources that cannot take pushes",
        models.Source,
        models.Source.id.not_in(select(models.PushStream.source_id)),
    ),
    (
        "orphan_pushes",
        "pushes to sources that do not exist",
        models.Push,
        models.Push.source_id.not_in(select(models.PushStream.source_id)),
    ),
    (
        "orphan_blobs",
        "parts of pushes that nothing refers to",
        models.BlobPart,
        models.BlobPart.blob_id.not_in(select(models.Push.blob_id))
        & models.BlobPart.blob_id.not_in(
            select(models.PushStream.base_blob_id).where(models.PushStream.base_blob_id.is_not(None))
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: a short name that never changes, and a sentence."""

    name: str
    detail: str


def check(database: Database, secrets_key: keys.Keys | None = None) -> list[Finding]:
    """All findings; an empty list for a database that is whole. Changes nothing.

    With ``secrets_key`` it also looks whether that opens the secrets. Raises CongressError("unavailable") if the
    database cannot be read at all.
    """
    wrong = schema.mismatch(schema.current(database), schema.newest())
    if wrong:
        return [Finding("schema", f"the database {database.name} {wrong}")]
    return database.read(lambda session: [*_findings(session, secrets_key)])


def _findings(session: Session, secrets_key: keys.Keys | None) -> Iterator[Finding]:
    yield from _revision_findings(session)
    for name, noun, table, wrong in _ORPHANS:
        count = session.scalar(select(func.count()).select_from(table).where(wrong))
        if count:
            yield Finding(name, f"there are {count} {noun}")
    yield from _push_findings(session)
    if secrets_key is not None:
        yield from _key_findings(session, secrets_key)


def _revision_findings(session: Session) -> Iterator[Finding]:
    counters = session.scalars(select(models.RevisionCounter)).all()
    if [counter.id for counter in counters] != [policies.COUNTER]:
        yield Finding("counter", f"the revision counter has {len(counters)} rows; it must have exactly one")
        return
    counter = counters[0]
    table = models.Revision
    low, high, kinds = session.execute(
        select(func.min(table.revision), func.max(table.revision), func.count(table.revision.distinct()))
    ).one()
    expected = counter.revision - counter.floor
    if kinds != expected or (kinds and (low, high) != (counter.floor + 1, counter.revision)):
        held = f"{low} to {high} ({kinds} revisions)" if kinds else "nothing"
        yield Finding(
            "log", f"the log should hold the revisions {counter.floor + 1} to {counter.revision}, but holds {held}"
        )
    elif counter.floor == 0:
        logged = policies.changes_since(session, 0) or ()
        if changes.apply(changes.Snapshot(), logged) != policies.load(session):
            yield Finding("log_content", "the tables of policies, rules and sources are not what the log adds up to")


def _push_findings(session: Session) -> Iterator[Finding]:
    stream, push = models.PushStream, models.Push
    counted = (
        select(stream.source_id, stream.last, stream.folded, func.count(push.number))
        .join(push, (push.source_id == stream.source_id) & (push.number > stream.folded), isouter=True)
        .group_by(stream.source_id, stream.last, stream.folded)
    )
    for source_id, last, folded, count in session.execute(counted):
        if count != last - folded:
            yield Finding(
                "push_log",
                f"source {source_id} should have the pushes {folded + 1} to {last} in its log, but has {count} pushes",
            )


def _key_findings(session: Session, secrets_key: keys.Keys) -> Iterator[Finding]:
    token = session.scalar(select(models.Setting.value).where(models.Setting.name == keys.CHECK_SETTING))
    tokens = [("the check value", token)] if token is not None else []
    for source in policies.load(session).sources.values():
        tokens.extend((f"the secret {name!r} of source {source.name!r}", text) for name, text in source.secrets.items())
    for title, text in tokens:
        try:
            secrets_key.decrypt(text)
        except CongressError as error:
            yield Finding("secrets_key", f"{title}: {error.detail}")
