"""Sums over the UTC day and month so far: their whole hours, and the hour that runs by the minute;
and what was gained in gaps.

Both are read on grids of the clock, so that ranges closed and open on the left give the same.
"""

from collections.abc import Callable, Iterable

from recording_rules.model import Rule
from recording_rules.promql import HOUR, by

ELAPSED = {
    "hour": "time() % 3600",
    "day": "time() % 86400",
    "month": "((scalar(day_of_month()) - 1) * 86400 + time() % 86400)",
}
MONTH_LENGTH = "scalar(days_in_month()) * 86400"
DAY_SECONDS = 86400
SPANNED = "3m"  # shorter gaps are none: a rate spans them, and scrapes may be two minutes apart
GAIN_SECONDS = 150  # between evaluations of what was gained in gaps
Gained = Callable[[str], str]  # a window → what was recorded in it, added up
_LONGEST = {"hour": "1h", "day": "1d", "month": "31d"}
# Recorded, because `@ end()` of a series is the one way for the steps of a subquery to know when
# it is asked. VictoriaMetrics takes it for the end of the subquery's last step, up to an hour
# ahead, when nothing is recorded yet: it is looked back for.
STARTS = {period: Rule(f"fleet:{period}_timestamp_seconds:start", f"vector(time() - {elapsed})",
                       (), f"When this {period} began, UTC.")
          for period, elapsed in ELAPSED.items()}


def began(period: str) -> str:
    """When the period began in which all is asked, at every step of a subquery."""
    return f"last_over_time({STARTS[period]}[2h] @ end())"


def window_of(seconds: int) -> str:
    """It meets the next one and has no sample in common with it, closed on the left or not."""
    return f"{1000 * seconds - 1}ms"


def recent(rate: Rule) -> str:
    """The rate, while it is recorded.

    It outlives a restart of three minutes, and not a gap, as it would where nothing marks its end.
    """
    return f"({rate} and last_over_time({rate}[{window_of(180)}]))"


def known_seconds(rate: Rule) -> str:
    """Seconds of the hour up to now in which the rate was known."""
    return f"clamp_max(count_over_time({recent(rate)}[{HOUR}:1m]), 60) * 60"


def over_hour(rate: Rule) -> str:
    """What the rate came to over the hour up to now; the whole hours of it are read again."""
    return f"avg_over_time({rate}[{HOUR}]) * {known_seconds(rate)}"


def sum_since(period: str, level: Iterable[str], hourly: Rule, minute: str, gained: Gained,
              before: Gained | None = None) -> str:
    """Sum over the day or month so far; `minute` gives a rate per second.

    A step of whole hours stands for the hour before it, and one of minutes for that after it.
    `gained` is what was gained in gaps, and `before` what of that is of before the day on which
    the gap ended: it does not count on the first day of the period.
    """
    hours = f"({hourly} and on () ({began(period)} < time()))"
    minutes = f"({minute} and on () ({began('hour')} <= time()))"
    parts = {
        "hours": f"sum_over_time({hours}[{_LONGEST[period]}:1h])",
        "running": f"sum_over_time({minutes}[{_LONGEST['hour']}:1m]) * 60",
        **_gains(period, "gained", gained),
    }
    if before:
        parts |= _gains(period, "before", before, f" >= time() - {DAY_SECONDS}", "-")
    marked = (f'label_replace({part}, "part", "{name}", "", "")' for name, part in parts.items())
    return f"sum {by(level)} ({' or '.join(marked)})"


def _gains(period: str, name: str, gained: Gained, first: str = "",
           sign: str = "") -> dict[str, str]:
    """Of whole hours and of that which runs, from each evaluation once; `first` is till when.

    No sample is looked back for: it would be seen again where nothing marks the end of its
    series, as after a crash.
    """
    hour, running = (gained(window_of(seconds)) for seconds in (3600, GAIN_SECONDS))
    hours = f"({hour} and on () ({began(period)} < time(){first}))[{_LONGEST[period]}:1h]"
    still = f" and on () ({began(period)}{first})" if first else ""
    steps = f"({running} and on () ({began('hour')} < time()){still})[1h:{GAIN_SECONDS}s]"
    return {f"{name}, hours": f"{sign}{GAIN_SECONDS} * sum_over_time({hours})",
            name: f"{sign}{GAIN_SECONDS} * sum_over_time({steps})"}
