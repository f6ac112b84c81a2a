"""Votes, what they may be joined by, and capabilities that were used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "votes", _text("id", key=True), _number("arrived"), _text("kind"), _text("counts_as"),
        sa.Column("ballot", sa.LargeBinary, nullable=False), _small("final"), _number("subject"),
        *(sa.Column(name, sa.Text) for name in ("user", "explanation")),
        *(sa.Column(name, _NUMBER) for name in ("call", "called", "seat")),
        sqlite_with_rowid=False)
    for name, column in (("ballot", "ballot"), ("arrival", "arrived"), ("call", "call"),
                         ("called", "called")):
        op.create_index(f"votes_by_{name}", "votes", [column])
    op.create_table(
        "waiting_votes", _number("subject", key=True), _text("vote", key=True), _small("rank"),
        _number("arrived"), sqlite_with_rowid=False)
    op.create_table(
        "call_subjects", _number("subject", key=True), _number("seq"), _number("seat"),
        _number("arrived"), _small("rank"))
    op.create_index("call_subjects_by_arrival", "call_subjects", ["arrived"])
    op.create_table(
        "burnt_nonces", sa.Column("nonce", sa.LargeBinary, primary_key=True), _number("expires"),
        sqlite_with_rowid=False)
    op.create_index("burnt_nonces_by_expiry", "burnt_nonces", ["expires"])


def _text(name: str, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _number(name: str, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, primary_key=key, autoincrement=False, nullable=False)


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger, nullable=False)
