"""The tables of the database, as SQLAlchemy models. No logic.

Fit for Galera: every table has a primary key that the application chooses, nothing counts on autoincrement, and the
only foreign keys stand where a row without its parent has no meaning. Names are compared byte by byte on every
database (MariaDB: utf8mb4_nopad_bin, for utf8mb4_bin takes 'a' and 'a ' for equal). Times are seconds since 1970.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Double, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TABLE_OPTIONS: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}

ID: Final = String(36)
NAME: Final = String(255)
PUSH_KEY: Final = String(260)  #: "own:" or "key:" and a name
LONG_TEXT: Final = Text().with_variant(LONGTEXT(), "mysql")
LONG_BINARY: Final = LargeBinary().with_variant(LONGBLOB(), "mysql")


class Base(DeclarativeBase):
    """All tables."""

    __table_args__: Any = TABLE_OPTIONS


class Setting(Base):
    """A fact about the database itself, such as the check value of the key for secrets."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    value: Mapped[str] = mapped_column(LONG_TEXT)


class RevisionCounter(Base):
    """One row: the current policy revision, and the highest revision that the log no longer holds."""

    __tablename__ = "revision_counter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(BigInteger)
    floor: Mapped[int] = mapped_column(BigInteger)


class Revision(Base):
    """One change of one revision: the log that nodes follow, and the audit log."""

    __tablename__ = "revisions"

    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(40))
    record: Mapped[str] = mapped_column(LONG_TEXT)
    author: Mapped[str] = mapped_column(NAME)
    at: Mapped[float] = mapped_column(Double)


class Name(Base):
    """The one namespace of policies and sources: each name once."""

    __tablename__ = "names"

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    owner: Mapped[str] = mapped_column(ID, unique=True)


class Policy(Base):
    """See `records.PolicyRecord`; ``born_*`` say which change created it and give the order of listings."""

    __tablename__ = "policies"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    abbreviation: Mapped[str] = mapped_column(String(5))
    description: Mapped[str] = mapped_column(LONG_TEXT)
    owner_id: Mapped[str] = mapped_column(NAME)
    kind: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[float] = mapped_column(Double)
    updated_at: Mapped[float] = mapped_column(Double)
    born_revision: Mapped[int] = mapped_column(BigInteger)
    born_position: Mapped[int] = mapped_column(Integer)


class Rule(Base):
    """See `records.RuleRecord`; ``options`` is JSON."""

    __tablename__ = "rules"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    policy_id: Mapped[str] = mapped_column(ID, ForeignKey("policies.id", name="fk_rules_policy"), index=True)
    rule: Mapped[str] = mapped_column(LONG_TEXT)
    name: Mapped[str | None] = mapped_column(NAME)
    comment: Mapped[str] = mapped_column(LONG_TEXT)
    enabled: Mapped[bool] = mapped_column(Boolean)
    options: Mapped[str] = mapped_column(LONG_TEXT)
    created_at: Mapped[float] = mapped_column(Double)
    updated_at: Mapped[float] = mapped_column(Double)
    born_revision: Mapped[int] = mapped_column(BigInteger)
    born_position: Mapped[int] = mapped_column(Integer)


class Source(Base):
    """See `records.SourceRecord`; ``config`` and ``secrets`` are JSON, each secret encrypted by itself."""

    __tablename__ = "sources"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    driver: Mapped[str] = mapped_column(NAME)
    config: Mapped[str] = mapped_column(LONG_TEXT)
    secrets: Mapped[str] = mapped_column(LONG_TEXT)
    description: Mapped[str] = mapped_column(LONG_TEXT)
    enabled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[float] = mapped_column(Double)
    updated_at: Mapped[float] = mapped_column(Double)
    born_revision: Mapped[int] = mapped_column(BigInteger)
    born_position: Mapped[int] = mapped_column(Integer)


