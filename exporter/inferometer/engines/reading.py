"""Turns an engine's page into points of the catalogue, by the engine's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferometer import catalogue as c
from inferometer.catalogue import Metric
from inferometer.engines.buckets import PageValues
from inferometer.engines.leftover import LEFTOVER, Leftover
from inferometer.engines.page import Page, PageShape
from inferometer.engines.processes import Processes
from inferometer.engines.recognition import own_names
from inferometer.engines.requests import EndedRequests, RequestPlan
from inferometer.engines.sources import CounterHistory, Facet
from inferometer.engines.table import Engine, Http
from inferometer.engines.view import ENGINE_WIDE, ModelRank, View
from inferometer.sieve import Refusals, Sieve
from inferometer.values import Histogram, Key, Value

NATIVE, DERIVED, WITHHELD, UNAVAILABLE = c.SOURCE.values
ALL_UNAVAILABLE = dict.fromkeys(c.SIGNALS, UNAVAILABLE)
BESIDE_THE_PAGE = "a document beside the page"


@dataclass(frozen=True)
class ServerInfo:
    """What the documents beside the metrics page say; empty or None where they say nothing.

    `max_model_length` is in tokens.
    """

    model: str = ""
    version: str = ""
    max_model_length: float | None = None


@dataclass
class Reading:
    """One page in our vocabulary: points by metric, and each signal's source.

    Keys of points are without the target and the engine. `taken` are the families, by the table's
    names, that each signal was read from; `withheld` is why a signal that the page has is not
    passed on; `unknown` is how many of the engine's own families its table does not have.
    """

    model: str
    plan: Plan
    points: dict[Metric, dict[Key, Value]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    taken: dict[str, tuple[str, ...]] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    unknown: int = 0
    restarted: bool = False  # whether the engine counts from nothing again

    def put(self, metric: Metric, key: Key, value: Value) -> None:
        """Set one point."""
        self.points.setdefault(metric, {})[key] = value

    def total(self, metric: Metric) -> float:
        """The sum of a metric's numbers."""
        return sum(value for value in self.points.get(metric, {}).values()
                   if isinstance(value, float))

    def withhold(self, signal: str, why: str) -> None:
        """Take a signal back, which the page has and which is not so."""
        self.sources[signal] = WITHHELD
        self.withheld[signal] = why


@dataclass(frozen=True)
class Names:
    """What the user says of an endpoint's models.

    `model` is the name where the page has none of its own, `entry_models` are those that hand
    requests on to others on the page.
    """

    model: str = ""
    entry_models: tuple[str, ...] = ()


NAMELESS = Names()


class Plan:
    """An engine's table bound to one shape of page."""

    def __init__(self, engine: Engine, shape: PageShape, names: Names) -> None:
        self.view = view = View(engine.spelling, shape.families, names.model, names.entry_models)
        self.engine = engine
        self.shape = shape
        self.models = view.models
        self.only_model = view.only_model
        self.unknown = sorted(name for name in view.own if not engine.knows(name))
        # Of the sources those that have something on the page, so that the others cost nothing.
        self.signals = [(metric, sources) for metric in c.SIGNAL_METRICS if (sources := [
            (source, source.bind(view, Facet(metric)))
            for source in engine.signals.get(metric, ())
            if view.has_any(source.names)])]
        self.counters = [sample.index for name in own_names(engine) & view.families.keys()
                         for sample in view.families[name].samples
                         if view.families[name].kind == "counter" or sample.suffix == "_count"]
        self.progress = [selector.numbers(view) for selector in engine.progress]
        self.requests = RequestPlan(engine, view)


