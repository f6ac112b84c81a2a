"""Months in a real Prometheus, asked at moments of years ago: their ends, lengths and gaps.

What the rules of the hour record is written as it would be by then: the last sample before each
full hour, a minute and a half old. What they record is proven in virtual time beside this.
"""

from __future__ import annotations

import calendar
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from recording_rules import cost
from recording_rules.calendar import GAIN_SECONDS, STARTS
from recording_rules.model import Rule
from tests.bundle.promtool import TOOLS, VERSIONS, selector
from tests.exporter.support import free_port, get, wait_for

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIRST, LAST = datetime(2023, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, 2, tzinfo=UTC)
MOMENTS = [datetime.fromisoformat(f"{moment}Z") for moment in (
    "2023-02-28T23:59:30", "2023-03-01T00:00:00", "2023-04-30T23:59:00", "2023-12-31T23:59:59",
    "2024-01-01T00:00:30", "2024-01-01T00:10:00", "2024-02-15T12:00:00", "2024-02-29T23:59:30",
    "2024-03-01T00:00:00", "2024-03-01T00:30:30", "2024-03-01T01:00:00")]


def is_known(cluster: str, minute: datetime) -> bool:
    """Whether the minute from then on is known: some clusters have a gap, or a short memory."""
    if cluster == "gap":
        return not (minute.day == 10 and minute.hour < 12)
    if cluster == OVER:
        return BACK <= minute - month_of(minute) < next_month(minute) - month_of(minute) - AWAY
    return cluster != "short" or minute >= datetime(2024, 2, 15, tzinfo=UTC)


def usd(minute: datetime) -> float:
    """Money a second: each month spends at a rate of its own."""
    return 0.001 * minute.month


def minutes(start: datetime, end: datetime, step: timedelta = MINUTE) -> Iterator[datetime]:
    while start < end:
        yield start
        start += step


def month_of(minute: datetime) -> datetime:
    return minute.replace(day=1, hour=0, minute=0, second=0)


def next_month(minute: datetime) -> datetime:
    return month_of(month_of(minute) + 32 * DAY)


# Until eight minutes into a month nobody scrapes, and then all of it is known.
OVER, AWAY, BACK = "over the first", 10 * MINUTE, 8 * MINUTE
CLUSTERS = ("", "steady", "gap", "short", OVER)


def sample(rule: Rule, minute: datetime, value: float, **labels: str) -> str:
    """A line of OpenMetrics."""
    chosen = {name: text for name, text in labels.items() if text}
    series = selector(rule.name, chosen).replace(", ", ",")
    return f"{series} {value!r} {minute.timestamp():.0f}\n"


def recorded() -> Iterator[str]:
    """All that is read of what was recorded."""
    for cluster in CLUSTERS:
        for end in minutes(FIRST + HOUR, LAST, HOUR):
            count = sum(is_known(cluster, minute) for minute in minutes(end - HOUR, end))
            if count:
                minute = end - timedelta(seconds=90)
                yield sample(cost.INCREASE_HOUR, minute, 60 * count * usd(end - HOUR),
                             cluster=cluster, category="gpu")
                yield sample(cost.KNOWN_HOUR, minute, 60 * count, cluster=cluster)
        for minute in sorted({minute.replace(second=0) for moment in MOMENTS
                              for minute in minutes(moment - DAY - HOUR, moment + MINUTE)}):
            if is_known(cluster, minute):
                yield sample(cost.RATE, minute, usd(minute), cluster=cluster, category="gpu")
                yield sample(cost.TOTAL_RATE, minute, usd(minute), cluster=cluster)
    for first in sorted({month_of(moment) for moment in MOMENTS}):
        of_day = BACK.total_seconds() * usd(first)
        gained = of_day + AWAY.total_seconds() * usd(first - MINUTE)
        # In one evaluation, which stands for its interval; one later for what is of before.
        for rule, amount, evaluated in (
                (cost.GAINED, gained, first + BACK),
                (cost.GAINED_BEFORE_DAY, gained - of_day, first + BACK + MINUTE)):
            yield sample(rule, evaluated, amount / GAIN_SECONDS, cluster=OVER, category="gpu")
        yield sample(cost.GAINED_SECONDS, first + BACK, BACK.total_seconds() / GAIN_SECONDS,
                     cluster=OVER)
    for moment in MOMENTS:
        starts = {"hour": moment.replace(minute=0, second=0),
                  "day": moment.replace(hour=0, minute=0, second=0), "month": month_of(moment)}
        for period, start in starts.items():
            yield sample(STARTS[period], moment, start.timestamp())
    yield "# EOF\n"


