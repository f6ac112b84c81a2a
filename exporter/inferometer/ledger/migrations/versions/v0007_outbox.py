"""Bodies that wait to be forwarded, how far each destination has come, and what it refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "outbox", _text("gateway", key=True), _number("seq", key=True), _number("arrived"),
        _text("signal"), _number("size"), _text("encoding"), _text("coding"), _text("hops"),
        sa.Column("body", sa.LargeBinary, nullable=False))
    op.create_index("outbox_sizes", "outbox", ["gateway", "seq", "signal", "size", "arrived"])
    op.create_table(
        "outbox_cursors", _text("gateway", key=True), _text("destination", key=True),
        _number("seq"), sqlite_with_rowid=False)
    op.create_table(
        "outbox_refused", _text("gateway", key=True), _text("destination", key=True),
        _number("seq", key=True), _number("status"), _text("why"),
        sa.Column("again", sa.SmallInteger, nullable=False), sqlite_with_rowid=False)


def _text(name: str, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _number(name: str, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, primary_key=key, autoincrement=False, nullable=False)
