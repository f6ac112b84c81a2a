"""How far figures of quality can be trusted: alarms at the limit, delays, and intervals.

`python -m bench quality` prints three tables, and holds what is promised against its bounds: the
detector of a rate, that of a mean score, and the interval of a corrected rate for every judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import SupportsFloat

import numpy as np

from bench.quality_alarms import (
    BETTER_RATE,
    DEEPER,
    DROP,
    FALLEN,
    LIMIT,
    USUAL_MEAN,
    WORSE_RATE,
    MeanWorld,
    RateWorld,
    World,
)
from bench.quality_coverage import Cell, cells
from bench.report import Figure, say
from bench.sizes import Sizes

A_DAY = (30, 100, 1000)
DELAYS = {30: 8.7, 100: 3.1, 1000: 0.4}  # days to see WORSE_RATE, of a study made before
NEAR = 1.1  # times those
CLEAR_DAYS = 2.0  # at 100 a day
FALSE_ALARMS = 1.0  # a year
COVERED, LEAST_COVERED = (0.93, 0.98), 0.92
USUAL = 0.5  # part of its runs that can be labelled, from which on a cell is one that can
SEED = 20


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All of it; the tables go beside the figures."""
    random = np.random.default_rng(SEED)
    yield from _rates(sizes, random)
    yield from _means(sizes, random)
    yield from _coverage([*cells(sizes.coverage_runs, random)])


def _rates(sizes: Sizes, random: np.random.Generator) -> Iterator[Figure]:
    say("| judged a day | false alarms a year | in fives | in fives, all judged | daily interval "
        "| 10 %: days, mean | median | after quiet | CUSUM | 7.5 %: days | 15 %: days "
        "| clears at 5 %: days | at 2.5 % |\n" + "| --- " * 13 + "|")
    for a_day in A_DAY:
        world = RateWorld(a_day, sizes.years, random)
        year, fives = world.year(LIMIT), world.fives(LIMIT)
        delays = world.delays(WORSE_RATE)
        clears = world.clearing(WORSE_RATE, LIMIT), world.clearing(WORSE_RATE, BETTER_RATE)
        say(_row(a_day, year.detector, fives, world.all_five(LIMIT), year.naive, delays.mean(),
                 np.median(delays), np.nanmean(world.delays(WORSE_RATE, before=LIMIT)),
                 world.cusum_delay(WORSE_RATE, year.cusum), *(
                     np.nanmean(world.delays(level)) for level in (0.075, 0.15)), *clears))
        name = f"{a_day} answers judged a day"
        yield _false_alarms(f"{name}, 5 % fail", year.detector)
        yield _false_alarms(f"{name}, 5 % fail, in fives of a conversation", fives)
        yield Figure(f"{name}: until 10 % are seen to fail", "days", float(delays.mean()),
                     DELAYS[a_day] * NEAR)
        if a_day == 100:
            yield Figure(f"{name}: until half of the alarms clear at 5 %", "days", clears[0],
                         CLEAR_DAYS)


def _means(sizes: Sizes, random: np.random.Generator) -> Iterator[Figure]:
    say(f"\nMean score {USUAL_MEAN}; it may fall by {DROP}\n\n"
        "| judged a day | false alarms a year, fallen by 0.05 | not fallen | daily interval, "
        "fallen by 0.05 | fallen by 0.1: days, mean | median | after quiet | CUSUM "
        "| fallen by 0.15: days | clears at 0.85: days | at 0.9 |\n" + "| --- " * 11 + "|")
    for a_day in A_DAY:
        world = MeanWorld(a_day, sizes.years, random)
        year, usual = world.year(USUAL_MEAN - DROP), world.year(USUAL_MEAN)
        delays = world.delays(FALLEN)
        say(_row(a_day, year.detector, usual.detector, year.naive, np.nanmean(delays),
                 np.nanmedian(delays), np.nanmean(world.delays(FALLEN, before=USUAL_MEAN)),
                 world.cusum_delay(FALLEN, year.cusum), np.nanmean(world.delays(DEEPER)),
                 *_clears(world)))
        name = f"{a_day} scores a day"
        yield _false_alarms(f"{name}, fallen by 0.05", year.detector)
        yield _false_alarms(f"{name}, not fallen", usual.detector)


def _clears(world: World) -> tuple[float, float]:
    return world.clearing(FALLEN, USUAL_MEAN - DROP), world.clearing(FALLEN, USUAL_MEAN)


def _coverage(table: list[Cell]) -> Iterator[Figure]:
    say("\nThe interval of the corrected rate, 3,000 judged; - where 20 of each cannot be labelled "
        "in half of the runs\n\n| truth | sensitivity | specificity | labels | can be labelled "
        "| has the truth | width | as judged, has the truth |\n" + "| --- " * 8 + "|")
    for cell in table:
        absent = "" if cell.possible >= USUAL else "- "
        say(f"| {cell.truth:.0%} | {cell.sensitivity} | {cell.specificity} | {cell.labels} "
            f"| {absent}{cell.possible:.1%} | {cell.covered:.1%} | {cell.width:.3f} "
            f"| {cell.judged_covered:.1%} |")
    covered = [cell.covered for cell in table if cell.possible >= USUAL]
    say(f"\n{len(covered)} of {len(table)} cells can be labelled\n")
    yield Figure("corrected rate: truth in the interval, the worst cell", "", min(covered),
                 LEAST_COVERED, at_least=True)
    average = float(np.mean(covered))
    yield Figure("corrected rate: truth in the interval, on average", "", average, COVERED[0],
                 at_least=True)
    yield Figure("corrected rate: the same", "", average, COVERED[1])


def _false_alarms(name: str, alarms: float) -> Figure:
    return Figure(f"{name}: false alarms", "a year", alarms, FALSE_ALARMS)


def _row(a_day: int, *values: SupportsFloat) -> str:
    return f"| {a_day} | " + " | ".join(f"{float(value):.2f}" for value in values) + " |"
