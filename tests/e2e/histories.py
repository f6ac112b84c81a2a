"""What two rule engines are given: hours of straight lines, of load, of troubles, and a gap."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import accumulate

from bench.backfill import HOUR
from tests.bundle.money import spent
from tests.bundle.promtool import SCRAPE
from tests.bundle.replay import Replay
from tests.bundle.served import Traffic
from tests.bundle.test_recorded_rules import everything, troubles
from tests.e2e.engines_of_rules import MINUTE, SCRAPED_AFTER, History, labels_of

AWAY = "away"  # the cluster that nobody scrapes around the first midnight
AWAY_MINUTES = range(23 * 60 + 30, 24 * 60 + 30)
SCRAPE_SECONDS = 15


def even(hours: int) -> History:
    """Straight lines, scraped once a minute; a cluster spends one USD a second."""
    lines = History.of(everything(), hours)
    account = labels_of(spent(AWAY, "", category="api")["series"])
    spending = [(MINUTE * number + SCRAPED_AFTER, float(MINUTE * number))
                for number in range(hours * 60) if number not in AWAY_MINUTES]
    return replace(lines, series={**lines.series, account: spending})


def troubled(hours: int) -> History:
    """Straight lines, and all that makes rules record that otherwise do not."""
    return History.of([*everything(), *troubles()], hours)


def loaded(hours: int) -> History:
    """Load that goes up and down, scraped with jitter; a cluster serves ten requests a second."""
    chance = random.Random(5)
    count = hours * HOUR // SCRAPE_SECONDS
    moments = [SCRAPE_SECONDS * number + 7 + chance.randint(-2, 2) for number in range(count)]
    load = [1 + math.sin(moment / 900) / 2 + chance.uniform(-0.1, 0.1) for moment in moments]
    done = [total * SCRAPE_SECONDS / MINUTE for total in accumulate(load)]
    series = {}
    for one in everything():
        start, _, slope = one["values"].partition("x")[0].partition("+")
        values = [float(start) + float(slope or 0) * total for total in done]
        series[labels_of(one["series"])] = [*zip(moments, values, strict=True)]
    for one in Replay(Traffic(per_second=5), SCRAPE_SECONDS * (count - 1), 3).series(
            SCRAPE_SECONDS):
        served = one["series"].replace(SCRAPE["cluster"], "served")
        values = [1.0] * count if "x" in one["values"] else [*map(float, one["values"].split())]
        series[labels_of(served)] = [*zip(moments, values, strict=True)]
    return History(series, hours)
