"""The first version of the ledger."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BY_DAY: dict[str, Any] = {"postgresql_partition_by": "RANGE (seq)"}
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _numbers(*names: str, optional: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _NUMBER, nullable=optional) for name in names]


def _texts(*names: str, optional: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=optional) for name in names]


def _bytes(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.LargeBinary, nullable=False) for name in names]


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, _NUMBER, primary_key=True, autoincrement=False)


def upgrade() -> None:
    """Make all tables."""
    _make_all()
    if op.get_bind().dialect.name == "postgresql":
        _make_shared()


def _make_shared() -> None:
    """What several gateways need that have one database."""
    op.create_table(
        "identities", sa.Column("digest", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False))
    op.create_index("identities_seq", "identities", ["seq"], postgresql_using="brin")
    op.create_table(
        "pending", sa.Column("trace", sa.LargeBinary, primary_key=True),
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("begun", sa.Double, nullable=False),
        sa.Column("touched", sa.Double, nullable=False),
        sa.Column("facts", sa.ARRAY(sa.BigInteger), nullable=False), *_bytes("links"))
    # Its rows come and go within seconds.
    op.execute("ALTER TABLE pending SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, "
               "autovacuum_vacuum_threshold = 20000)")
    op.create_table(
        "responses", sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("held", sa.DateTime(timezone=True), nullable=False),
        *_texts("service_name", optional=True),
        *_numbers("arrived", "begun", "ended", "input", "output", optional=True))
    op.create_index("responses_held", "responses", ["held"], postgresql_using="brin")
    op.execute("ALTER TABLE responses SET (fillfactor = 50)")
    op.create_table(
        "gateways", sa.Column("id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False, unique=True),
        sa.Column("seen", sa.DateTime(timezone=True)), *_texts("origin", optional=True))
    op.create_table(
        "leases", sa.Column("slot", sa.SmallInteger, primary_key=True, autoincrement=False),
        *_texts("holder"), sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False))
    op.execute("CREATE SEQUENCE fact_numbers AS bigint MINVALUE 0 MAXVALUE 1048575 CYCLE")


def _make_all() -> None:
    op.create_table("meta", sa.Column("name", sa.Text, primary_key=True), *_texts("value"))
    op.create_table("forms", _key("id"), *_texts("kind", "names"))
    labels = ("kind", "provider", "model", "operation", "service_name", "name")
    # Of several gateways each has label tuples of its own.
    unique = [] if op.get_bind().dialect.name == "postgresql" else [sa.UniqueConstraint(*labels)]
    op.create_table(
        "seats", _key("id"), *_texts(*labels), sa.Column("seated", sa.SmallInteger, nullable=False),
        *unique)
    shared = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "facts", _key("seq"),
        sa.Column("digest", sa.BigInteger, nullable=False, unique=not shared), *_numbers("arrived"),
        *_bytes("trace", "span", "parent"), *_numbers("form"),
        sa.Column("state", sa.SmallInteger, nullable=False), *_numbers("counted", optional=True),
        *_texts("user", "conversation", optional=True), *_texts("fact"), **_BY_DAY)
    op.create_table("forgotten", sa.Column("name", sa.Text, primary_key=True), *_numbers("until"))
    op.create_table("contents", _key("seq"), *_texts("content"), **_BY_DAY)
    op.create_table(
        "counted", *_numbers("seq"), *_texts("kind"), *_numbers("arrived", "seat"),
        *_texts("user", "conversation", optional=True), *_texts("outcome", "error_type"),
        *_numbers("calls"), sa.Column("billed", sa.SmallInteger, nullable=False), *_texts("usage"),
        *_numbers("input", "cached", "cache_write", "output", "reasoning", "duration",
                  "first_token", "queue", "prefill", "decode", "documents", optional=True),
        sa.PrimaryKeyConstraint("seq", "kind"), sqlite_with_rowid=False, **_BY_DAY)
    op.create_table("traces", _key("seq"), *_bytes("links"), **_BY_DAY)
    op.create_table("links", _key("id"), *_numbers("arrived"), *_bytes("links"))
    op.create_table(
        "counters", *_texts("gateway"), *_numbers("seat"), *_texts("name", "part"),
        *_numbers("value", "purged"), sa.PrimaryKeyConstraint("gateway", "seat", "name", "part"),
        sqlite_with_rowid=False)
    op.create_table(
        "rollups", *_texts("gateway"), *_numbers("hour", "seat"), *_texts("user"),
        *_numbers("ended", "success", "error", "rejected", "invalid", "abort", "usage_missing",
                  "input", "cached", "cache_write", "output", "reasoning", "timed", "duration",
                  "first_tokens", "first_token", "documents"),
        sa.PrimaryKeyConstraint("gateway", "hour", "seat", "user"), sqlite_with_rowid=False)
