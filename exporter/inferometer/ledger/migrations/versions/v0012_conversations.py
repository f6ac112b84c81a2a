"""Conversations that go on, until their turns are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "conversations",
        sa.Column("service_name", sa.Text, primary_key=True),
        sa.Column("conversation", sa.Text, primary_key=True),
        *(sa.Column(name, _NUMBER, nullable=False) for name in ("turns", "last")),
        sqlite_with_rowid=False)
    op.create_index("conversations_by_last", "conversations", ["last"])
