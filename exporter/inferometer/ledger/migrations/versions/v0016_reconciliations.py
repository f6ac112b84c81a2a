"""What came of reconciling months' bills."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "reconciliations",
        sa.Column("month", sa.Text, primary_key=True),
        *(sa.Column(name, _NUMBER, nullable=False) for name in (
            "reconciled", "billed", "tracked", "untracked", "usage", "price", "missing",
            "overhead")),
        sqlite_with_rowid=False)
