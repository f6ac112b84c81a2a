"""Tables that only a database has which several gateways share."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Double,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

METADATA = MetaData()
SLOTS = 64  # of traces: each is settled by the gateway that holds its slot

# Each digest once. The facts have their number as key, by which they lie in a partition a day; so
# nothing of them could be unique over all days.
IDENTITIES = Table(
    "identities", METADATA,
    Column("digest", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False))
# Traces that are not settled yet.
PENDING = Table(
    "pending", METADATA,
    Column("trace", LargeBinary, primary_key=True),
    Column("slot", SmallInteger, nullable=False),
    Column("begun", Double, nullable=False),  # Unix seconds of the database's clock
    Column("touched", Double, nullable=False),
    Column("facts", ARRAY(BigInteger), nullable=False),  # their numbers
    Column("links", LargeBinary, nullable=False))
# Responses whose tokens count, for a while: a service that passed a call on has no more to add.
RESPONSES = Table(
    "responses", METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("held", DateTime(timezone=True), nullable=False),
    Column("service_name", Text),  # with what follows: not billed yet where it is null
    *(Column(name, BigInteger) for name in ("arrived", "begun", "ended", "input", "output")))
GATEWAYS = Table(
    "gateways", METADATA,
    Column("id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),  # of its label tuples
    Column("seen", DateTime(timezone=True)),
    Column("origin", Text))  # of the database when it was opened last
# Who settles what. The fence grows whenever a slot changes hands: who has an older one has lost it.
LEASES = Table(
    "leases", METADATA,
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires", DateTime(timezone=True), nullable=False))
NUMBERS = "fact_numbers"  # a sequence, of which each value stands for a block of numbers
