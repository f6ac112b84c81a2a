"""Times in which nobody scraped: what money counters gained meanwhile, counted when they are back.

A rate knows nothing of it. The gain is the first value after the gap less the last one before, and
is shown for a window after the gap as so much per second: it adds up, like a rate.
"""

from __future__ import annotations

from collections.abc import Iterable

from inferometer import catalogue as c
from recording_rules.attribution import GPUS_OF_MODELS_BEFORE
from recording_rules.calendar import (
    DAY_SECONDS,
    ELAPSED,
    GAIN_SECONDS,
    SPANNED,
    Gained,
    window_of,
)
from recording_rules.model import Rule
from recording_rules.promql import EXPORTER, FLEET, KEPT, WINDOW, by, on

WINDOW_SECONDS = 300  # for which a gain is shown: two evaluations
_MODEL, _UUID, _OWNER = c.MODEL.name, "uuid", "owner"
_KEY = (*FLEET, _MODEL, _UUID)
# Which model an account is of, by labels of the account: its GPU's, or the one that it names.
_OF_GPUS = (f"label_replace(sum {by((*FLEET, _UUID, _OWNER))} (label_replace("
            f'{GPUS_OF_MODELS_BEFORE}, "{_OWNER}", "$1", "{_MODEL}", "(.*)")), '
            f'"{_MODEL}", "", "", "")')
_OF_ALL = (f"label_replace(group {by(_KEY)} (last_over_time({c.COST.name}[{WINDOW}])), "
           f'"{_OWNER}", "", "", "")')
_OWNERS = f"{_OF_GPUS} or {on(_KEY)} {_OF_ALL}"
# Money of which replicas may tell the same, and money that is each exporter's own.
OF_ALL, OF_ONE = (f'{c.CATEGORY.name}{equal}"{c.OWN_CATEGORY}"' for equal in ("!=", "="))
_SCRAPED = f"last_over_time({c.BUILD_INFO.name}[{KEPT}] offset {WINDOW})"


def gains(account: Iterable[str], total_rate: Rule) -> tuple[Rule, Rule, Rule]:
    """What was gained in gaps, what of it before midnight, and how long the gaps were."""
    level = (*FLEET, c.CATEGORY.name, _MODEL)
    owned = (f"({_gained((*account,), total_rate)}) * {on(_KEY)} group_left ({_OWNER}) "
             f"({_OWNERS})")
    gained = Rule(
        "model:llm_cost_usd_gained:rate5m",
        f'sum {by(level)} (label_replace({owned}, "{_MODEL}", "$1", "{_OWNER}", "(.+)"))', level,
        "Money spent while nobody scraped, in USD per second for the 5 minutes after.")
    # Of the evaluation before: an engine may show a result some time after it was recorded.
    evaluated = f"(time() - {GAIN_SECONDS})"
    last = _last_known(total_rate, f"{WINDOW_SECONDS + GAIN_SECONDS}s")
    before = Rule(
        "model:llm_cost_usd_gained_before_day:rate5m",
        f"sum_over_time({gained}[{window_of(GAIN_SECONDS)}] offset 1m) * {on(FLEET)} group_left () "
        f"(1 - {evaluated} % {DAY_SECONDS} / ({evaluated} - {last}) > 0)", level,
        "What of it was spent before midnight UTC, in USD per second for 5 minutes, one "
        "evaluation later. Absent where nothing was.")
    return gained, before, _seconds(total_rate)


def recorded(rule: Rule, matcher: str = "") -> Gained:
    """What a rule recorded in a window."""
    return lambda window: f"sum_over_time({rule}{matcher}[{window}])"


def _gained(account: tuple[str, ...], total_rate: Rule) -> str:
    """What accounts gained, in USD per second.

    A counter that is less than it was began anew and counts from 0, and so does one that is new
    while its exporter is not, or whose process is younger than the gap. What was merely never
    scraped before counts for nothing: nobody knows since when it counts. An account that several
    exporters publish has no gap while one of them is scraped, unless it is each one's own. Such a
    counter is kept in a ledger, and does not begin anew with its process.
    """
    young = (f"process_start_time_seconds > {on(FLEET)} group_left () "
             f"{_last_known(total_rate)}")
    of_all = _since_gap(OF_ALL, f"({_SCRAPED} or {young})", account)
    of_one = _since_gap(OF_ONE, _SCRAPED, (*account, *EXPORTER[1:]))
    return (f"(max {by(account)} ({of_all}) or sum {by(account)} ({of_one})) / {WINDOW_SECONDS}")


def _since_gap(matcher: str, began: str, same: tuple[str, ...]) -> str:
    """What counters gained; `began`: exporters whose new ones began at 0."""
    cost = f"{c.COST.name}{{{matcher}}}"
    first = f"min_over_time({cost}[{WINDOW}])"
    last = f"last_over_time({cost}[{KEPT}] offset {WINDOW})"
    return (f"({first} - {last} >= 0 or {first} and {on(EXPORTER)} {began}) "
            f"unless {on(same)} count_over_time({cost}[{SPANNED}] offset {WINDOW})")


def _last_known(rate: Rule, offset: str = WINDOW) -> str:
    """When the rate was known for the last time before the window, by its labels."""
    return f"max_over_time(timestamp({rate})[{KEPT}:1m] offset {offset})"


def _seconds(rate: Rule) -> Rule:
    """A minute late: an engine may show a rate some time after it was recorded."""
    back = f"min_over_time(timestamp({rate})[{WINDOW}:1m] offset 1m)"
    since = f"clamp_min({_last_known(rate, '6m')}, time() - {ELAPSED['month']})"
    return Rule(
        "fleet:llm_cost_usd_all_gained_seconds:rate5m",
        f"({back} - {since} - 60) / {WINDOW_SECONDS} "
        f"unless {on(FLEET)} count_over_time({rate}[{SPANNED}] offset 6m)", FLEET,
        "Seconds of the month in which nobody scraped, per second for 5 minutes after.")
