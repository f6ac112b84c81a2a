"""How often what is expected of a call is wrong, and how soon it is right: by made-up applications.

    python -m bench.anomalies [WEEKS] [APPLICATIONS]

plays WEEKS (52) of so many applications (4) of each kind, hour by hour, through what the gateway
judges by. Nothing is planted at first, so that each alert is a false one: there are days and weeks,
traffic that doubles and prompts that grow by 20 % within a year, both changes of the clocks, an
outage without a call, and one in which most calls fail. Then, now and then, calls cost and take
1.5 or 2 times as much for some hours.
"""

from __future__ import annotations

import math
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median

from bench.report import Figure, say, table
from inferometer.bands import LEAST_HOURS, WEEK, HourMean, chance_of, comparable, is_enough
from inferometer.catalogue import JUDGED_HOURS, LEAST_UNEXPECTED
from inferometer.ledger.anomalies import HourMeans, judged_usage

MOST_FALSE = 2.0  # alerts in a year, of an application
YEAR, DAY = 52, 24  # weeks, hours
SUMMER = range(12, 43)  # weeks in which clocks are an hour ahead
OUTAGE = range(20 * WEEK + 34, 20 * WEEK + 64)  # hours without a call
FAILING, ANSWERED = range(30 * WEEK + 57, 30 * WEEK + 62), 0.1  # few calls have an answer
GROWN_TRAFFIC, GROWN_PROMPTS = 2.0, 1.2  # times as much after a year
INPUT, OUTPUT = 1000, 200  # tokens of a call
INPUT_USD, OUTPUT_USD = 1e-6, 4e-6  # for a token
MIX = 0.03  # what people ask for is another thing each hour: the deviation of the mean
EXACT = 400  # calls of an hour: of more the mean is drawn as a whole
PLANTED = 1.5, 2.0  # times as much
PLANTED_EVERY, PLANTED_HOURS = 5 * WEEK + 7, 6  # so that none is in another one's past


@dataclass(frozen=True)
class Kind:
    """What applications there are: calls in their busiest hour, and how unlike calls are.

    `spread` is the standard deviation of a call's tokens as a share of their mean; they are
    lognormal. `by_night`: how long a call of the night is, in those of the day.
    """

    name: str
    calls: float
    spread: float
    by_night: float = 0.8


KINDS = (
    Kind("60 calls an hour, alike", 60, 0.5),
    Kind("60 calls an hour, unlike", 60, 1.0),
    Kind("300 calls an hour, unlike", 300, 1.0),
    Kind("300 calls an hour, very unlike", 300, 2.0),
    Kind("3,000 calls an hour, unlike", 3000, 1.0),
    Kind("3,000 calls an hour, very unlike", 3000, 3.0),
    Kind("3,000 calls an hour, by night 3 times as long", 3000, 1.0, 3.0),
)


def main(weeks: str = str(YEAR), applications: str = "4") -> int:
    """Play it; the exit code."""
    hours, figures = int(weeks) * WEEK, []
    for kind in KINDS:
        played = [_played(kind, random.Random(f"{kind.name} {number}"), hours)
                  for number in range(int(applications))]
        alerts = [sum(_alerts(means, hours) for means in measures) * YEAR / int(weeks)
                  for measures in played]
        bare = mean(sum(_alerts(means, hours, room=False) for means in measures)
                    for measures in played) * YEAR / int(weeks)
        say(f"{kind.name}, without room for chance: {bare:.3g} false alerts a year")
        for times in PLANTED:
            delays = [delay for cost, _ in played for delay in _delays(cost, hours, times)]
            seen = [delay for delay in delays if delay is not None]
            say(f"{kind.name}, {times:g} times the cost: {len(seen)} of {len(delays)} seen"
                + (f", half of these within {median(seen):g} hours" if seen else ""))
        figures += [Figure(f"false alerts a year: {kind.name}", "", mean(alerts), MOST_FALSE),
                    Figure(f"of the application with most: {kind.name}", "", max(alerts),
                           MOST_FALSE)]
    print(table(figures))
    return os.EX_OK if all(figure.met for figure in figures) else 1


def _played(kind: Kind, dice: random.Random, hours: int) -> tuple[HourMeans, HourMeans]:
    """Cost and tokens of a call, by the hour."""
    cost: dict[int, HourMean] = {}
    tokens: dict[int, HourMean] = {}
    for hour in range(hours):
        local = hour + (hour // WEEK % YEAR in SUMMER)
        years = hour / WEEK / YEAR
        expected = kind.calls * GROWN_TRAFFIC ** years * _busy(local)
        calls = max(0, round(dice.gauss(expected, math.sqrt(expected))))
        if hour in OUTAGE:
            calls = 0
        elif hour in FAILING:
            calls = round(calls * ANSWERED)
        if calls:
            long = GROWN_PROMPTS ** years * dice.lognormvariate(0, MIX) * (
                1.0 if _is_day(local) else kind.by_night)
            read, written = (amount * long * _drawn(dice, kind.spread, calls)
                             for amount in (INPUT, OUTPUT))
            cost[hour] = HourMean(read * INPUT_USD + written * OUTPUT_USD, calls)
            tokens[hour] = HourMean(read + written, calls)
    return cost, tokens


def _busy(local: int) -> float:
    """The share of the busiest hour's calls; by local time."""
    weekend = 0.4 if local // DAY % 7 >= 5 else 1.0
    return weekend * (1.0 if _is_day(local) else 0.5 if 6 <= local % DAY < 22 else 0.15)


def _is_day(local: int) -> bool:
    return 8 <= local % DAY < 18


def _drawn(dice: random.Random, spread: float, calls: int) -> float:
    """The mean of so many calls, of which the mean of all is 1."""
    if calls > EXACT:
        return max(0.0, dice.gauss(1, spread / math.sqrt(calls)))
    deviation = math.sqrt(math.log(1 + spread ** 2))
    return sum(dice.lognormvariate(-deviation ** 2 / 2, deviation) for _ in range(calls)) / calls


def _alerts(means: HourMeans, hours: int, *, room: bool = True) -> int:
    """How often one fires. `room`: whether the band has any for chance."""
    fired, fires, chance = 0, False, 0.0
    for until in range(JUDGED_HOURS, hours + 1):
        if room and until % DAY == 0:  # a gateway reckons it each hour, which changes little
            chance = chance_of(means, until - JUDGED_HOURS)
        fired_before, fires = fires, _fires(means, until, chance)
        fired += fires and not fired_before
    return fired


def _fires(means: HourMeans, until: int, chance: float) -> bool:
    usage = judged_usage(means, until, chance)
    return (usage is not None and usage.value is not None
            and (usage.unexpected or 0) >= LEAST_UNEXPECTED)


def _delays(means: HourMeans, hours: int, times: float) -> Iterator[int | None]:
    """After how many hours each planted jump is seen; None where it never is."""
    for begin in range(PLANTED_EVERY, hours - PLANTED_HOURS, PLANTED_EVERY):
        planted = range(begin, begin + PLANTED_HOURS)
        if all(hour in means and is_enough(means[hour])
               and len(comparable(means, hour)) >= LEAST_HOURS for hour in planted):
            yield _delay(means, planted, times)


def _delay(means: HourMeans, planted: Sequence[int], times: float) -> int | None:
    chance = chance_of(means, planted[0] - JUDGED_HOURS)
    changed = {**means, **{hour: means[hour]._replace(mean=means[hour].mean * times)
                           for hour in planted}}
    return next((number for number, hour in enumerate(planted, start=1)
                 if _fires(changed, hour + 1, chance)), None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
