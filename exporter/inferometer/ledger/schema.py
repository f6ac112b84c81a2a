"""What a ledger's file holds: its tables, by SQLAlchemy Core, as the newest migration leaves them.

`facts` is what came, a row a span, in the order of arrival. `counted` is what counts, a row a
call or step, under the number of the fact that stands for it: so nothing is counted twice.
`counters` are what `/metrics` says; they are never a sum over rows, which retention deletes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from inferometer.ledger.counting import MEASURES

NEWEST = "0016"  # the last of the migrations, which makes these tables
METADATA = MetaData()
NUMBER = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER is SQLite's own row number


class FactState(IntEnum):
    """What has become of a fact; 0 and 1 take no room in a row of SQLite."""

    PENDING = 0
    SETTLED = 1
    FAILED = 2  # its trace could not be settled, by a fault of ours


def _number(name: str, *, key: bool = False, optional: bool = False) -> Column[Any]:
    return Column(name, NUMBER, primary_key=key, autoincrement=False, nullable=optional)


def _text(name: str, *, key: bool = False, optional: bool = False) -> Column[Any]:
    return Column(name, Text, primary_key=key, nullable=optional)


META = Table("meta", METADATA, _text("name", key=True), _text("value"))
# What the columns of a packed fact are, so that a field more needs no migration.
FORMS = Table("forms", METADATA, _number("id", key=True), _text("kind"), _text("names"))
# Tuples of label values by number. `seated` ones have series of their own, the others share one.
SEATS = Table(
    "seats", METADATA,
    _number("id", key=True), _text("kind"), _text("provider"), _text("model"),
    _text("operation"), _text("service_name"), _text("name"),
    Column("seated", SmallInteger, nullable=False),
    UniqueConstraint("kind", "provider", "model", "operation", "service_name", "name"))
FACTS = Table(
    "facts", METADATA,
    _number("seq", key=True),
    Column("digest", BigInteger, nullable=False, unique=True),  # of the identity, with our key
    _number("arrived"),  # Unix nanoseconds of our clock
    Column("trace", LargeBinary, nullable=False),
    Column("span", LargeBinary, nullable=False),
    Column("parent", LargeBinary, nullable=False),
    _number("form"),
    Column("state", SmallInteger, nullable=False),
    _number("counted", optional=True),  # the row that it is part of, by its number
    _text("user", optional=True),  # by a keyed hash, as the conversation is
    _text("conversation", optional=True),
    _text("fact"))
# Names that were forgotten while facts that have them may be in the writer's memory.
FORGOTTEN = Table("forgotten", METADATA, _text("name", key=True),
                  _number("until"))  # the last fact of then
CONTENTS = Table("contents", METADATA, _number("seq", key=True), _text("content"))
COUNTED = Table(
    "counted", METADATA,
    _number("seq", key=True), _text("kind", key=True), _number("arrived"), _number("seat"),
    _text("user", optional=True), _text("conversation", optional=True),
    _text("outcome"), _text("error_type"),
    _number("calls"), Column("billed", SmallInteger, nullable=False), _text("usage"),
    *(_number(name, optional=True) for name in (
        "input", "cached", "cache_write", "output", "reasoning",  # tokens
        "duration", "first_token", "queue", "prefill", "decode",  # nanoseconds
        "documents")),
    _text("priced"), _number("cost", optional=True),  # nano-USD
    *(Column(name, SmallInteger, nullable=False) for name in ("over_cost", "within_limits")),
    _number("place"),
    _number("run_calls", optional=True), _number("run_tools", optional=True),
    Column("observed", SmallInteger, nullable=False), _number("disagreement", optional=True),
    Column("top_changed", SmallInteger, nullable=True),
    *(_number(name, optional=True) for name in ("relay", "remainder")),  # nanoseconds
    _text("checks"),  # marks of evaluations.CHECKS, or one of an application's own evaluation
    _number("score", optional=True),  # of that, in billionths
    sqlite_with_rowid=False)
# Parent links of every span of a settled trace, by the number of one of its facts.
TRACES = Table("traces", METADATA, _number("seq", key=True),
               Column("links", LargeBinary, nullable=False))
# The same as they came, until their traces are settled.
LINKS = Table("links", METADATA, _number("id", key=True), _number("arrived"),
              Column("links", LargeBinary, nullable=False))
COUNTERS = Table(
    "counters", METADATA,
    _text("gateway", key=True), _number("seat", key=True), _text("name", key=True),
    _text("part", key=True), _number("value"),
    _number("purged"),  # what of the value came from rows that retention has deleted
    sqlite_with_rowid=False)
ROLLUPS = Table(
    "rollups", METADATA,
    _text("gateway"), _number("hour"),  # Unix hours of arrival
    _number("seat"), _text("user"), *(_number(name) for name in MEASURES),
    PrimaryKeyConstraint("gateway", "hour", "user", "seat"), sqlite_with_rowid=False)
# Hours that are over, with the users of most input tokens, and how many more than `floor` each has:
# nobody else has more than that. What is added to such an hour later makes it one without.
RANKED_HOURS = Table(
    "ranked_hours", METADATA,
    _text("gateway", key=True), _number("hour", key=True), _number("floor"),
    sqlite_with_rowid=False)
LEADERS = Table(
    "leaders", METADATA,
    _text("gateway", key=True), _number("hour", key=True), _text("user", key=True),
    _number("input"), _number("lead"), sqlite_with_rowid=False)
# What goes to another store, in numbered batches: of rows of `counted`, by their numbers, and of
# sums, by the numbers of batches. What a batch is of is written before it is sent, for good.
BATCHES = Table(
    "batches", METADATA,
    _text("gateway", key=True), _text("kind", key=True), _number("number", key=True),
    _number("first"), _number("last"),
    _number("first_late"), _number("last_late"),  # by the ids of `late_rows`
    Column("sent", SmallInteger, nullable=False),
    sqlite_with_rowid=False)
# Rows that were counted after all facts of then, up to theirs, had settled: batches may be past it.
LATE_ROWS = Table("late_rows", METADATA, _number("id", key=True), _number("seq"), _text("kind"),
                  UniqueConstraint("seq", "kind"))
# Hashes that are forgotten here, and in the other store not yet.
FORGET_THERE = Table("forget_there", METADATA, _text("name", key=True))
# Calls that have settled and are not in the request log, in the order in which they settled; empty
# where there is no such log. Numbers are each gateway's own.
REQUEST_LOG = Table(
    "request_log", METADATA,
    _text("gateway", key=True), _number("number", key=True), _number("settled"),  # Unix ns
    Column("calls", LargeBinary, nullable=False),  # their numbers, packed
    sqlite_with_rowid=False)
# Bodies as they came, until each destination has them; it holds content, and is empty where there
# is no destination. Numbers are each gateway's own.
OUTBOX = Table(
    "outbox", METADATA,
    _text("gateway", key=True), _number("seq", key=True), _number("arrived"), _text("signal"),
    _number("size"), _text("encoding"), _text("coding"), _text("hops"),
    Column("body", LargeBinary, nullable=False),
    # So that what waits is added up without reading any body.
    Index("outbox_sizes", "gateway", "seq", "signal", "size", "arrived"))
OUTBOX_CURSORS = Table(
    "outbox_cursors", METADATA,
    _text("gateway", key=True), _text("destination", key=True), _number("seq"),  # the last done
    sqlite_with_rowid=False)
# Bodies that a destination refused for good, until they are sent again, or dropped.
OUTBOX_REFUSED = Table(
    "outbox_refused", METADATA,
    _text("gateway", key=True), _text("destination", key=True), _number("seq", key=True),
    _number("status"), _text("why"),
    Column("again", SmallInteger, nullable=False),  # whether it is to be sent again
    sqlite_with_rowid=False)
# What senders of metrics had counted when they were last seen, by a keyed hash of who and what.
# `start` is the sender's own, 0 where the stream has none: see streams.
STREAMS = Table(
    "streams", METADATA, Column("stream", LargeBinary, primary_key=True), _number("seen"),
    _number("start"), _text("state"), Index("streams_by_seen", "seen"), sqlite_with_rowid=False)
# By how much they grew, until it is known whether spans tell of the same calls: see metering.
GROWTHS = Table("growths", METADATA, _number("id", key=True), _number("arrived"),
                _text("service_name"), _text("growths"))
# Services that send spans of calls, and when the last of these came.
SPAN_SENDERS = Table("span_senders", METADATA, _text("service_name", key=True), _number("seen"))
# The bounds that a service's histograms have where they are its metrics': for good.
METRIC_BOUNDS = Table("metric_bounds", METADATA, _text("service_name", key=True),
                      _text("name", key=True), _text("bounds"))
# Conversations that go on, by a keyed hash: how many turns they have, and when the last one came.
CONVERSATIONS = Table(
    "conversations", METADATA, _text("service_name", key=True), _text("conversation", key=True),
    _number("turns"), _number("last"), Index("conversations_by_last", "last"),
    sqlite_with_rowid=False)
# What persons say of calls. `final`: the last of its ballot, which is a person's on one subject in
# one group of kinds. `counts_as`: what counters have it as, once its call is there; `call`, that
# call's number, is empty until then, as are its arrival and its label tuple.
VOTES = Table(
    "votes", METADATA,
    _text("id", key=True), _number("arrived"), _text("kind"), _text("counts_as"),
    Column("ballot", LargeBinary, nullable=False), Column("final", SmallInteger, nullable=False),
    _number("subject"), _text("user", optional=True), _text("explanation", optional=True),
    *(_number(name, optional=True) for name in ("call", "called", "seat")),
    Column("logged", SmallInteger, nullable=False),  # whether it came as a log record
    Index("votes_by_ballot", "ballot"), Index("votes_by_arrival", "arrived"),
    Index("votes_by_call", "call"), Index("votes_by_called", "called"), sqlite_with_rowid=False)
# Votes whose call is not there yet, by what they may be joined by; the least rank first.
WAITING_VOTES = Table(
    "waiting_votes", METADATA,
    _number("subject", key=True), _text("vote", key=True),
    Column("rank", SmallInteger, nullable=False), _number("arrived"), sqlite_with_rowid=False)
# Calls by what votes name: of a trace the one of the highest rank, and of these the last.
CALL_SUBJECTS = Table(
    "call_subjects", METADATA,
    _number("subject", key=True), _number("seq"), _number("seat"), _number("arrived"),
    Column("rank", SmallInteger, nullable=False), Index("call_subjects_by_arrival", "arrived"))
# Of capabilities that were used, until they expire: Unix seconds.
BURNT_NONCES = Table(
    "burnt_nonces", METADATA, Column("nonce", LargeBinary, primary_key=True), _number("expires"),
    Index("burnt_nonces_by_expiry", "expires"), sqlite_with_rowid=False)
# Answers that a judge is to see, or has seen, in the order in which they were chosen.
JUDGED_UNITS = Table(
    "judged_units", METADATA,
    _number("id", key=True), Column("trace", LargeBinary, nullable=False), _text("stratum"),
    _number("call"),  # the number of the fact that is the answer
    _number("arrived"), _number("day"),  # Unix nanoseconds, and days of UTC
    _text("service_name"), _text("model"), _text("conversation"),  # a keyed hash, or empty
    Column("digest", LargeBinary, nullable=False),  # of what was asked and answered, with our key
    _number("probability"),  # of a thousand millions
    Column("state", SmallInteger, nullable=False), _number("tries"),
    _number("due"),  # Unix nanoseconds, before which nobody asks (again)
    UniqueConstraint("trace", "stratum"),
    Index("judged_units_by_day", "day", "conversation"),
    Index("judged_units_by_digest", "day", "digest"),
    Index("judged_units_by_call", "call"),
    Index("judged_units_by_due", "state", "stratum", "due"), sqlite_with_rowid=False)
# What judges are: their model, and a digest of their prompts.
JUDGES = Table("judges", METADATA, _number("id", key=True), _text("model"), _text("prompts"),
               _number("seen"), UniqueConstraint("model", "prompts"))
# What a judge said, in the order of judging; `reasons` is what was said, and deleted as content is.
JUDGEMENTS = Table(
    "judgements", METADATA,
    _number("number", key=True), _number("unit"), _text("evaluation"), _number("judge"),
    _text("result"), Column("flagged", SmallInteger, nullable=True),
    _number("score", optional=True),  # of a million
    _number("judged"), _text("reasons", optional=True),
    UniqueConstraint("unit", "evaluation", "judge"), sqlite_with_rowid=False)
# What judging took, a row a request to a judge: written before it is sent, ended when it answered.
JUDGE_REQUESTS = Table(
    "judge_requests", METADATA,
    _number("id", key=True), _number("unit"), _text("step"), _number("judge"), _number("day"),
    _number("sent"),  # Unix nanoseconds
    _text("result", optional=True),  # until then it is on its way, or lost with who sent it
    *(_number(name, optional=True) for name in ("input", "output")),  # tokens
    _number("cost", optional=True),  # nano-USD
    _text("answer", optional=True),  # until its unit is judged
    Index("judge_requests_by_day", "day"), Index("judge_requests_by_unit", "unit"),
    sqlite_with_rowid=False)
# Days of UTC in which anything was chosen or asked: which part of the traces is chosen now, of a
# thousand millions, and what requests of the day come to.
JUDGE_DAYS = Table(
    "judge_days", METADATA,
    _number("day", key=True), _number("ratio"),
    *(_number(name) for name in ("calls", "voted_calls", "cost", "priced_calls")),  # nano-USD
    sqlite_with_rowid=False)
# What people say of judged answers.
ANSWER_LABELS = Table(
    "answer_labels", METADATA,
    _number("unit", key=True), _text("evaluation", key=True), _text("reviewer", key=True),
    Column("flagged", SmallInteger, nullable=False), _number("labelled"),
    _text("note", optional=True), sqlite_with_rowid=False)
# Months whose bill was reconciled, and what came of it, in nano-USD: kept for 13 months.
RECONCILIATIONS = Table(
    "reconciliations", METADATA,
    _text("month", key=True), _number("reconciled"),  # 2026-11; Unix nanoseconds
    *(_number(name) for name in (
        "billed", "tracked", "untracked", "usage", "price", "missing", "overhead")),
    sqlite_with_rowid=False)
