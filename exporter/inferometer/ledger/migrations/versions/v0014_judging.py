"""Answers that are judged, what judges say of them and cost, and what people say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "judged_units", _number("id", key=True), _blob("trace"), _text("stratum"),
        *map(_number, ("call", "arrived", "day")),
        *map(_text, ("service_name", "model", "conversation")), _blob("digest"),
        _number("probability"), _small("state"), _number("tries"), _number("due"),
        sa.UniqueConstraint("trace", "stratum"), sqlite_with_rowid=False)
    for name, *columns in (("day", "day", "conversation"), ("digest", "day", "digest"),
                           ("call", "call"), ("due", "state", "stratum", "due")):
        op.create_index(f"judged_units_by_{name}", "judged_units", columns)
    op.create_table(
        "judges", _number("id", key=True), _text("model"), _text("prompts"), _number("seen"),
        sa.UniqueConstraint("model", "prompts"))
    op.create_table(
        "judgements", _number("number", key=True), _number("unit"), _text("evaluation"),
        _number("judge"), _text("result"), sa.Column("flagged", sa.SmallInteger),
        sa.Column("score", _NUMBER), _number("judged"), sa.Column("reasons", sa.Text),
        sa.UniqueConstraint("unit", "evaluation", "judge"), sqlite_with_rowid=False)
    op.create_table(
        "judge_requests", _number("id", key=True), _number("unit"), _text("step"),
        _number("judge"), _number("day"), _number("sent"), sa.Column("result", sa.Text),
        *(sa.Column(name, _NUMBER) for name in ("input", "output", "cost")),
        sa.Column("answer", sa.Text), sqlite_with_rowid=False)
    for name in ("day", "unit"):
        op.create_index(f"judge_requests_by_{name}", "judge_requests", [name])
    op.create_table(
        "judge_days", _number("day", key=True),
        *map(_number, ("ratio", "calls", "voted_calls", "cost", "priced_calls")),
        sqlite_with_rowid=False)
    op.create_table(
        "answer_labels", _number("unit", key=True), _text("evaluation", key=True),
        _text("reviewer", key=True), _small("flagged"), _number("labelled"),
        sa.Column("note", sa.Text), sqlite_with_rowid=False)
    if op.get_bind().dialect.name == "postgresql":
        # Numbers of several gateways do not lie in the order of arrival.
        op.execute("CREATE INDEX counted_by_arrival ON counted USING brin (arrived)")


def _text(name: str, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _number(name: str, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, _NUMBER, primary_key=key, autoincrement=False, nullable=False)


def _blob(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def _small(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.SmallInteger, nullable=False)
