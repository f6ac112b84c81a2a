"""Whether calls were within the limits: of those that are counted already it is not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("counted", sa.Column(
        "within_limits", sa.SmallInteger, nullable=False, server_default="0"))
    op.add_column("rollups", sa.Column(
        "within_limits", _NUMBER, nullable=False, server_default="0"))
