"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}
ID = sa.String(36)
NAME = sa.String(255)
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
LONG_BINARY = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql")


def column(name: str, kind: "sa.types.TypeEngine[Any]", **options: Any) -> "sa.Column[Any]":
    """A column that is not null, unless told otherwise."""
    return sa.Column(name, kind, **({"nullable": False} | options))


def table(name: str, *columns: "sa.Column[Any] | sa.Constraint") -> None:
    """MariaDB cannot roll back a CREATE TABLE: a step that was cut off is run again over what it made."""
    op.create_table(name, *columns, if_not_exists=True, **OPTIONS)


def index(name: str, on: str, *columns: str) -> None:
    op.create_index(name, on, list(columns), if_not_exists=True)


def upgrade() -> None:
    table("settings", column("name", NAME), column("value", LONG_TEXT), sa.PrimaryKeyConstraint("name"))
    table(
        "revision_counter",
        column("id", sa.Integer(), autoincrement=False),
        column("revision", sa.BigInteger()),
        column("floor", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
    table(
        "revisions",
        column("revision", sa.BigInteger(), autoincrement=False),
        column("position", sa.Integer(), autoincrement=False),
        column("kind", sa.String(40)),
        column("record", LONG_TEXT),
        column("author", NAME),
        column("at", sa.Double()),
        sa.PrimaryKeyConstraint("revision", "position"),
    )
    table(
        "names",
        column("name", NAME),
        column("owner", ID),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("owner"),
    )
    table(
        "policies",
        column("id", ID),
        column("name", NAME),
        column("abbreviation", sa.String(5)),
        column("description", LONG_TEXT),
        column("owner_id", NAME),
        column("kind", NAME),
        column("created_at", sa.Double()),
        column("updated_at", sa.Double()),
        column("born_revision", sa.BigInteger()),
        column("born_position", sa.Integer()),
        sa.PrimaryKeyConstraint("id"),
    )
    table(
        "rules",
        column("id", ID),
        column("policy_id", ID),
        column("rule", LONG_TEXT),
        column("name", NAME, nullable=True),
        column("comment", LONG_TEXT),
        column("enabled", sa.Boolean()),
        column("options", LONG_TEXT),
        column("created_at", sa.Double()),
        column("updated_at", sa.Double()),
        column("born_revision", sa.BigInteger()),
        column("born_position", sa.Integer()),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["policy_id"], ["policies.id"], name="fk_rules_policy"),
    )
    index("ix_rules_policy_id", "rules", "policy_id")
    table(
        "sources",
        column("id", ID),
        column("name", NAME),
        column("driver", NAME),
        column("config", LONG_TEXT),
        column("secrets", LONG_TEXT),
        column("description", LONG_TEXT),
        column("enabled", sa.Boolean()),
        column("created_at", sa.Double()),
        column("updated_at", sa.Double()),
        column("born_revision", sa.BigInteger()),
        column("born_position", sa.Integer()),
        sa.PrimaryKeyConstraint("id"),
    )
    upgrade_pushes()
    upgrade_actions()
    table(
        "library_policies",
        column("id", ID),
        column("name", NAME),
        column("abbreviation", sa.String(5)),
        column("description", LONG_TEXT),
        column("kind", NAME),
        column("rules", LONG_TEXT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    counter = sa.table("revision_counter", sa.column("id"), sa.column("revision"), sa.column("floor"))
    if not op.get_bind().scalar(sa.select(sa.func.count()).select_from(counter)):
        op.bulk_insert(counter, [{"id": 1, "revision": 0, "floor": 0}])


def upgrade_pushes() -> None:
    table(
        "push_streams",
        column("source_id", ID),
        column("last", sa.BigInteger()),
        column("folded", sa.BigInteger()),
        column("base_blob_id", ID, nullable=True),
        column("base_parts", sa.Integer()),
        column("base_bytes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("source_id"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_push_streams_source"),
    )
    table(
        "pushes",
        column("source_id", ID),
        column("number", sa.BigInteger(), autoincrement=False),
        column("blob_id", ID),
        column("parts", sa.Integer()),
        column("bytes", sa.BigInteger()),
        column("at", sa.Double()),
        sa.PrimaryKeyConstraint("source_id", "number"),
    )
    table(
        "push_keys",
        column("source_id", ID),
        column("key", sa.String(260)),
        column("number", sa.BigInteger()),
        column("digest", sa.String(64)),
        column("expires_at", sa.Double()),
        sa.PrimaryKeyConstraint("source_id", "key"),
    )
    index("ix_push_keys_expires_at", "push_keys", "expires_at")
    table(
        "blob_parts",
        column("blob_id", ID),
        column("part", sa.Integer(), autoincrement=False),
        column("source_id", ID),
        column("data", LONG_BINARY),
        sa.PrimaryKeyConstraint("blob_id", "part"),
    )
    index("ix_blob_parts_source_id", "blob_parts", "source_id")


def upgrade_actions() -> None:
    table(
        "epochs",
        column("role", NAME),
        column("epoch", sa.BigInteger()),
        column("node", NAME),
        column("lease_until", sa.BigInteger()),
        column("writes", sa.BigInteger()),
        sa.PrimaryKeyConstraint("role"),
    )
    table(
        "activations",
        column("id", ID),
        column("key", NAME),
        column("subject", NAME),
        column("policy", NAME),
        column("rule_id", NAME),
        column("source", NAME),
        column("action", NAME),
        column("args", LONG_TEXT),
        column("why", LONG_TEXT),
        column("requested_by", NAME),
        column("state", sa.String(20)),
        column("epoch", sa.BigInteger()),
        column("node", NAME),
        column("attempts", sa.Integer()),
        column("result", LONG_TEXT),
        column("not_before", sa.Double()),
        column("created_at", sa.Double()),
        column("updated_at", sa.Double()),
        column("started_at", sa.Double(), nullable=True),
        column("finished_at", sa.Double(), nullable=True),
        column("closed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    index("ix_activations_state", "activations", "state")
    index("ix_activations_subject", "activations", "subject")
    index("ix_activations_created_at", "activations", "created_at", "id")
    index("ix_activations_closed_at", "activations", "closed_at")


def downgrade() -> None:
    for name in (
        "library_policies",
        "activations",
        "epochs",
        "blob_parts",
        "push_keys",
        "pushes",
        "push_streams",
        "rules",
        "sources",
        "policies",
        "names",
        "revisions",
        "revision_counter",
        "settings",
    ):
        op.drop_table(name, if_exists=True)
