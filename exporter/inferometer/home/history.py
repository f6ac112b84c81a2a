"""The last hour in memory, for the page a person reads: few numbers of each GPU and engine.

Of every step one reading is kept, the first that somebody asked for; only where nobody did, one is
taken. What was not read is a gap, never 0, and what is made of two readings needs both.
"""

from __future__ import annotations

import math
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from queue import Empty, SimpleQueue

from inferometer import catalogue as c
from inferometer.collector import Deadline
from inferometer.families import Family
from inferometer.threads import Loop, Start, start_thread
from inferometer.values import Histogram, Key, Value, growth

STEP_SECONDS = 30.0
POINTS = 120  # of each plot: an hour of steps
LONGEST_RECORDING = 10.0  # seconds; what has not answered by then is a gap
LARGEST = 3e38  # beyond it a single-precision number is infinite
P95 = 0.95

# What is plotted, by the unit of its points.
UTILIZATION = "utilization"  # ratio
MEMORY = "memory"  # bytes in use
MEMORY_TOTAL = "memory_total"  # bytes; not plotted itself, but the scale of the one above
TTFT_P95 = "ttft_p95"  # seconds
OUTPUT_RATE = "output_rate"  # tokens per second
WAITING = "waiting"  # requests
RUNNING = "running"  # requests

_GAUGES = {
    "gpu": {UTILIZATION: c.GPU_UTILIZATION, MEMORY: c.GPU_MEMORY_USED,
            MEMORY_TOTAL: c.GPU_MEMORY_TOTAL},
    "engine": {WAITING: c.SERVER_WAITING, RUNNING: c.SERVER_RUNNING},
}
_TAKEN = {c.SERVER_TTFT, c.SERVER_OUTPUT,
          *(metric for plots in _GAUGES.values() for metric in plots.values())}
_MOST_OWNERS = {"gpu": c.GPUS, "engine": c.TARGETS}

TimedReading = tuple[float, Iterable[Family]]  # when a reading was begun, and what it brought
PlotOwner = tuple[str, str]  # "gpu" and its UUID or index, or "engine" and its target


@dataclass(frozen=True, slots=True)
class PlotPoint:
    """One value of a plot; `at_least` where only a lower limit is known."""

    value: float
    at_least: bool = False


def owner_of(metric: c.Metric, key: Key) -> PlotOwner | None:
    """Whose reading this is, by its first labels; None if it is of no whole GPU and no engine."""
    if metric.label_names[:2] == ("gpu", "uuid"):
        instance = metric.label_names[2:3] == ("mig",) and key[2]  # the board's has it in it
        return None if instance else ("gpu", key[1] or key[0])
    return ("engine", key[0]) if metric.label_names[:1] == ("target",) else None


def by_owner(families: Iterable[Family]) -> dict[PlotOwner, dict[c.Metric, dict[Key, Value]]]:
    """The points of every GPU and engine, by metric."""
    points: dict[PlotOwner, dict[c.Metric, dict[Key, Value]]] = {}
    for family in families:
        for key, value in family.items():
            owner = owner_of(family.metric, key)
            if owner is not None:
                points.setdefault(owner, {}).setdefault(family.metric, {})[key] = value
    return points


def quantile(share: float, histogram: Histogram) -> PlotPoint | None:
    """A quantile by linear interpolation within its bucket, as Prometheus' histogram_quantile.

    Above the last finite bound that bound is all that is known. None without any value.
    """
    bounds, total = histogram.bounds, histogram.counts[-1]
    if not bounds or not total > 0:
        return None
    rank, low, below = share * total, 0.0, 0.0
    for bound, count in zip(bounds, histogram.counts, strict=False):
        if count >= rank:
            if bound <= 0:
                return PlotPoint(bound)
            return PlotPoint(low + (bound - low) * (rank - below) / (count - below))
        low, below = max(bound, 0.0), max(count, below)
    return PlotPoint(bounds[-1], at_least=True)