class PushStream(Base):
    """The pushes of one source: the last number given, the number up to which the base contains them, the base."""

    __tablename__ = "push_streams"

    source_id: Mapped[str] = mapped_column(
        ID, ForeignKey("sources.id", name="fk_push_streams_source"), primary_key=True
    )
    last: Mapped[int] = mapped_column(BigInteger)
    folded: Mapped[int] = mapped_column(BigInteger)
    base_blob_id: Mapped[str | None] = mapped_column(ID)
    base_parts: Mapped[int] = mapped_column(Integer)
    base_bytes: Mapped[int] = mapped_column(BigInteger)


class Push(Base):
    """One accepted push that is not yet in the base."""

    __tablename__ = "pushes"

    source_id: Mapped[str] = mapped_column(ID, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    blob_id: Mapped[str] = mapped_column(ID)
    parts: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[float] = mapped_column(Double)


class PushKey(Base):
    """An idempotency key of a push: which push it was, and a digest of its content."""

    __tablename__ = "push_keys"
    __table_args__ = (Index("ix_push_keys_expires_at", "expires_at"), TABLE_OPTIONS)

    source_id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(PUSH_KEY, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(Double)


class BlobPart(Base):
    """A compressed JSON text of a source (push or base), cut into parts that fit every packet limit."""

    __tablename__ = "blob_parts"
    __table_args__ = (Index("ix_blob_parts_source_id", "source_id"), TABLE_OPTIONS)

    blob_id: Mapped[str] = mapped_column(ID, primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    source_id: Mapped[str] = mapped_column(ID)
    data: Mapped[bytes] = mapped_column(LONG_BINARY)


class Epoch(Base):
    """The reign of a role that one node may have; ``writes`` grows with every guarded write: see `epochs.guard`."""

    __tablename__ = "epochs"

    role: Mapped[str] = mapped_column(NAME, primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    node: Mapped[str] = mapped_column(NAME)
    lease_until: Mapped[int] = mapped_column(BigInteger)
    writes: Mapped[int] = mapped_column(BigInteger)


class Activation(Base):
    """One activation of the execution log; see `activations.ActivationRecord`. JSON: args, why, result, settled."""

    __tablename__ = "activations"
    __table_args__ = (
        Index("ix_activations_state", "state"),
        Index("ix_activations_subject", "subject"),
        Index("ix_activations_created_at", "created_at", "id"),
        Index("ix_activations_closed_at", "closed_at"),
        TABLE_OPTIONS,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(NAME, unique=True)
    subject: Mapped[str] = mapped_column(NAME)
    policy: Mapped[str] = mapped_column(NAME)
    rule_id: Mapped[str] = mapped_column(NAME)
    source: Mapped[str] = mapped_column(NAME)
    action: Mapped[str] = mapped_column(NAME)
    args: Mapped[str] = mapped_column(LONG_TEXT)
    why: Mapped[str] = mapped_column(LONG_TEXT)
    requested_by: Mapped[str] = mapped_column(NAME)
    state: Mapped[str] = mapped_column(String(20))
    epoch: Mapped[int] = mapped_column(BigInteger)
    node: Mapped[str] = mapped_column(NAME)
    attempts: Mapped[int] = mapped_column(Integer)
    result: Mapped[str] = mapped_column(LONG_TEXT)
    settled: Mapped[str | None] = mapped_column(LONG_TEXT)
    not_before: Mapped[float] = mapped_column(Double)
    created_at: Mapped[float] = mapped_column(Double)
    updated_at: Mapped[float] = mapped_column(Double)
    started_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)
    closed_at: Mapped[float | None] = mapped_column(Double)


class LibraryPolicy(Base):
    """A policy of the library: a template that can be made into a policy. ``rules`` is JSON."""

    __tablename__ = "library_policies"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    abbreviation: Mapped[str] = mapped_column(String(5))
    description: Mapped[str] = mapped_column(LONG_TEXT)
    kind: Mapped[str] = mapped_column(NAME)
    rules: Mapped[str] = mapped_column(LONG_TEXT)
