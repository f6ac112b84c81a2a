"""How requests ended, by the contract's outcomes: the engine's own count, completed from HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from inferometer.catalogue import LARGEST_COUNT
from inferometer.counters import Memory, Remainder, SummedCounters
from inferometer.engines.buckets import PageValues
from inferometer.engines.choices import RequestsOfAnswers
from inferometer.engines.sources import Child, Selector
from inferometer.engines.table import Engine, Http, RequestCounter
from inferometer.engines.view import ENGINE_WIDE, ModelRank, View, shortened
from inferometer.values import Histogram, Value

# Paths that do inference; health, metrics, tokenizers and model lists never count as requests.
INFERENCE = re.compile(
    r"/(?:(?:inference|cohere|api)/)?(?:v\d+(?:beta\d*)?/)?(?:"
    r"chat|chat/completions(?:/batch)?|completions?|responses|messages|generate(?:_stream)?"
    r"|vertex_generate|invocations|infill|embed(?:dings|_all)?|encode|pooling|classify|score"
    r"|generative_scoring|rerank|predict|systemone|decisions"
    r"|audio/(?:transcriptions|translations|speech)|images/(?:generations|edits))/?"
)
UNNAMED = "none"  # the instrumentator's word for a path it knows no route of
_EXACT = {"429": ("rejected", "http_429"), "503": ("rejected", "http_503"), "499": None}
_BY_CLASS = {"4xx": ("invalid", "http_4xx"), "5xx": ("error", "http_5xx")}
CLASSES = ("2xx", "3xx", "4xx", "5xx")

Ending = tuple[str, str]  # outcome, reason
Counts = dict[tuple[str, Child], float]  # by status code or class, and by series
_ResponseCount = tuple[str, Child, int]  # the same, and the index of the count


class CounterPlan:
    """Where one counter of ended requests stands on pages of one shape."""

    def __init__(self, counter: RequestCounter, view: View) -> None:
        self.counter = counter
        self.late = counter.comes_late(view)
        self.read = counter.selector.by_label(view, counter.label)
        self.answers = [
            Selector(counter.answers, part=part).numbers(view) for part in ("_count", "_sum")
        ] if counter.answers else []

    def ending(self, value: str) -> Ending:
        """What the label's value means."""
        return self.counter.meaning.get(value, self.counter.otherwise)


class RequestPlan:
    """Where ended requests are counted on pages of one shape."""

    def __init__(self, engine: Engine, view: View) -> None:
        self.native = [CounterPlan(counter, view)
                       for counter in engine.requests if counter.is_readable(view)]
        self.difference = (
            engine.success.minuend.numbers(view), engine.success.subtrahend.numbers(view)
        ) if engine.success else None
        self.http = engine.http
        self._counts_http = _counts_http(engine.http, view)
        self._named, self._nameless = _responses(engine.http, view)

    def responses(self, values: PageValues) -> Counts | None:
        """Responses of inference endpoints by status code or class, series by series.

        None where they are unknown: the engine does not count them, or its routes have no names
        (vLLM with FastAPI 0.137 or newer) and nothing but refusals was seen yet. Once a response
        without a name was good, all that is posted counts: an unknown path would not have
        answered so.
        """
        if not self._counts_http:
            return None
        counts, nameless = _counts(self._named, values), _counts(self._nameless, values)
        if any(code.startswith("2") for code, _ in nameless):
            return {**counts, **nameless}
        return counts if counts or not nameless else None


