"""Where the time of calls went: not known of what is counted already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    for name in ("relay", "remainder"):
        op.add_column("counted", sa.Column(name, _NUMBER))
