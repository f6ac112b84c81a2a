"""What was read in the last hour, as far as judgements ask for it: growth and gauges by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.families import Family
from inferometer.home.judge.tracks import HOUR, WINDOW, GrowthTrack, Track
from inferometer.values import Histogram, Key, Value, fell, growth

LatestPoints = Mapping[Metric, Mapping[Key, Value]]
ModelKey = tuple[str, str]  # engine and model

HALF_HOUR = HOUR // 2
LONGEST = 6 * HOUR // WINDOW  # windows that are remembered of what is looked at for hours
MOST_MODELS = c.TARGETS  # that are judged: as many as there may be engines
HISTOGRAMS = (c.SERVER_DURATION, c.SERVER_TTFT, c.SERVER_TPOT, c.SERVER_QUEUE)
RUNNING, WAITING, REPLICAS, RESETS = "running", "waiting", "replicas", "resets"
FAILED, JUDGED = "failed", "judged"
_COUNTERS = {c.SERVER_OUTPUT: "output", c.SERVER_INPUT: "input", c.SERVER_PREEMPTIONS: "preempted"}
_OUTCOMES_FAILED = ("error", "rejected")
_HELD_DOWN = ("hw_thermal", "hw_power_brake")
_TRACKED = frozenset((
    *HISTOGRAMS, *_COUNTERS, c.SERVER_REQUESTS, c.SERVER_RUNNING, c.SERVER_WAITING,
    c.SERVER_KV_USAGE, c.SERVER_UP, c.SERVER_START, c.SERVER_LAST_PROGRESS, *c.GPU_METRICS,
    *c.COST_METRICS, *c.SELF_METRICS))


def latest_of(families: Iterable[Family]) -> LatestPoints:
    """The points of the families that judgements ask for."""
    latest: dict[Metric, dict[Key, Value]] = {}
    for family in families:
        if family.metric in _TRACKED:
            latest.setdefault(family.metric, {}).update(family.items())
    return latest


class ModelTally:
    """One model under one engine, over all replicas that this exporter reads."""

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace  # as of Tally
        self.seen = 0  # the last step in which it was there
        self.counters: dict[str, Track] = {}
        self.gauges: dict[str, Track] = {}
        self.figures: dict[str, Track] = {}  # of the window up to a step, as they were judged
        self.windows: dict[str, Track] = {}  # counters again, a window after the other
        self.grown: dict[tuple[Metric, tuple[float, ...]], GrowthTrack] = {}

    def count(self, name: str, step: int, value: float) -> None:
        """Add what a counter grew by."""
        self.counters.setdefault(name, Track()).add(step, value)
        if name in (FAILED, JUDGED):
            self.windows.setdefault(name, Track(LONGEST)).add(step // WINDOW, value)

    def grow(self, metric: Metric, step: int, value: Histogram) -> None:
        """Add what a histogram grew by."""
        key = metric, value.bounds
        self.grown.setdefault(key, GrowthTrack(value.bounds)).add(step, value)

    def window(self, metric: Metric, step: int) -> list[Histogram]:
        """The growth of five minutes, a histogram for each set of bounds."""
        return [track.window(step) for (of, _), track in self.grown.items() if of is metric]

    def hour(self, metric: Metric, step: int) -> list[Histogram]:
        """The growth of an hour, likewise."""
        return [track.hour(step) for (of, _), track in self.grown.items() if of is metric]


class Tally:
    """Everything that is remembered, by step; a step is a reading of the history.

    `pace`: seconds that a second of the rules takes, 1 but in a hurry. Windows are counted in
    steps, so that they go with it; what rules hold against a rate is held against a count here,
    which is less in a hurry.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace
        self.step = -1
        self.models: dict[ModelKey, ModelTally] = {}
        self.tracks: dict[tuple[str, ...], Track] = {}  # of engines, GPUs, the driver and money
        self.events: dict[tuple[str, ...], list[int]] = {}  # steps in which something happened
        self._last: dict[tuple[Metric, Key], tuple[int, Value]] = {}

    def record(self, latest: LatestPoints, step: int) -> None:
        """Take a reading."""
        self.step = step
        self._requests(latest)
        for metric in HISTOGRAMS:
            for key, value in latest.get(metric, {}).items():
                self._histogram(metric, key, value)
        for metric, name in _COUNTERS.items():
            for model, _, value in self._growths(latest, metric):
                self._count(model, name, value)
        self._gauges(latest)
        self._engines(latest)
        self._gpus(latest)
        self._money(latest)
        self._forget()

    def track(self, *key: str, steps: int = HOUR) -> Track:
        """The track of this key."""
        if key not in self.tracks:
            self.tracks[key] = Track(steps)
        return self.tracks[key]

    def happened(self, *key: str, within: int) -> list[int]:
        """The steps of late in which something happened."""
        return [step for step in self.events.get(key, ()) if self.step - step < within]

    def _requests(self, latest: LatestPoints) -> None:
        for model, key, value in self._growths(latest, c.SERVER_REQUESTS):
            outcome = key[4]
            self._count(model, outcome, value)
            if outcome in (*_OUTCOMES_FAILED, "success"):
                self._count(model, JUDGED, value)
                self._count(model, FAILED, value if outcome in _OUTCOMES_FAILED else 0.0)

    def _histogram(self, metric: Metric, key: Key, value: Value) -> None:
        before = self._last.get((metric, key))
        grown = self._grown(metric, key, value)
        model = self._model((key[1], key[2]))
        if not model or not isinstance(grown, Histogram):
            return
        model.grow(metric, self.step, grown)
        if metric is c.SERVER_DURATION:
            of_target = ("replica", key[0])
            self.track(*of_target, "count", steps=WINDOW).add(self.step, grown.counts[-1])
            self.track(*of_target, "sum", steps=WINDOW).add(self.step, grown.total or 0.0)
        if metric is c.SERVER_TTFT and before and fell(before[1], value):
            model.count(RESETS, self.step, 1.0)

    def _gauges(self, latest: LatestPoints) -> None:
        for metric, name in ((c.SERVER_RUNNING, RUNNING), (c.SERVER_WAITING, WAITING),
                             (c.SERVER_UP, REPLICAS)):
            sums: dict[ModelKey, float] = {}
            for key, value in numbers(latest, metric):
                sums[key[1], key[2]] = sums.get((key[1], key[2]), 0.0) + value
            for model, total in sums.items():
                if tally := self._model(model):
                    tally.gauges.setdefault(name, Track()).put(self.step, total)

    def _engines(self, latest: LatestPoints) -> None:
        for key, value in numbers(latest, c.SERVER_UP):
            self.track("up", key[0], steps=HALF_HOUR).put(self.step, value)
        for key, value in numbers(latest, c.SERVER_START):
            before = self._last.get((c.SERVER_START, key))
            self._last[c.SERVER_START, key] = self.step, value
            if before and before[1] != value:
                self._happen("start", key[0])

    def _gpus(self, latest: LatestPoints) -> None:
        for key, value in numbers(latest, c.GPU_UP):
            self.track("gpu_up", key[1] or key[0], steps=HALF_HOUR).put(self.step, value)
        for _, value in numbers(latest, c.GPU_DRIVER_UP):
            self.track("driver_up", steps=HALF_HOUR).put(self.step, value)
        if c.GPU_UP in latest:
            self.track("gpus", steps=6 * HOUR).put(
                self.step, len({key[1] or key[0] for key in latest[c.GPU_UP]}))
        for metric, name in ((c.GPU_BUSY, "busy"), (c.GPU_OBSERVED, "observed")):
            for key, value in numbers(latest, metric):
                grown = self._grown(metric, key, value)
                if grown is not None and not isinstance(grown, Histogram):
                    self.track(name, key[1] or key[0], steps=WINDOW).add(self.step, grown)
        for key, value in numbers(latest, c.GPU_THROTTLED):
            grown = self._grown(c.GPU_THROTTLED, key, value) if key[2] in _HELD_DOWN else None
            if grown is not None and not isinstance(grown, Histogram):
                self.track("held_down", key[1] or key[0], key[2], steps=WINDOW).add(
                    self.step, grown)
        for key, value in numbers(latest, c.GPU_ECC):
            if key[2] == "uncorrected" and self._grown(c.GPU_ECC, key, value):
                self._happen("ecc", key[1] or key[0])
        for key, value in numbers(latest, c.GPU_XID):
            first = (c.GPU_XID, key) not in self._last
            grown = self._grown(c.GPU_XID, key, value)
            if grown or (first and value):
                self._happen("xid", key[1] or key[0], key[2])

    def _money(self, latest: LatestPoints) -> None:
        for metric, name in ((c.COST, "spent"), (c.COST_IDLE, "idle")):
            for key, value in numbers(latest, metric):
                grown = self._grown(metric, key, value)
                if metric is c.COST and key[0] == c.OWN_CATEGORY:
                    continue  # of hosted calls, which are no requests of engines
                if grown is not None and not isinstance(grown, Histogram):
                    self.track(name).add(self.step, grown)
                    if metric is c.COST and key[0] == "gpu":
                        self.track("spent", "gpu").add(self.step, grown)

    def _happen(self, *key: str) -> None:
        steps = self.events.setdefault(key, [])
        steps.append(self.step)
        del steps[:-HOUR]

    def _growths(self, latest: LatestPoints, metric: Metric
                 ) -> Iterator[tuple[ModelKey, Key, float]]:
        for key, value in numbers(latest, metric):
            grown = self._grown(metric, key, value)
            if grown is not None and not isinstance(grown, Histogram):
                yield (key[1], key[2]), key, grown

    def _grown(self, metric: Metric, key: Key, value: Value) -> Value | None:
        """What it grew by since it was read last; None if that is not known."""
        before = self._last.get((metric, key))
        self._last[metric, key] = self.step, value
        if before is None or self.step - before[0] > WINDOW:
            return None
        if isinstance(value, Histogram) and isinstance(before[1], Histogram) and (
                value.bounds != before[1].bounds):
            return None
        return growth(before[1], value)

    def _count(self, model: ModelKey, name: str, value: float) -> None:
        if tally := self._model(model):
            tally.count(name, self.step, value)

    def _model(self, key: ModelKey) -> ModelTally | None:
        tally = self.models.get(key)
        if tally is None:
            if len(self.models) >= MOST_MODELS:
                return None
            tally = self.models[key] = ModelTally(self.pace)
        tally.seen = self.step
        return tally

    def _forget(self) -> None:
        """What was not read for long."""
        if self.step % WINDOW:
            return
        self._last = {key: kept for key, kept in self._last.items()
                      if self.step - kept[0] <= WINDOW}
        self.models = {key: model for key, model in self.models.items()
                       if self.step - model.seen < HOUR}
        self.events = {key: steps for key, steps in self.events.items()
                       if self.step - steps[-1] < HOUR}
        self.tracks = {key: track for key, track in self.tracks.items()
                       if track.last(self.step, HOUR)}


def numbers(latest: LatestPoints, metric: Metric) -> Iterator[tuple[Key, float]]:
    """The points of a family of numbers."""
    for key, value in latest.get(metric, {}).items():
        if not isinstance(value, Histogram):
            yield key, value