class Describer:
    """Describes one target's pages; remembers what derived counters and progress need."""

    def __init__(self, names: Names = NAMELESS, refusals: Refusals | None = None) -> None:
        self._names = names
        self._sieve = Sieve(refusals)
        self._plan: Plan | None = None
        self._processes = Processes()
        self._leftover = Leftover()
        self._requests = EndedRequests()
        self._history = CounterHistory()
        self._counted: float | None = None
        self._generated = 0.0
        self._progressed_at = 0.0

    def describe(self, engine: Engine, page: Page, info: ServerInfo, read_at: float) -> Reading:
        """The page's points. `read_at` is when it was asked for, in Unix seconds."""
        plan = self._plan
        if plan is None or plan.shape is not page.shape or plan.engine is not engine:
            plan = self._plan = Plan(engine, page.shape, self._names)
        reading = Reading(plan.only_model if plan.models else self._names.model or info.model, plan,
                          unknown=len(plan.unknown))
        if why := self._processes.why_withheld(page, plan.counters, read_at):
            for signal in c.SIGNALS:
                reading.withhold(signal, why)
            return reading
        self._history.begin_page()
        values = PageValues(page.values)
        self._put_signals(reading, plan, values, read_at)
        self._put_requests(reading, plan, values, read_at)
        self._put_progress(reading, plan, values, read_at)
        self._put_max_length(reading, info)
        self._withhold_leftover(reading, read_at)
        reading.restarted = self._restarted(reading)
        return reading

    def _put_signals(self, reading: Reading, plan: Plan, numbers: PageValues, read_at: float
                     ) -> None:
        reading.sources.update(ALL_UNAVAILABLE)
        for metric, sources in plan.signals:
            for source, read in sources:
                values = self._sifted(metric, read(numbers, self._history), numbers, read_at)
                if values:
                    self._put(reading, metric, values)
                    reading.sources[metric.signal] = DERIVED if source.derived else NATIVE
                    reading.taken[metric.signal] = source.names
                    break

    def _sifted(self, metric: Metric, reported: Mapping[Key, Value], numbers: PageValues,
                read_at: float) -> Mapping[Key, Value]:
        """What can be of one metric's values; what was dropped to make them is counted, too."""
        if numbers.dropped:
            self._sieve.refusals.add(metric, numbers.dropped)
            numbers.dropped = 0
        return self._sieve.sift_one(metric, reported, read_at)

    def _restarted(self, reading: Reading) -> bool:
        before, self._generated = self._generated, reading.total(c.SERVER_OUTPUT)
        return self._generated < before

    def _withhold_leftover(self, reading: Reading, read_at: float) -> None:
        aborts = sum(count for key, count in reading.points.get(c.SERVER_REQUESTS, {}).items()
                     if key[2] == "abort" and isinstance(count, float))
        if self._counted is not None and self._leftover.is_left(
                reading.total(c.SERVER_RUNNING), reading.total(c.SERVER_WAITING), aborts,
                progressed_at=self._progressed_at, read_at=read_at):
            for metric in (c.SERVER_RUNNING, c.SERVER_WAITING, c.SERVER_WAITING_WHY):
                if reading.points.pop(metric, None):
                    reading.withhold(metric.signal, LEFTOVER)

    def _put_max_length(self, reading: Reading, info: ServerInfo) -> None:
        if info.max_model_length is not None and c.SERVER_MAX_LENGTH not in reading.points:
            self._put(reading, c.SERVER_MAX_LENGTH, {ENGINE_WIDE: info.max_model_length})
            reading.sources[c.SERVER_MAX_LENGTH.signal] = NATIVE
            reading.taken[c.SERVER_MAX_LENGTH.signal] = (BESIDE_THE_PAGE,)

    def _put(self, reading: Reading, metric: Metric,
             values: Mapping[ModelRank, Value]) -> None:
        first = 1 if c.RANK in metric.labels else 2
        points = reading.points.setdefault(metric, {})
        for place, value in values.items():
            if isinstance(value, Histogram):
                value = value.coarsened(metric.bounds)
            points[place[0] or reading.model, *place[first:]] = value

    def _put_requests(self, reading: Reading, plan: Plan, numbers: PageValues, read_at: float
                      ) -> None:
        responses = plan.requests.responses(numbers)
        by_class = self._requests.by_class(responses, self._history.turn)
        self._put_http(reading, plan.engine.http, self._sifted(
            c.SERVER_HTTP, {(name,): count for name, count in by_class.items()}, numbers, read_at))
        counts, derived = self._requests.read(plan.requests, numbers, responses,
                                              self._history.turn)
        ended = {(*place, *ending): count for (place, ending), count in counts.items()}
        for (model, rank, *ending), count in self._sifted(
                c.SERVER_REQUESTS, ended, numbers, read_at).items():
            reading.put(c.SERVER_REQUESTS, (model or reading.model, rank, *ending), count)
            source = DERIVED if ending[0] in derived else NATIVE
            reading.sources[f"requests_{ending[0]}"] = source

    def _put_http(self, reading: Reading, http: Http | None, counts: Mapping[Key, Value]) -> None:
        for (code_class,), count in counts.items():
            reading.put(c.SERVER_HTTP, (reading.model, code_class), count)
            reading.sources[c.SERVER_HTTP.signal] = NATIVE
            reading.taken[c.SERVER_HTTP.signal] = (http.name,) if http else ()

    def _put_progress(self, reading: Reading, plan: Plan, numbers: PageValues,
                      read_at: float) -> None:
        counts = [sum(sum(children.values()) for children in tokens.values())
                  for read in plan.progress if (tokens := read(numbers))]
        if not counts:
            return
        if sum(counts) != self._counted:
            self._counted, self._progressed_at = sum(counts), read_at
        reading.taken[c.SERVER_LAST_PROGRESS.signal] = tuple(
            selector.name for selector in plan.engine.progress)
        reading.put(c.SERVER_LAST_PROGRESS, (reading.model,), self._progressed_at)
        reading.sources[c.SERVER_LAST_PROGRESS.signal] = DERIVED
