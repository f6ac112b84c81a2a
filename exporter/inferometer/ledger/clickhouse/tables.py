"""The tables in ClickHouse: what they have, and what a row comes to in sums.

`copy` is made where a copy arrives, by the server's clock: all rows of one have the same, and
what is sent again, even to the last byte, has another.
"""

from __future__ import annotations

from typing import NamedTuple

from inferometer.ledger.clickhouse.outbox import SUMMED_BATCHES, SUMMED_CHUNKS
from inferometer.ledger.counting import HOUR, KNOWN, MEASURES, TOKENS, CountedRow
from inferometer.ledger.seats import Labels

LABELS = tuple(name for name in Labels._fields if name != "kind")
_NUMBERS = (*TOKENS, "duration", "first_token", "queue", "prefill", "decode", "documents", "cost",
            "run_calls", "run_tools", "disagreement", "top_changed",
            "relay", "remainder", "score")
_WORD, _COUNT = "LowCardinality(String)", "Int64"
_TYPES = {  # of the columns of `counted`
    "arrived": "DateTime64(9, 'UTC')", "user": "String", "conversation": "String",
    **dict.fromkeys(("kind", "outcome", "error_type", "usage", "priced", "checks"), _WORD),
    **dict.fromkeys(("billed", "over_cost", "within_limits", "observed"), "UInt8"),
    **dict.fromkeys(_NUMBERS, "Nullable(Int64)")}
# Columns that are sent, by name with their types. `rows` is how many the copy has.
SENT = {"gateway": _WORD, "batch": "UInt64", "rows": "UInt32",
        **dict.fromkeys(LABELS, _WORD),
        **{name: _TYPES.get(name, _COUNT) for name in CountedRow._fields if name != "seat"}}
_KEYS = ("kind", *LABELS, "user")
_COPY = "copy UInt64 MATERIALIZED sipHash64(gateway, batch, now64(9))"
_WINDOW = "non_replicated_deduplication_window"  # blocks whose tokens a table remembers
WINDOW = 1000


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {type_}" for name, type_ in columns.items())


def _create_sums(table: str, moment: str, order: str) -> str:
    """`counted` is of how many rows. The user is in no key, so that it can be taken out."""
    return (
        f"CREATE TABLE IF NOT EXISTS {table} (gateway LowCardinality(String), chunk UInt64, "
        f"copy UInt64, {moment} DateTime('UTC'), "
        f"{_columns(dict.fromkeys(_KEYS[:-1], _WORD))}, user String, counted UInt64, "
        f"{_columns(dict.fromkeys(MEASURES, _COUNT))}) ENGINE MergeTree "
        f"PARTITION BY toYYYYMM({moment}) ORDER BY ({moment}, kind, {order})")


def _create_names(table: str) -> str:
    """Which copies of sums count, and what they are of, by numbers from `first` to `last`."""
    return (
        f"CREATE TABLE IF NOT EXISTS {table} (gateway String, chunk UInt64, copy UInt64, "
        "first UInt64, last UInt64, rows UInt64, named DateTime64(9, 'UTC') DEFAULT now64(9)) "
        "ENGINE MergeTree ORDER BY (gateway, chunk)")


CREATE = (
    f"CREATE TABLE IF NOT EXISTS calls ({_columns(SENT)}, {_COPY}) ENGINE MergeTree "
    "PARTITION BY toYYYYMMDD(arrived) ORDER BY (arrived, gateway, seq) "
    f"SETTINGS {_WINDOW} = {WINDOW}",
    # What is here: the copies of batches that are complete, and of which the first one counts.
    "CREATE TABLE IF NOT EXISTS batches (gateway String, batch UInt64, copy UInt64, rows UInt64, "
    "first Int64, last Int64, first_arrived DateTime64(9, 'UTC'), "
    "last_arrived DateTime64(9, 'UTC'), named DateTime64(9, 'UTC') DEFAULT now64(9)) "
    "ENGINE MergeTree ORDER BY (gateway, batch)",
    # Sums of the hour over several batches, and of the day over several chunks of these.
    _create_sums("rollups", "hour", "service_name, provider, model"), _create_names("chunks"),
    # Who used most stands side by side, as is asked of them.
    _create_sums("days", "day", "input"), _create_names("day_chunks"),
    # Tables of earlier versions lack these.
    *(f"ALTER TABLE calls ADD COLUMN IF NOT EXISTS `{name}` {_TYPES[name]}"
      for name in ("observed", "disagreement", "top_changed", "relay", "remainder", "checks",
                   "score")))
TABLES = ("calls", "batches", "rollups", "chunks", "days", "day_chunks")

