"""Which of its trace's calls a call is, and what agents' runs did: not known of what is counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("counted", sa.Column("place", _NUMBER, nullable=False, server_default="0"))
    for name in ("run_calls", "run_tools"):
        op.add_column("counted", sa.Column(name, _NUMBER))
