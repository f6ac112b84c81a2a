"""Batches that leave for another store, and what they must know of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "batches",
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        *(sa.Column(name, _NUMBER, nullable=False)
          for name in ("first", "last", "first_late", "last_late")),
        sa.Column("sent", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False)
    op.create_table(
        "late_rows",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("seq", _NUMBER, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.UniqueConstraint("seq", "kind"))
    op.create_table("forget_there", sa.Column("name", sa.Text, primary_key=True))
