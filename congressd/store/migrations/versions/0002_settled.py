"""What people said to activations is kept beside their results."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")


def _is_there() -> bool:
    """SQLite knows no IF NOT EXISTS here."""
    return "settled" in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("activations")}


def upgrade() -> None:
    # MariaDB cannot roll back an ALTER TABLE: a step that was cut off, or is run by two nodes, finds what was made.
    on_mariadb = op.get_bind().dialect.name != "sqlite"
    if on_mariadb or not _is_there():
        op.add_column("activations", sa.Column("settled", LONG_TEXT, nullable=True), if_not_exists=on_mariadb or None)


def downgrade() -> None:
    if _is_there():
        op.drop_column("activations", "settled")