class History:
    """Points of at most GPUS GPUs and TARGETS engines, at most POINTS each plot.

    Who has not been read for the whole time is forgotten.
    """

    def __init__(self, step: float = STEP_SECONDS) -> None:
        self.step = step  # seconds
        self._lock = threading.Lock()
        self._hours: dict[PlotOwner, _Hour] = {}
        self._first_at: float | None = None
        self._newest = 0  # the newest step, counted from the first recording
        self._before: dict[PlotOwner, dict[c.Metric, dict[Key, Value]]] = {}
        self._before_at = 0.0

    def record(self, families: Iterable[Family], began: float,
               read_at: float | None = None) -> int:
        """Add the reading of the step that `began`, and when it was read; time only goes on.

        Returns which step it was, counted from the first recording.
        """
        read_at = began if read_at is None else read_at
        readings = by_owner(family for family in families if family.metric in _TAKEN)
        with self._lock:
            if self._first_at is None:
                self._first_at = began
            slot = max(self._newest, round((began - self._first_at) / self.step))
            for hour in self._hours.values():
                hour.advance(self._newest, slot)
            self._newest = slot
            for owner, points in readings.items():
                plotted = self._plotted(owner, points, read_at - self._before_at)
                if plotted:
                    self._hours.setdefault(owner, _Hour()).put(slot, plotted)
            self._forget(slot)
            self._before, self._before_at = readings, read_at
            return slot

    def points(self, owner: PlotOwner, plot: str) -> list[PlotPoint | None]:
        """A plot's points, oldest first and the newest recording's last; None is a gap."""
        with self._lock:
            hour = self._hours.get(owner)
            return [None] * POINTS if hour is None else hour.points(plot, self._newest)

    @property
    def recordings(self) -> int:
        """How many steps there are points for, at most POINTS; 0 before the first recording."""
        with self._lock:
            return 0 if self._first_at is None else min(POINTS, self._newest + 1)

    def owners(self) -> set[PlotOwner]:
        """Who has points."""
        with self._lock:
            return set(self._hours)

    def _plotted(self, owner: PlotOwner, points: Mapping[c.Metric, Mapping[Key, Value]],
                 seconds: float) -> dict[str, PlotPoint]:
        gauges = {plot: _sum(points[metric])
                  for plot, metric in _GAUGES[owner[0]].items() if metric in points}
        readings = {plot: PlotPoint(value) for plot, value in gauges.items()}
        before = self._before.get(owner, {})
        tokens = _growths(before.get(c.SERVER_OUTPUT, {}), points.get(c.SERVER_OUTPUT, {}))
        if tokens and seconds > 0:
            grown = sum(value for value in tokens if not isinstance(value, Histogram))
            readings[OUTPUT_RATE] = PlotPoint(grown / seconds)
        waits = _growths(before.get(c.SERVER_TTFT, {}), points.get(c.SERVER_TTFT, {}))
        p95 = _quantile_of([v for v in waits if isinstance(v, Histogram) and v.counts[-1] > 0])
        if p95 is not None:
            readings[TTFT_P95] = p95
        return readings

    def _forget(self, slot: int) -> None:
        """Whoever has no point left, and those longest gone of more than there may be."""
        for kind, most in _MOST_OWNERS.items():
            mine = sorted((hour.seen, owner) for owner, hour in self._hours.items()
                          if owner[0] == kind)
            for place, (seen, owner) in enumerate(mine, start=1):
                if slot - seen >= POINTS or len(mine) - place >= most:
                    del self._hours[owner]