Ask = Callable[[str, datetime], dict[str, float]]


@pytest.fixture(scope="module", params=VERSIONS)
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    folder, port = tmp_path_factory.mktemp("calendar"), free_port()
    (folder / "recorded").write_text("".join(recorded()))
    (folder / "prometheus.yml").write_text("{}")
    tool = TOOLS / f"promtool-{request.param}" / "promtool"
    subprocess.run([tool, "tsdb", "create-blocks-from", "--max-block-duration=9000h",
                    "openmetrics", "recorded", "data"], cwd=folder,
                   capture_output=True, check=True, timeout=60)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [TOOLS / f"prometheus-{request.param}" / "prometheus", "--config.file=prometheus.yml",
             "--storage.tsdb.path=data", "--storage.tsdb.retention.time=20y",
             f"--web.listen-address=127.0.0.1:{port}"], cwd=folder, stdout=log, stderr=log)

    def query(expr: str, minute: datetime) -> dict[str, float]:
        asked = urlencode({"query": expr, "time": minute.timestamp()})
        answer = json.loads(get(port, f"/api/v1/query?{asked}").body)
        assert answer["status"] == "success", answer
        return {one["metric"].get("cluster", ""): float(one["value"][1])
                for one in answer["data"]["result"]}

    def ready() -> bool:
        try:
            return get(port, "/-/ready", seconds=2).status == 200
        except OSError:
            return False
    try:
        wait_for(ready, 30)
        yield query
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_month_is_summed_from_its_first_minute_to_its_last(ask: Ask, moment: datetime) -> None:
    start = month_of(moment)
    so_far = list(minutes(start, moment + timedelta(seconds=1)))
    counted = {cluster: [minute for minute in so_far if is_known(cluster, minute) or (
                 cluster == OVER and minute - start < BACK <= moment - start)]
             for cluster in CLUSTERS}
    spent = {cluster: sum(60 * usd(minute) for minute in counted[cluster]) for cluster in CLUSTERS}
    share = {cluster: len(counted[cluster]) / len(so_far) for cluster in CLUSTERS}
    remembered = {cluster for cluster in CLUSTERS if share[cluster]}
    month = f"({cost.MONTH.expr})".replace(
        cost.MONTH_BY_CATEGORY.name, f"({cost.MONTH_BY_CATEGORY.expr})")
    assert ask(month, moment) == pytest.approx({name: spent[name] for name in remembered}, rel=0.01)
    assert ask(cost.MONTH_COVERED.expr, moment) == pytest.approx(
        {name: share[name] for name in remembered}, rel=0.01)

    length = calendar.monthrange(moment.year, moment.month)[1]
    rest = (start + length * DAY - moment).total_seconds()
    lately = [usd(minute) for minute in minutes((moment - DAY).replace(second=0) + MINUTE, moment)]
    rate = sum(lately) / len(lately)
    month_total = {name: spent[name] + rate * rest for name in remembered}
    projected = cost.PROJECTED.expr.replace(cost.MONTH.name, month)
    assert ask(projected, moment) == pytest.approx(month_total, rel=0.01)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_day_is_summed_from_midnight_of_utc(ask: Ask, moment: datetime) -> None:
    so_far = minutes(moment.replace(hour=0, minute=0, second=0), moment + timedelta(seconds=1))
    spent = sum(60 * usd(minute) for minute in so_far)
    assert ask(cost.TODAY.expr, moment)["steady"] == pytest.approx(spent, rel=0.01)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_hours_days_and_months_begin_when_the_calendar_says(ask: Ask, moment: datetime) -> None:
    for rule in STARTS.values():
        assert ask(rule.expr, moment) == ask(rule.name, moment) != {}
