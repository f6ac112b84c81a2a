"""For how many hours GPUs were there: asked of Prometheus day by day, or read from a file."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from inferometer import catalogue as c
from inferometer.cost.bill import next_month
from inferometer.cost.bill_amounts import AmountError, amount_of
from inferometer.cost.bill_table import BillError, BillTable
from inferometer.cost.tracked import GpuHoursOfDay
from inferometer.outside import masked, shown
from inferometer.reasons import reason_of

STEP_MINUTES = 5
TIMEOUT_SECONDS = 60.0
LARGEST_ANSWER = 2**24  # bytes
COVERED = 0.95  # of the month: with less of it hours are not those of the month
_OF_DAY = 24 * 60 // STEP_MINUTES
_NAME = "name"  # label of gpu_info
# A GPU counts once, however many exporters see it, and as long as it is listed: lost ones cost.
QUERY = (f"sum by ({_NAME}) (count_over_time((max by (cluster, uuid, {_NAME}) "
         f"({c.GPU_INFO.name}))[1d:{STEP_MINUTES}m])) * {STEP_MINUTES} / 60")
# Whether anything was asked at all: exporters tell their version in every scrape.
COVERAGE_QUERY = (f"max(count_over_time((count({c.BUILD_INFO.name}))[1d:{STEP_MINUTES}m])) "
                  f"/ {_OF_DAY}")


class AskedHours(NamedTuple):
    """Hours by GPU and day, and the share of the month of which they tell."""

    rows: Sequence[GpuHoursOfDay]
    covered: float = 1.0


def read_gpu_hours(path: Path) -> AskedHours:
    """A file with columns gpu and hours, and usd_per_hour where it says prices. Raises BillError.
    """
    with BillTable(path).read() as (header, rows):
        places = {name.casefold().strip(): place for place, name in enumerate(header)}
        missing = [name for name in ("gpu", "hours") if name not in places]
        if missing:
            raise BillError(f"{path}: has no column {' and no column '.join(missing)}")
        price = places.get("usd_per_hour")
        read = []
        for number, row in rows:
            cells = [*row, *[""] * (len(header) - len(row))]
            try:
                hours = amount_of(cells[places["hours"]])
                usd = amount_of(cells[price]) if price is not None and cells[price].strip() else (
                    None)
            except AmountError as error:
                raise BillError(f"{path}:{number}: {shown(str(error))}") from error
            if hours < 0 or (usd is not None and usd < 0):
                raise BillError(f"{path}:{number}: has less than no hours, or a price below 0")
            read.append(GpuHoursOfDay(cells[places["gpu"]].strip(), hours, usd))
    return AskedHours(read)


def ask_prometheus(url: str, month: date, until: datetime, token: str = "") -> AskedHours:
    """Each day's hours, up to a moment. Raises BillError."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise BillError(f"{masked(url)}: is no URL of a Prometheus, as http://127.0.0.1:9090")
    rows: list[GpuHoursOfDay] = []
    covered, days = 0.0, 0
    for day in _days(month):
        end = day + timedelta(days=1)
        days += 1
        if end > until:
            continue
        for labels, value in _ask(url, QUERY, end, token):
            hours = Decimal(str(value)).quantize(Decimal("0.0001"))
            rows.append(GpuHoursOfDay(labels.get(_NAME, ""), hours, day=day.date()))
        covered += min(1.0, sum(value for _, value in _ask(url, COVERAGE_QUERY, end, token)))
    return AskedHours(rows, covered / days)


def _days(month: date) -> Iterator[datetime]:
    day, end = month, next_month(month)
    while day < end:
        yield datetime(day.year, day.month, day.day, tzinfo=UTC)
        day += timedelta(days=1)


def _ask(url: str, query: str, moment: datetime, token: str
         ) -> Iterator[tuple[Mapping[str, str], float]]:
    """Label sets and values of an instant query."""
    request = urllib.request.Request(
        f"{url.rstrip('/')}/api/v1/query",
        urlencode({"query": query, "time": moment.timestamp()}).encode(),
        {"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            body = response.read(LARGEST_ANSWER + 1)
        result = json.loads(body)["data"]["result"]
        for series in result:
            value = float(series["value"][1])
            if math.isfinite(value):
                yield {str(name): str(text) for name, text in series["metric"].items()}, value
    except urllib.error.HTTPError as error:
        with error:
            why = shown(error.read(300).decode(errors="replace"))
        raise BillError(f"{masked(url)}: answers {error.code}: {why}") from error
    except (OSError, HTTPException) as error:
        raise BillError(f"{masked(url)}: {reason_of(error)}") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError,
            InvalidOperation) as error:
        raise BillError(f"{masked(url)}: does not answer as Prometheus does") from error
