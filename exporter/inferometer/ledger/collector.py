"""What the ledger says of itself in a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.sinks.request_log import RequestLogCondition


class LedgerCondition(NamedTuple):
    """How a ledger does."""

    pending: int
    lag: float  # seconds
    bytes: int
    free: int | None  # bytes; None where the disk does not tell
    last_commit: int | None  # Unix nanoseconds
    skewed: int
    failed: int
    commit_lag: float = 0.0  # seconds
    refusal: str = ""  # why nothing is taken, a value of REFUSAL
    reused: int = 0  # facts under the ids of others
    waiting: int | None = None  # rows that are not in ClickHouse; None where there is none
    failures: int | None = None  # of bringing them there
    logged: RequestLogCondition | None = None  # None where there is no request log


class LedgerCollector:
    """Size, pending facts, and when it last committed."""

    name = "ledger"
    punctual = True

    def __init__(self, condition: Callable[[], LedgerCondition]) -> None:
        self._condition = condition

    def collect(self, deadline: Deadline) -> Iterable[Family]:
        """One point a family."""
        now = self._condition()
        values = {c.LEDGER_PENDING: now.pending, c.LEDGER_LAG: now.lag, c.LEDGER_BYTES: now.bytes,
                  c.LEDGER_FREE: now.free, c.LEDGER_SKEWED: now.skewed, c.LEDGER_FAILED: now.failed,
                  c.LEDGER_COMMIT_LAG: now.commit_lag, c.LEDGER_REUSED_IDS: now.reused,
                  c.CLICKHOUSE_WAITING: now.waiting, c.CLICKHOUSE_FAILURES: now.failures,
                  c.LEDGER_COMMIT: None if now.last_commit is None else now.last_commit / 1e9}
        if now.logged is not None:
            values |= {c.REQUEST_LOG_LINES: now.logged.lines,
                       c.REQUEST_LOG_WAITING: now.logged.waiting,
                       c.REQUEST_LOG_FAILURES: now.logged.failures}
        for metric, value in values.items():
            family = Family(metric)
            family.add(None if value is None else float(value))
            yield family
        yield Family(c.LEDGER_REFUSING, {
            (reason,): float(reason == now.refusal) for reason in c.REFUSAL.values})
