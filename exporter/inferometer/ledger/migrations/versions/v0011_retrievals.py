"""What searches and rerankings were like: of those that are counted already it is not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("counted", sa.Column(
        "observed", sa.SmallInteger, nullable=False, server_default="0"))
    op.add_column("counted", sa.Column("disagreement", _NUMBER))
    op.add_column("counted", sa.Column("top_changed", sa.SmallInteger))
