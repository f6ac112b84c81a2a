"""Sums over the UTC day and month so far: their whole hours, and the hour that runs by the minute;
and what was gained in gaps.

Both are read on grids of the clock, so that ranges closed and open on the left give the same.
"""

from collections.abc import Iterable

from recording_rules.model import Rule
from recording_rules.promql import HOUR, WINDOW, by

ELAPSED = {
    "hour": "time() % 3600",
    "day": "time() % 86400",
    "month": "((scalar(day_of_month()) - 1) * 86400 + time() % 86400)",
}
MONTH_LENGTH = "scalar(days_in_month()) * 86400"
DAY_SECONDS = 86400
WINDOW_SECONDS = 300
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


def known_seconds(rate: Rule) -> str:
    """Seconds of the hour up to now in which the rate was known."""
    return f"clamp_max(count_over_time({rate}[{HOUR}:1m]), 60) * 60"


def over_hour(rate: Rule) -> str:
    """What the rate came to over the hour up to now; the whole hours of it are read again."""
    return f"avg_over_time({rate}[{HOUR}]) * {known_seconds(rate)}"


def sum_since(period: str, level: Iterable[str], hourly: Rule, minute: str, *gains: str) -> str:
    """Sum over the day or month so far; `minute` gives a rate per second.

    A step of whole hours stands for the hour before it, and one of minutes for that after it.
    `gains` are what was gained in gaps, as `gaps` has it, and what of that is of the day on which
    the gap ended: all that counts on the first day of the period.
    """
    hours = f"({hourly} and on () ({began(period)} < time()))"
    minutes = f"({minute} and on () ({began('hour')} <= time()))"
    parts = {
        "hours": f"sum_over_time({hours}[{_LONGEST[period]}:1h])",
        "running": f"sum_over_time({minutes}[{_LONGEST['hour']}:1m]) * 60",
        **_gaps(period, gains),
    }
    marked = (f'label_replace({part}, "part", "{name}", "", "")' for name, part in parts.items())
    return f"sum {by(level)} ({' or '.join(marked)})"


def _gaps(period: str, gains: tuple[str, ...]) -> dict[str, str]:
    """A gain is shown for five minutes, of which one is a step, which stands for those before."""
    of_hour = _of_period(period, (f"sum_over_time({gain}[59m:{WINDOW}])" for gain in gains))
    hours = f"({of_hour} and on () ({began(period)} < time()))"
    running = f"({_of_period(period, gains)} and on () ({began('hour')} < time()))"
    return {
        "gaps": f"sum_over_time({hours}[{_LONGEST[period]}:1h]) * {WINDOW_SECONDS}",
        "gap": f"sum_over_time({running}[{_LONGEST['hour']}:{WINDOW}]) * {WINDOW_SECONDS}",
    }


def _of_period(period: str, gains: Iterable[str]) -> str:
    gained, *of_day = gains
    first_day = f"and on () ({began(period)} >= time() - {DAY_SECONDS})"
    return f"({' or '.join([*(f'{gain} {first_day}' for gain in of_day), gained])})"
