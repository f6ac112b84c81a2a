"""The actions of `inferometer cost`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from inferometer import settings
from inferometer.cli.cost_page import page
from inferometer.cli.ledger_flags import named_ledger
from inferometer.cli.verbs import OK, complain
from inferometer.config import Config, ConfigError, LedgerSection
from inferometer.cost import focus, gpu_hours, reconcile_report
from inferometer.cost.bill import Bill, add_up, is_covered, next_month, refuse_unmapped
from inferometer.cost.bill_lines import MonthLines
from inferometer.cost.bill_rules import GPU
from inferometer.cost.bill_table import BillError, BillTable
from inferometer.cost.prices import CallPrices
from inferometer.cost.reconcile import PARTS, Reconciliation, reconcile
from inferometer.cost.tracked import (
    GpuHoursOfDay,
    TariffOf,
    Tracked,
    add_calls,
    add_fixed,
    add_gpu_hours,
)
from inferometer.ledger import reconciliations, spending
from inferometer.ledger.database import Database
from inferometer.ledger.opening import open_beside
from inferometer.pricing import NANO, DayOfCalls
from inferometer.settings import Flags
from inferometer.sinks.reconciliation import ReconciledMonth

_DAY = timedelta(days=1)
MOST_NANO = 10**9 * NANO  # of a bill, or of what was tracked: columns hold nine times that


def reconcile_bill(options: argparse.Namespace) -> int:
    """Print what a bill has beyond what was tracked. Raises ConfigError, BillError, LedgerError."""
    config = _config(options)
    path = str(options.bill)
    bill = add_up(MonthLines(BillTable(options.bill), options.month, options.basis,
                             options.decimal_mark),
                  config.cost.bill, options.month, path, options.exchange_rate)
    if not options.allow_unmapped:
        refuse_unmapped(bill, path)
    now = datetime.now(UTC)
    database = _open(options, config.ledger)
    try:
        tracked = track(options, config, database, now).tracked
        result = reconcile(bill, tracked, [*_reasons(bill, tracked, config, now), *tracked.gaps])
        if _nano(max(abs(result.total.billed), result.total.tracked)) > MOST_NANO:
            raise BillError(f"{path}: comes to more than {MOST_NANO // NANO:,} USD")
        kept = reconciliations.months_of(database) if database is not None else []
        buffer = reconcile_report.buffer_percent(_sides(result, kept))
        if database is not None and not options.dry_run and not result.reasons and (
                result.gap_ratio is not None):
            reconciliations.keep(database, _kept(result))
    finally:
        if database is not None:
            database.close()
    _write(options, result, buffer)
    return OK


def export(options: argparse.Namespace) -> int:
    """Write what was tracked as FOCUS. Raises ConfigError, BillError, LedgerError."""
    config = _config(options)
    database = _open(options, config.ledger)
    try:
        read = track(options, config, database, datetime.now(UTC))
    finally:
        if database is not None:
            database.close()
    lines = focus.focus_lines(read.tracked, read.calls, read.hours, read.tariff_of,
                              config.cost.gpu_hour_usd, options.account)
    if options.out is None:
        focus.write(lines, sys.stdout)
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"focus-{options.month:%Y-%m}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            focus.write(lines, file)
        print(path)
    without = sum(day.usage_missing + day.price_unknown for day in read.calls)
    if without:
        complain(f"{without:,} calls are not in it: their usage or price is not known")
    for why in read.tracked.gaps:
        complain(f"it is not all of {options.month:%Y-%m}: {why}")
    return OK


class ReadMonth(NamedTuple):
    """What was tracked of a month: added up, and as it was read."""

    tracked: Tracked
    calls: Sequence[DayOfCalls]
    hours: Sequence[GpuHoursOfDay]
    tariff_of: TariffOf


def track(options: argparse.Namespace, config: Config, database: Database | None, now: datetime
          ) -> ReadMonth:
    """Read all of it. Raises BillError, LedgerError."""
    tracked, end = Tracked(options.month), next_month(options.month)
    calls: list[DayOfCalls] = []
    prices = CallPrices(config)
    if database is None:
        tracked.remarks.append("No ledger is there: nothing is tracked of calls.")
    else:
        prices.open()
        first = spending.first_day(database)
        if first is None or first > options.month + _DAY:
            tracked.gaps.append("the ledger has no calls" if first is None
                                else f"the ledger begins on {first}")
        calls = [*spending.spent_days(database, options.month, end)]
        add_calls(tracked, calls, prices.tariff_of)
    hours = gpu_hours.AskedHours([])
    if options.gpu_hours is not None:
        hours = gpu_hours.read_gpu_hours(options.gpu_hours)
    elif options.prometheus:
        token = options.prometheus_token_file
        hours = gpu_hours.ask_prometheus(
            options.prometheus, options.month, now,
            token.read_text(encoding="utf-8").strip() if token is not None else "")
        if hours.covered < gpu_hours.COVERED:
            tracked.gaps.append(f"Prometheus tells of {hours.covered:.0%} of the month")
    add_gpu_hours(tracked, hours.rows, config.cost.gpu_hour_usd)
    add_fixed(tracked, config.fleet)
    return ReadMonth(tracked, calls, hours.rows, prices.tariff_of)


def _reasons(bill: Bill, tracked: Tracked, config: Config, now: datetime) -> list[str]:
    """Why the month is not complete, but for what tracking itself lacks."""
    reasons = []
    if now.date() < next_month(bill.month):
        reasons.append("the month is not over")
    if not is_covered(bill):
        reasons.append(f"the bill's usage is of {bill.begin} to before {bill.end}")
    has_hours = any(category == GPU for category, _ in tracked.items)
    if config.cost.gpu_hour_usd and not has_hours and any(
            category == GPU for category, _ in bill.items):
        reasons.append("GPUs are billed and have prices, but neither --prometheus nor --gpu-hours "
                       "tells their hours")
    return reasons


def _config(options: argparse.Namespace) -> Config:
    config, document = settings.load(options.config, Flags())
    document.finish(ConfigError)
    return config


def _open(options: argparse.Namespace, section: LedgerSection) -> Database | None:
    """The ledger that is named or configured; None where neither is and there is none."""
    section = named_ledger(options, section)
    is_default = options.ledger is None and Path(section.path).name == LedgerSection().path
    if is_default and not section.dsn_file and not Path(section.path).is_file():
        return None
    return open_beside(section)


def _sides(result: Reconciliation, kept: Sequence[ReconciledMonth]
           ) -> list[tuple[Decimal, Decimal]]:
    """Billed and tracked of this month, and of those before it, the newest first."""
    total, month = result.total, f"{result.bill.month:%Y-%m}"
    return [(total.billed, total.tracked), *(
        (Decimal(one.billed), Decimal(one.tracked)) for one in kept if one.month < month)]


def _kept(result: Reconciliation) -> ReconciledMonth:
    """In nano-USD; the last part takes what rounding leaves, so that they sum to the gap."""
    total = result.total
    billed, tracked = _nano(total.billed), _nano(total.tracked)
    parts = {part: _nano(total.parts[part]) for part in PARTS[:-1]}
    return ReconciledMonth(
        month=f"{result.bill.month:%Y-%m}", reconciled=time.time_ns(), billed=billed,
        tracked=tracked, overhead=billed - tracked - sum(parts.values()), **parts)


def _nano(usd: Decimal) -> int:
    return int((usd * NANO).to_integral_value())


def _write(options: argparse.Namespace, result: Reconciliation, buffer: int | None) -> None:
    markdown = reconcile_report.as_markdown(result, buffer)
    table = reconcile_report.as_csv(result)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        stem = f"reconciliation-{options.month:%Y-%m}"
        for suffix, text in (("md", markdown), ("csv", table), ("html", page(result, buffer))):
            (options.out / f"{stem}.{suffix}").write_text(text, encoding="utf-8")
    sys.stdout.write(table if options.format == "csv" else markdown)


ACTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "reconcile": reconcile_bill, "export": export}
