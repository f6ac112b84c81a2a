"""What senders of metrics were last seen to have counted, and what of it waits to be counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "streams",
        sa.Column("stream", sa.LargeBinary, primary_key=True),
        *(sa.Column(name, _NUMBER, nullable=False) for name in ("seen", "start")),
        sa.Column("state", sa.Text, nullable=False),
        sqlite_with_rowid=False)
    op.create_index("streams_by_seen", "streams", ["seen"])
    op.create_table(
        "growths",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("arrived", _NUMBER, nullable=False),
        sa.Column("service_name", sa.Text, nullable=False),
        sa.Column("growths", sa.Text, nullable=False))
    op.create_table(
        "span_senders",
        sa.Column("service_name", sa.Text, primary_key=True),
        sa.Column("seen", _NUMBER, nullable=False))
    op.create_table(
        "metric_bounds",
        sa.Column("service_name", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("bounds", sa.Text, nullable=False))
