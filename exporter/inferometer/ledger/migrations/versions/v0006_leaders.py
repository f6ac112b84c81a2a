"""Sums of an hour by user first, and who leads in each hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = ("gateway", "hour", "user", "seat")
_SUMS = ("ended", "success", "error", "rejected", "invalid", "abort", "usage_missing",
         "input", "cached", "cache_write", "output", "reasoning", "timed", "duration",
         "first_tokens", "first_token", "documents", "cost", "price_unknown", "over_cost",
         "within_limits")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, nullable=False)


def upgrade() -> None:
    """Change the key, and make the tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("rollups_pkey", "rollups")
        op.create_primary_key("rollups_pkey", "rollups", [*_KEY])
    else:
        _rewrite()
    op.create_table(
        "ranked_hours", _text("gateway"), _number("hour"), _number("floor"),
        sa.PrimaryKeyConstraint("gateway", "hour"), sqlite_with_rowid=False)
    op.create_table(
        "leaders", _text("gateway"), _number("hour"), _text("user"), _number("input"),
        _number("lead"), sa.PrimaryKeyConstraint("gateway", "hour", "user"),
        sqlite_with_rowid=False)


def _rewrite() -> None:
    """SQLite cannot change a key: the rows go to a new table."""
    op.rename_table("rollups", "rollups_before")
    op.create_table(
        "rollups", _text("gateway"), _number("hour"), _number("seat"), _text("user"),
        *map(_number, _SUMS), sa.PrimaryKeyConstraint(*_KEY), sqlite_with_rowid=False)
    columns = ", ".join(f'"{name}"' for name in ("gateway", "hour", "seat", "user", *_SUMS))
    op.execute(f"INSERT INTO rollups ({columns}) SELECT {columns} FROM rollups_before "
               'ORDER BY gateway, hour, "user", seat')
    op.drop_table("rollups_before")
