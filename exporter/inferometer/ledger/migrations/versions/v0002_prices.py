"""What calls cost: of those that are counted already it is not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("counted", sa.Column("priced", sa.Text, nullable=False, server_default=""))
    op.add_column("counted", sa.Column("cost", _NUMBER))
    op.add_column("counted", sa.Column(
        "over_cost", sa.SmallInteger, nullable=False, server_default="0"))
    for name in ("cost", "price_unknown", "over_cost"):
        op.add_column("rollups", sa.Column(name, _NUMBER, nullable=False, server_default="0"))
