"""Calls that have settled and wait for their line in the request log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "request_log",
        sa.Column("gateway", sa.Text, primary_key=True),
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("settled", _NUMBER, nullable=False),
        sa.Column("calls", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False)
