"""How far figures of quality can be trusted: alarms at the limit, delays, and intervals.

`python -m bench quality` prints its tables, and holds what is promised against its bounds: the
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
from bench.quality_coverage import JUDGED, LABELS, Cell, cells
from bench.report import Figure, say
from bench.sizes import Sizes
from inferometer.quality.rates.detector import carried_null

DELAYS = {30: 8.7, 100: 3.1, 1000: 0.4}  # days to see WORSE_RATE, by a study made before
NEAR = 1.1  # times those
MORE = 10  # times the streams, where a delay is measured
# As a judge flags 5 % through a sensitivity of 0.85 and a specificity of 0.95; and others.
OTHER_LIMITS = (carried_null(LIMIT, 0.85, 0.95), 0.01, 0.2)
CLEAR_DAYS = 2.0  # at 100 a day
FALSE_ALARMS = 1.0  # a year
COVERED, LEAST_COVERED = (0.93, 0.98), 0.92
ALWAYS = 0.9995
USUAL = 0.5  # part of its runs that can be labelled, from which on a cell is one that can
SEED = 20


def measure(sizes: Sizes) -> Iterator[Figure]:
    """All of it; the tables go beside the figures."""
    random = np.random.default_rng(SEED)
    yield from _rates(sizes, random)
    yield from _limits(sizes, random)
    yield from _means(sizes, random)
    yield from _coverage([*cells(sizes.coverage_runs, random)])


def _rates(sizes: Sizes, random: np.random.Generator) -> Iterator[Figure]:
    say("| judged a day | false alarms a year | in fives | in fives, all judged | daily interval "
        "| 10 %: days, mean | median | after quiet | CUSUM | 7.5 %: days | 15 %: days "
        "| clears at 5 %: days | at 2.5 % |\n" + "| --- " * 13 + "|")
    for a_day in sizes.judged_a_day:
        world = RateWorld(a_day, sizes.years, random)
        year, fives = world.year(LIMIT), world.fives(LIMIT)
        delays = RateWorld(a_day, MORE * sizes.years, random).delays(WORSE_RATE)
        clears = world.clearing(WORSE_RATE, LIMIT), world.clearing(WORSE_RATE, BETTER_RATE)
        say(_row(a_day, year.detector, fives, world.all_five(LIMIT), year.naive, delays.mean(),
                 np.median(delays), np.nanmean(world.delays(WORSE_RATE, before=LIMIT)),
                 world.cusum_delay(WORSE_RATE, year.cusum), *(
                     np.nanmean(world.delays(level)) for level in (0.075, 0.15)), *clears))
        name = f"{a_day} answers judged a day"
        yield _false_alarms(f"{name}, 5 % fail", year.detector)
        yield _false_alarms(f"{name}, 5 % fail, in fives of a conversation", fives)
        yield Figure(f"{name}: until 10 % are seen to fail", "days", float(delays.mean()), NEAR,
                     DELAYS[a_day], "a study")
        if a_day == 100:
            yield Figure(f"{name}: until half of the alarms clear at 5 %", "days", clears[0],
                         CLEAR_DAYS)


def _limits(sizes: Sizes, random: np.random.Generator) -> Iterator[Figure]:
    say("\n| limit, 100 judged a day | false alarms a year | twice as many: days | clears at the "
        "limit: days |\n" + "| --- " * 4 + "|")
    for limit in OTHER_LIMITS:
        world = RateWorld(100, sizes.years, random, limit)
        alarms, delays = world.year(limit).detector, world.delays(2 * limit)
        say(f"| {_percent(limit)} | {alarms:.2f} | {np.nanmean(delays):.2f} "
            f"| {world.clearing(2 * limit, limit):.2f} |")
        yield _false_alarms(f"100 answers judged a day, limit of {_percent(limit)} reached", alarms)


def _means(sizes: Sizes, random: np.random.Generator) -> Iterator[Figure]:
    say(f"\nMean score {USUAL_MEAN}; it may fall by {DROP}\n\n"
        "| judged a day | false alarms a year, fallen by 0.05 | not fallen | daily interval, "
        "fallen by 0.05 | fallen by 0.1: days, mean | median | after quiet | CUSUM "
        "| fallen by 0.15: days | clears at 0.85: days | at 0.9 |\n" + "| --- " * 11 + "|")
    for a_day in sizes.judged_a_day:
        world = MeanWorld(a_day, sizes.years, random)
        year, usual = world.year(USUAL_MEAN - DROP), world.year(USUAL_MEAN)
        delays = MeanWorld(a_day, MORE * sizes.years, random).delays(FALLEN)
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
    say(f"\nTruth within the interval, and its width, of {JUDGED} judged\n\n"
        "| truth | sensitivity | specificity | as judged | "
        + " | ".join(f"{labels} labels" for labels in LABELS) + " |\n" + "| --- " * 7 + "|")
    for begin in range(0, len(table), len(LABELS)):
        row = table[begin:begin + len(LABELS)]
        say(f"| {_percent(row[0].truth)} | {row[0].sensitivity:g} | {row[0].specificity:g} "
            f"| {_percent(row[-1].judged_covered)} | {' | '.join(map(_cell, row))} |")
    covered = [cell.covered for cell in table if cell.possible >= USUAL]
    say(f"\n{len(covered)} of {len(table)} cells can be labelled\n")
    yield Figure("corrected rate: truth in the interval, the worst cell", "", min(covered),
                 LEAST_COVERED, at_least=True)
    average = float(np.mean(covered))
    yield Figure("corrected rate: truth in the interval, on average", "", average, COVERED[0],
                 at_least=True)
    yield Figure("corrected rate: the same", "", average, COVERED[1])


def _cell(cell: Cell) -> str:
    """What a cell says; absent where 20 of each cannot be labelled in half of the runs."""
    text = f"{_percent(cell.covered)}, {cell.width:.3f}"
    if cell.possible < USUAL:
        text = f"absent ({text})"
    return text if cell.possible > ALWAYS else f"{text}; in {_percent(cell.possible)}"


def _false_alarms(name: str, alarms: float) -> Figure:
    return Figure(f"{name}: false alarms", "a year", alarms, FALSE_ALARMS)


def _row(a_day: int, *values: SupportsFloat) -> str:
    return f"| {a_day} | " + " | ".join(f"{float(value):.2f}" for value in values) + " |"


def _percent(part: float) -> str:
    return f"{round(100 * part, 1):g} %"