class Recorder:
    """Records every step, in a thread of its own: the first reading that somebody makes in it.

    Where nobody makes one, it takes one itself at the step's end. `recorded` is then given the
    reading and its step.
    """

    def __init__(self, history: History, take: Callable[[Deadline], Iterable[Family]],
                 clock: Callable[[], float] = time.monotonic,
                 wait: Callable[[float], object] | None = None,
                 readings: SimpleQueue[TimedReading] | None = None,
                 start: Start = start_thread,
                 recorded: Callable[[Sequence[Family], int], None] | None = None) -> None:
        self._history = history
        self._recorded = recorded
        self._take = take
        self._clock = clock
        self._step_at = clock()  # when the present step began
        self._readings: SimpleQueue[TimedReading] = readings or SimpleQueue()
        self._lock = threading.Lock()
        self._listening = False
        self.loop = Loop("history", self._record_step, self._pause, start, wait)

    def now(self) -> float:
        """The time on the clock by which readings are dated."""
        return self._clock()

    def take_up(self, families: Iterable[Family], read_at: float) -> None:
        """Take up a whole reading that was made for another, and begun at that time."""
        with self._lock:
            listened, self._listening = self._listening, False
        if listened:
            self._readings.put((read_at, families))

    def _pause(self) -> float:
        """Go on to the next step; those that a slow reading took are left out."""
        self._step_at += self._history.step * max(1.0, self._steps())
        return max(0.0, self._step_at - self._clock())

    def _steps(self) -> float:
        """How many steps have ended since the present one began."""
        return (self._clock() - self._step_at) // self._history.step

    def _record_step(self) -> None:
        self._step_at += self._history.step * max(0.0, self._steps())  # after a while without it
        began, end = self._step_at, self._step_at + self._history.step
        with self._lock:
            self._listening = True
        try:
            read_at, families = self._readings.get(timeout=max(0.0, end - self._clock()))
        except Empty:
            deadline = Deadline(min(self._history.step, LONGEST_RECORDING), self._clock)
            read_at, families = self._clock(), self._take(deadline)
        families = list(families)
        step = self._history.record(families, began, read_at)
        if self._recorded:
            self._recorded(families, step)


class _Hour:
    """One owner's plots: rings of single-precision numbers, NaN where there is no point."""

    def __init__(self) -> None:
        self.seen = 0  # the last step with a point
        self._rings: dict[str, tuple[array[float], bytearray]] = {}

    def advance(self, newest: int, slot: int) -> None:
        """Empty what the steps after `newest` up to `slot` held an hour before."""
        places = [step % POINTS for step in range(newest + 1, min(slot, newest + POINTS) + 1)]
        for values, at_least in self._rings.values():
            for place in places:
                values[place], at_least[place] = math.nan, 0

    def put(self, slot: int, readings: Mapping[str, PlotPoint]) -> None:
        """Set the points of one step."""
        self.seen = slot
        for plot, point in readings.items():
            ring = self._rings.get(plot)
            if ring is None:
                ring = self._rings[plot] = array("f", [math.nan]) * POINTS, bytearray(POINTS)
            good = abs(point.value) < LARGEST
            ring[0][slot % POINTS] = point.value if good else math.nan
            ring[1][slot % POINTS] = point.at_least

    def points(self, plot: str, newest: int) -> list[PlotPoint | None]:
        """The plot's points up to the newest step."""
        if plot not in self._rings:
            return [None] * POINTS
        values, at_least = self._rings[plot]
        places = [step % POINTS for step in range(newest + 1, newest + 1 + POINTS)]
        return [None if math.isnan(values[place])
                else PlotPoint(values[place], bool(at_least[place])) for place in places]


def _sum(points: Mapping[Key, Value]) -> float:
    return sum(value for value in points.values() if not isinstance(value, Histogram))


def _growths(before: Mapping[Key, Value], now: Mapping[Key, Value]) -> list[Value]:
    """What every series that was there before has grown by."""
    return [growth(before[key], value) for key, value in now.items() if key in before]


def _quantile_of(grown: list[Histogram]) -> PlotPoint | None:
    """The 95th percentile of all together; unlike bounds cannot be put together."""
    if len({histogram.bounds for histogram in grown}) != 1:
        return None
    return quantile(P95, reduce(Histogram.plus, grown))