class EndedRequests:
    """Ended requests of one target over its life."""

    def __init__(self) -> None:
        self._summed: SummedCounters[tuple[ModelRank, Ending] | str] = SummedCounters(1000)
        self._requests: Memory[ModelRank, RequestsOfAnswers[Ending]] = Memory(1000)
        self._differences: Memory[ModelRank, Remainder] = Memory(1000)
        self._remainders: dict[str, Remainder] = {}

    def read(self, plan: RequestPlan, values: PageValues, responses: Counts | None, turn: float
             ) -> tuple[dict[tuple[ModelRank, Ending], float], set[str]]:
        """Counts by model, rank and ending, and the outcomes whose count is derived.

        `turn` goes up from page to page.
        """
        self._summed.forget(turn)
        minuend, subtrahend = ((read(values) for read in plan.difference) if plan.difference
                               else ({}, {}))
        derived = {outcome for native in plan.native if native.counter.selector.derived
                   for outcome in native.counter.outcomes}
        native = self._native(plan, values, minuend, turn, derived)
        counts = dict(native)
        for model_rank, total in self._difference(minuend, subtrahend, turn).items():
            counts[model_rank, ("success", "finished")] = total
            derived.add("success")
        for ending, total in self._beyond(plan.http, responses, native, turn).items():
            counts[ENGINE_WIDE, ending] = counts.get((ENGINE_WIDE, ending), 0.0) + total
            derived.add(ending[0])
        return counts, derived

    def by_class(self, responses: Counts | None, turn: float) -> dict[str, float]:
        """Responses of inference endpoints by status class, every class from 0 on."""
        counts = dict.fromkeys(CLASSES, 0.0) if responses is not None else {}
        for name in counts:
            children = {child: count for (code, child), count in (responses or {}).items()
                        if f"{code[:1]}xx" == name}
            if children:
                counts[name] = _float(self._summed.total_of(name, children, turn))
        return counts

    def _native(self, plan: RequestPlan, values: PageValues, others: Iterable[ModelRank],
                turn: float, derived: set[str]) -> dict[tuple[ModelRank, Ending], float]:
        """The engine's own counts, from 0 on for the outcomes that the page shows it to have.

        Adds the outcomes that are worked out from answers to `derived`.
        """
        read = [(native, native.read(values)) for native in plan.native]
        others = dict.fromkeys(
            [*(model_rank for _, numbers in read for model_rank, _ in numbers), *others])
        counts: dict[tuple[ModelRank, Ending], float] = {}
        children: dict[tuple[ModelRank, Ending], dict[Child, float]] = {}
        for native, numbers in read:
            _start(counts, native, numbers, others)
            for (model_rank, value), series in numbers.items():
                children.setdefault((model_rank, native.ending(value)), {}).update(series)
        for key, counted in children.items():
            counts[key] = _float(self._summed.total_of(key, counted, turn))
        for native, numbers in read:
            if native.answers:
                requests = self._once(native, values, numbers, counts, turn)
                derived.update(ending[0] for _, ending in requests)
                counts.update(requests)
        return counts

    def _once(self, native: CounterPlan, values: PageValues,
              numbers: Iterable[tuple[ModelRank, str]],
              counts: Mapping[tuple[ModelRank, Ending], float], turn: float
              ) -> dict[tuple[ModelRank, Ending], float]:
        """Requests where some asked for several answers; nothing where none did."""
        ended, asked = (read(values) for read in native.answers)
        requests: dict[tuple[ModelRank, Ending], float] = {}
        for model_rank in ended.keys() & asked.keys():
            earlier = self._requests.get(model_rank)
            counted = earlier[1] if earlier else RequestsOfAnswers[Ending]()
            self._requests.put(model_rank, counted, turn)
            endings = {native.ending(value) for place, value in numbers if place == model_rank}
            by_ending = counted.add({ending: counts[model_rank, ending] for ending in endings},
                                    sum(ended[model_rank].values()),
                                    sum(asked[model_rank].values()))
            if counted.several:
                requests.update({(model_rank, ending): count
                                 for ending, count in by_ending.items()})
        return requests

    def _difference(self, minuend: Mapping[ModelRank, Mapping[Child, float]],
                    subtrahend: Mapping[ModelRank, Mapping[Child, float]], turn: float
                    ) -> dict[ModelRank, float]:
        totals: dict[ModelRank, float] = {}
        for model_rank, children in minuend.items():
            earlier = self._differences.get(model_rank)
            remainder = earlier[1] if earlier else Remainder()
            self._differences.put(model_rank, remainder, turn)
            totals[model_rank] = remainder.add(children, subtrahend.get(model_rank, {}), turn)
        return totals

    def _beyond(self, http: Http | None, responses: Counts | None,
                native: dict[tuple[ModelRank, Ending], float], turn: float) -> dict[Ending, float]:
        """What HTTP counts beyond the engine's own count, by ending."""
        if http is None or not http.endings or responses is None:
            return {}
        by_ending: dict[Ending, dict[Child, float]] = {ending: {} for ending in http.endings}
        for (code, child), count in responses.items():
            status_ending = _EXACT.get(code, _BY_CLASS.get(f"{code[:1]}xx"))
            if status_ending is not None:
                by_ending.setdefault(status_ending, {})[child] = count
        totals: dict[Ending, float] = {}
        for ending, children in by_ending.items():
            explained = {
                key: count for key, count in native.items()
                if key[1][0] in http.explained.get(ending[1], ())}
            remainder = self._remainders.setdefault(ending[1], Remainder())
            totals[ending] = remainder.add(children, explained, turn)
        return totals


def _start(counts: dict[tuple[ModelRank, Ending], float], native: CounterPlan,
           numbers: Iterable[tuple[ModelRank, str]], others: Iterable[ModelRank]) -> None:
    """Set to 0 what the page shows this version to count."""
    numbers = list(numbers)
    shown = {native.ending(value)[0] for _, value in numbers}
    for model_rank in others if native.late else dict.fromkeys(place for place, _ in numbers):
        for ending in native.counter.meaning.values() or (native.counter.otherwise,):
            if native.late or ending[0] in shown:
                counts.setdefault((model_rank, ending), 0.0)


def _counts_http(http: Http | None, view: View) -> bool:
    """Whether the page counts HTTP responses by route; an older one may not tell routes apart."""
    family = view.families.get(http.name) if http else None
    return family is not None and http is not None and (
        not family.samples or any(http.handler in sample.labels for sample in family.samples))


def _responses(http: Http | None, view: View) -> tuple[list[_ResponseCount], list[_ResponseCount]]:
    """Responses to POST and PUT: those of inference routes, and those of routes unnamed."""
    named: list[_ResponseCount] = []
    nameless: list[_ResponseCount] = []
    family = view.family(http.name, "counter") if http else None
    for sample in family.samples if family else ():
        assert http is not None
        labels = sample.labels
        handler = labels.get(http.handler, "")
        into = nameless if handler == UNNAMED else named if INFERENCE.fullmatch(handler) else None
        if into is not None and labels.get("method", "POST") in ("POST", "PUT"):
            child = tuple(map(shortened, labels.values()))
            into.append((labels.get(http.code, ""), child, sample.index))
    return named, nameless


def _counts(responses: list[_ResponseCount], values: PageValues) -> Counts:
    counts = {(code, child): count for code, child, index in responses
              if 0 <= (count := values[index]) <= LARGEST_COUNT}
    values.dropped += len(responses) - len(counts)
    return counts


def _float(value: Value) -> float:
    assert not isinstance(value, Histogram)
    return value
