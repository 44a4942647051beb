"""Policies, rules and sources in the database: one revision log for all three.

Every change is one transaction that takes the next revision by compare-and-set on a one-row counter, writes the
tables and logs what it did. So a revision is always whole, and nodes that apply the log hold what the tables hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, exc, func, insert, select, update
from sqlalchemy.orm import Session

from congressd.model.errors import CongressError
from congressd.store import changes as kinds
from congressd.store import models, records, retry, rows
from congressd.store.changes import Change, LoggedChange, LoggedRevision, Snapshot
from congressd.store.rows import matched

COUNTER: Final = 1  #: id of the one row of the revision counter


def current_revision(session: Session) -> int:
    """The revision of the database."""
    return session.scalars(select(models.RevisionCounter.revision)).one()


def load(session: Session) -> Snapshot:
    """Everything, as of exactly one revision. For `Database.read`, whose transactions see one unchanging snapshot."""
    policies = session.scalars(select(models.Policy).order_by(models.Policy.born_revision, models.Policy.born_position))
    rules = session.scalars(select(models.Rule).order_by(models.Rule.born_revision, models.Rule.born_position))
    sources = session.scalars(select(models.Source).order_by(models.Source.born_revision, models.Source.born_position))
    return Snapshot(
        current_revision(session),
        {row.id: rows.policy(row) for row in policies},
        {row.id: rows.rule(row) for row in rules},
        {row.id: rows.source(row) for row in sources},
    )


def changes_since(session: Session, revision: int) -> tuple[LoggedChange, ...] | None:
    """The changes of all revisions after ``revision``, in order: whole revisions only.

    None if the log cannot tell: it was compacted beyond that revision, or the database has not come as far (it was
    restored from a copy). The caller must `load` then. For `Database.read`.
    """
    log = models.Revision
    entries = session.scalars(select(log).where(log.revision > revision).order_by(log.revision, log.position)).all()
    counter = session.scalars(select(models.RevisionCounter)).one()
    if not counter.floor <= revision <= counter.revision:
        return None
    return tuple(rows.logged(entry) for entry in entries)


def history(session: Session, since: int | None, limit: int, most_changes: int) -> tuple[LoggedRevision, ...]:
    """The first ``limit`` revisions after ``since``, in order; the last ``limit`` ones if ``since`` is None.

    Of each revision at most ``most_changes`` changes. Revisions that `compact_log` has forgotten are not there. For
    `Database.read`.
    """
    log = models.Revision
    groups = select(log.revision, func.max(log.author), func.max(log.at), func.count()).group_by(log.revision)
    if since is None:
        found = session.execute(groups.order_by(log.revision.desc()).limit(limit)).all()[::-1]
    else:
        found = session.execute(groups.where(log.revision > since).order_by(log.revision).limit(limit)).all()
    if not found:
        return ()
    within = log.revision.between(found[0][0], found[-1][0])
    entries = session.scalars(
        select(log).where(within, log.position < most_changes).order_by(log.revision, log.position)
    )
    changes: dict[int, list[Change]] = {}
    for entry in entries:
        changes.setdefault(entry.revision, []).append(kinds.decode(entry.kind, entry.record))
    return tuple(
        LoggedRevision(revision, author, at, count, tuple(changes[revision])) for revision, author, at, count in found
    )


def commit(session: Session, expected_revision: int, changes: Sequence[Change], author: str, now: float) -> int:
    """Carry out changes, all or none, on top of ``expected_revision``; the new revision. For `Database.run`.

    ``now`` (seconds since 1970) must be taken outside of the work that is run again: if a COMMIT's answer is lost, the
    next run recognises its own revision by content, author and time, and returns it. No changes, no new revision.
    Deleting a policy deletes its rules, deleting a source deletes its pushed rows.

    Raises CongressError: "revision_conflict" if another revision is current (``data["revision"]``), "name_taken" if a
    policy or source has the name, "policy_not_exist" or "not_found" for what is not there, "conflict" for an id that
    exists, and what `records.encode` and `records.check_lengths` raise.
    """
    if not changes:
        return expected_revision
    revision = expected_revision + 1
    if len(author) > records.MAX_NAME:
        raise CongressError("bad_request", f"the author has {len(author)} characters; at most {records.MAX_NAME} fit")
    log: list[dict[str, Any]] = []
    for position, change in enumerate(changes):
        records.check_lengths(change.record)
        kind, record = kinds.encode(change)
        entry = {"revision": revision, "position": position, "kind": kind, "record": record}
        log.append(entry | {"author": author, "at": now})
    counter = models.RevisionCounter
    step = update(counter).where(counter.id == COUNTER, counter.revision == expected_revision)
    if not matched(session, step.values(revision=revision)):
        if _logged_before(session, revision, log):
            return revision
        current = current_revision(session)
        raise CongressError(
            "revision_conflict",
            f"the change was made for revision {expected_revision}, but revision {current} is current; read again"
            " what it rests on, then send it again",
            data={"revision": current},
        )
    for position, change in enumerate(changes):
        _carry_out(session, change, {"born_revision": revision, "born_position": position})
    session.execute(insert(models.Revision), log)
    return revision


def compact_log(session: Session, keep: int) -> int:
    """Forget all but the last ``keep`` revisions of the log; how many changes went. For `Database.run`."""
    floor = current_revision(session) - keep
    counter = models.RevisionCounter
    if not matched(session, update(counter).where(counter.floor < floor).values(floor=floor)):
        return 0
    return matched(session, delete(models.Revision).where(models.Revision.revision <= floor))


def _logged_before(session: Session, revision: int, log: Sequence[dict[str, Any]]) -> bool:
    table = models.Revision
    entries = session.scalars(select(table).where(table.revision == revision).order_by(table.position))
    return [{column: getattr(entry, column) for column in log[0]} for entry in entries] == list(log)


def _carry_out(session: Session, change: Change, born: dict[str, int]) -> None:
    match change:
        case kinds.PolicyCreated(policy):
            _take_name(session, policy.name, policy.id)
            _insert(session, models.Policy, rows.policy_columns(policy) | born)
        case kinds.PolicyUpdated(policy):
            _change_name(session, policy.name, policy.id)
            _update(session, models.Policy, rows.policy_columns(policy))
        case kinds.PolicyDeleted(policy):
            session.execute(delete(models.Rule).where(models.Rule.policy_id == policy.id))
            session.execute(delete(models.Name).where(models.Name.owner == policy.id))
            _delete(session, models.Policy, policy.id)
        case kinds.RuleCreated(rule):
            _insert(session, models.Rule, rows.rule_columns(rule) | born)
        case kinds.RuleUpdated(rule):
            _update(session, models.Rule, rows.rule_columns(rule))
        case kinds.RuleDeleted(rule):
            _delete(session, models.Rule, rule.id)
        case kinds.SourceCreated(source):
            _take_name(session, source.name, source.id)
            _insert(session, models.Source, rows.source_columns(source) | born)
            stream = {"source_id": source.id, "last": 0, "folded": 0, "base_parts": 0, "base_bytes": 0}
            session.execute(insert(models.PushStream), stream)
        case kinds.SourceUpdated(source):
            _change_name(session, source.name, source.id)
            _update(session, models.Source, rows.source_columns(source))
        case kinds.SourceDeleted(source):
            for table in (models.PushStream, models.Push, models.PushKey, models.BlobPart):
                session.execute(delete(table).where(table.source_id == source.id))
            session.execute(delete(models.Name).where(models.Name.owner == source.id))
            _delete(session, models.Source, source.id)


def _take_name(session: Session, name: str, owner: str) -> None:
    try:
        session.execute(insert(models.Name), {"name": name, "owner": owner})
    except exc.IntegrityError as error:
        raise _name_taken(name) from error


def _change_name(session: Session, name: str, owner: str) -> None:
    try:
        session.execute(update(models.Name).where(models.Name.owner == owner).values(name=name))
    except exc.IntegrityError as error:
        raise _name_taken(name) from error


def _name_taken(name: str) -> CongressError:
    return CongressError(
        "name_taken", f"a policy or data source is called {name!r} already; both share one set of names: take another"
    )


def _insert(session: Session, table: type[models.Base], columns: dict[str, Any]) -> None:
    try:
        session.execute(insert(table), columns)
    except exc.IntegrityError as error:
        if retry.is_duplicate(error):
            raise CongressError("conflict", f"the id {columns['id']!r} exists already; use a new one") from error
        raise CongressError("policy_not_exist", f"there is no policy with the id {columns['policy_id']!r}") from error


def _update(session: Session, table: type[models.Base], columns: dict[str, Any]) -> None:
    record_id = columns.pop("id")
    try:
        found = matched(session, update(table).where(_id_of(table) == record_id).values(columns))
    except exc.IntegrityError as error:
        raise CongressError("policy_not_exist", f"there is no policy with the id {columns['policy_id']!r}") from error
    if not found:
        raise _missing(table, record_id)


def _delete(session: Session, table: type[models.Base], record_id: str) -> None:
    if not matched(session, delete(table).where(_id_of(table) == record_id)):
        raise _missing(table, record_id)


def _id_of(table: type[models.Base]) -> Any:
    return table.__table__.c.id


def _missing(table: type[models.Base], record_id: str) -> CongressError:
    noun = {models.Policy: "policy", models.Rule: "rule", models.Source: "data source"}[table]
    code = "policy_not_exist" if table is models.Policy else "not_found"
    return CongressError(code, f"there is no {noun} with the id {record_id!r}")
