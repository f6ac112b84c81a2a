"""Sums over the UTC day and month so far: their whole hours, and the hour that runs by the minute.

Both are read on grids of the clock, so that ranges closed and open on the left give the same.
"""

from collections.abc import Iterable

from recording_rules.model import Rule
from recording_rules.promql import HOUR, by

# `@ end()` of a recorded clock is the one way for the steps of a subquery to know when it is asked.
NOW = Rule("fleet:timestamp_seconds:now", "vector(time())", (), "When the calendar was reckoned.")
MONTH_SECONDS = "((scalar(day_of_month()) - 1) * 86400 + time() % 86400)"
MONTH_LENGTH = "scalar(days_in_month()) * 86400"
_START = {
    "hour": "floor({} / 3600)".format,
    "day": "floor({} / 86400)".format,
    "month": "month({})".format,
}
_LONGEST = {"hour": "1h", "day": "1d", "month": "31d"}


def known_seconds(rate: Rule) -> str:
    """Seconds of the hour up to now in which the rate was known."""
    return f"clamp_max(count_over_time({rate}[{HOUR}:1m]), 60) * 60"


def hour(name: str, rate: Rule) -> Rule:
    """What the rate came to over the hour up to now, of which every whole hour is read again."""
    return Rule(name, f"avg_over_time({rate}[{HOUR}]) * {known_seconds(rate)}", rate.labels,
                rate.help.replace(", in USD per second", " over the hour up to now, in USD"))


def since(period: str, level: Iterable[str], whole: Rule, minute: str) -> str:
    """Sum over the day or month so far. `minute` gives a rate per second.

    A step of whole hours stands for the hour before it, and one of minutes for that after it.
    """
    hours = f"sum_over_time({_within(period, str(whole), ago=1)}[{_LONGEST[period]}:1h])"
    minutes = f"sum_over_time({_within('hour', minute, ago=0)}[{_LONGEST['hour']}:1m]) * 60"
    return (f"sum {by(level)} ({hours} or "
            f'label_replace({minutes}, "part", "running", "", ""))')


def _within(period: str, series: str, ago: int) -> str:
    """The series at the steps of a subquery that were in this period so many seconds before."""
    start = _START[period]
    step = f"vector(time() - {ago})" if ago else "vector(time())"
    return f"({series} and on () ({start(step)} == {start(f'{NOW} @ end()')}))"