# Of the copies that are named, the first of each counts: a later one never takes its place.
BATCH_COPIES = ("SELECT argMin(copy, (named, copy)) FROM batches WHERE {} "
                "GROUP BY gateway, batch")
CHUNK_COPIES, DAY_COPIES = (
    f"SELECT argMin(copy, (named, copy)) FROM {names} WHERE {{}} GROUP BY gateway, chunk"
    for names in ("chunks", "day_chunks"))

_IS_CALL = "kind = 'call'"
_CALLED = f"{_IS_CALL} AND calls != 0"
_BILLED = f"{_IS_CALL} AND usage = '{KNOWN}' AND billed != 0"
_TIMED = f"{_CALLED} AND outcome = 'success' AND duration IS NOT NULL"
_FIRST = f"{_CALLED} AND first_token IS NOT NULL"
_PRICED = f"{_IS_CALL} AND priced != ''"
_LACKING = (f"{_CALLED} AND usage != '{KNOWN}' AND billed != 0 "
            "AND (outcome IN ('success', 'abort') OR error_type = 'truncated')")
# What rows add to each of MEASURES, as `counting.Additions` has it.
SUMS = {
    "ended": "sum(calls)",
    **{name: f"sumIf(calls, outcome = '{name}')"
       for name in ("success", "error", "rejected", "invalid", "abort")},
    "usage_missing": f"countIf({_LACKING})",
    **{name: f"sumIf(`{name}`, {_BILLED})" for name in TOKENS},
    "timed": f"countIf({_TIMED})", "duration": f"sumIf(duration, {_TIMED})",
    "first_tokens": f"countIf({_FIRST})", "first_token": f"sumIf(first_token, {_FIRST})",
    "documents": "sumIf(documents, kind = 'retrieval')",
    "cost": f"sumIf(cost, {_PRICED})",
    "price_unknown": f"countIf({_PRICED} AND cost IS NULL)",
    "over_cost": f"sumIf(over_cost, {_PRICED})",
    "within_limits": f"sumIf(calls, {_CALLED} AND within_limits != 0)",
}
# Of rows: `toInt64`, as a sum of nothing but NULL is NULL, and a count has no sign.
OF_ROWS = ", ".join(f"toInt64(ifNull({SUMS[name]}, 0)) AS `sum_{name}`" for name in MEASURES)
HOUR_SECONDS = HOUR // 10**9
DAY_SECONDS = 24 * HOUR_SECONDS
_OF_GATEWAY = "gateway = {gateway:String} AND"
_OF_BATCHES = _OF_GATEWAY + " batch BETWEEN {first:UInt64} AND {last:UInt64}"
_OF_CHUNKS = _OF_GATEWAY + " chunk BETWEEN {first:UInt64} AND {last:UInt64}"
_SUMS_HEAD = ("SELECT {gateway:String}, {chunk:UInt64}, "
              "sipHash64({gateway:String}, {chunk:UInt64}, now64(9))")
_BATCHES_THERE = ("SELECT any(rows) AS one, min(first_arrived) AS begin, max(last_arrived) AS end "
                  f"FROM batches WHERE {_OF_BATCHES} GROUP BY batch")
_CHUNKS_THERE = f"FROM rollups WHERE copy IN ({CHUNK_COPIES.format(_OF_CHUNKS)})"


class Level(NamedTuple):
    """A table of sums, the one that names its copies, and how they are made of what is below.

    Values of both statements: gateway, chunk, and from `first` to `last` what is added up.
    """

    kind: str  # of batches of an outbox
    sums: str
    names: str
    rows: str  # a query for their number
    add_up: str


HOURS = Level(
    SUMMED_BATCHES, "rollups", "chunks", f"SELECT sum(one) FROM ({_BATCHES_THERE})",
    # Their arrivals spare it the days that they are not of.
    f"INSERT INTO rollups WITH (SELECT (min(begin), max(end)) FROM ({_BATCHES_THERE})) AS arrivals "
    f"{_SUMS_HEAD}, toStartOfHour(arrived) AS hour, {', '.join(_KEYS)}, count(), {OF_ROWS} "
    "FROM calls WHERE arrived >= arrivals.1 AND arrived <= arrivals.2 "
    f"AND copy IN ({BATCH_COPIES.format(_OF_BATCHES)}) GROUP BY hour, {', '.join(_KEYS)}")
DAYS = Level(
    SUMMED_CHUNKS, "days", "day_chunks", f"SELECT sum(counted) {_CHUNKS_THERE}",
    f"INSERT INTO days {_SUMS_HEAD}, toStartOfDay(hour) AS day, {', '.join(_KEYS)}, sum(counted), "
    f"{', '.join(f'sum(`{name}`)' for name in MEASURES)} {_CHUNKS_THERE} "
    f"GROUP BY day, {', '.join(_KEYS)}")
