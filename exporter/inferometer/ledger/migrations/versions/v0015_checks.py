"""What answers were checked for, and what applications say of them: not known of earlier ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("counted", sa.Column("checks", sa.Text, nullable=False, server_default=""))
    op.add_column("counted", sa.Column("score", _NUMBER))
